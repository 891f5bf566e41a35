"""The sections of the documentation that show predictions beside measurements, and their pictures.

Everything shown is of models that the fit had not seen: each model is predicted by a fit to the other four fifths.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from pytest_modelbudget.values.devices import find_device

from .memory_fits import GIB, Bytes, Ladder, needs
from .samples import Sample
from .tables import Row
from .time_fits import Group, left_out

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = DOCS / "pictures"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

_GOALS = {"infer": 6.0, "compiled": 9.0, "train": 7.0, "full": 8.0, "left out": 12.0}
_FEW = 30
_RANK = 0.99


def put(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN, 1)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value."""
    return np.argsort(np.argsort(values))


def way_text(group: Group) -> str:
    """``training, half precision, channels last``."""
    way = group.way
    words = [
        "training" if way.mode == "train" else "inference",
        "half precision" if way.half else "float32",
        *(["channels last"] if way.channels_last else []),
        *(["compiled"] if way.compiled else []),
    ]
    return ", ".join(words)


def _goal(group: Group) -> float:
    if not group.way.half:
        return _GOALS["full"]
    return _GOALS["compiled" if group.way.compiled else group.way.mode]


def time_section(groups: Sequence[Group], samples: Sequence[Sample]) -> str:
    """Tables of the errors by card and way, of cards left out, by family, and of the worst models."""
    rows, out = [], []
    for one in groups:
        error = 100 * np.abs(one.errors)
        speed = np.array([sample.row.batch or 1 for sample in one.samples]) / one.measured
        guess = np.array([sample.row.batch or 1 for sample in one.samples]) / one.unseen
        rank = float(np.corrcoef(ranks(speed), ranks(guess))[0, 1]) if len(speed) > 2 else float("nan")
        figure = float(error.mean()) if not one.way.half else float(np.median(error))
        ranked = one.way.half and one.way.mode == "infer" and not one.way.compiled
        met = figure <= _goal(one) and (rank >= _RANK or not ranked)
        kind = "mean" if not one.way.half else f"median, rank {_RANK}" if ranked else "median"
        rows.append(
            [one.card, way_text(one), len({s.row.model for s in one.samples}), len(error), f"{np.median(error):.1f} %",
             f"{np.percentile(error, 90):.1f} %", f"{error.mean():.1f} %", f"{rank:.3f}",
             f"{_goal(one):g} % {kind}", "yes" if met else "no"]
        )  # fmt: skip
        if one.way.half and not one.way.compiled:
            guess = left_out(one, samples)
            if guess is not None:
                apart = 100 * np.abs(guess / one.measured - 1)
                out.append(
                    [one.card, way_text(one), f"{np.median(apart):.1f} %", f"{np.percentile(apart, 90):.1f} %",
                     f"{_GOALS['left out']:g} %", "yes" if np.median(apart) <= _GOALS["left out"] else "no"]
                )  # fmt: skip
    head = ["card", "step", "models", "rows", "median", "90th percentile", "mean", "rank correlation", "goal", "met"]
    return "\n\n".join(
        [
            "### How far off on models that the fit had not seen",
            str(tabulate(rows, head, tablefmt="github", disable_numparse=True)),
            "### On a card whose own measurements are left out",
            "By the factors of the other cards of its market that ran the same way, the nearer generations more.",
            str(tabulate(out, ["card", "step", "median", "90th percentile", "goal", "met"], tablefmt="github",
                         disable_numparse=True)),
            "![Predicted over measured time, by card](pictures/time.png)",
            "### By family",
            _families(groups),
            "### The worst",
            _worst(groups),
        ]
    )  # fmt: skip


def family(model: str) -> str:
    """The first word of a model's name, without what is in front of it and without sizes."""
    words = [word for word in model.split("_") if word not in ("tf", "legacy", "gluon", "test")]
    return words[0].rstrip("0123456789")


def _families(groups: Sequence[Group]) -> str:
    errors: dict[str, list[float]] = {}
    for one in groups:
        if one.way.half:
            for sample, error in zip(one.samples, one.errors, strict=True):
                errors.setdefault(family(sample.row.model), []).append(100 * float(error))
    rows = [
        [name, len(found), f"{np.median(found):+.1f} %", f"{np.median(np.abs(found)):.1f} %",
         f"{np.percentile(np.abs(found), 90):.1f} %"]
        for name, found in sorted(errors.items(), key=lambda item: -len(item[1]))
        if len(found) >= _FEW
    ]  # fmt: skip
    head = ["family", "rows", "median, signed", "median", "90th percentile"]
    return str(tabulate(rows, head, tablefmt="github", disable_numparse=True))


def _worst(groups: Sequence[Group], most: int = 12) -> str:
    found: dict[str, tuple[float, str]] = {}
    for one in groups:
        if one.way.half:
            for sample, error in zip(one.samples, one.errors, strict=True):
                off = abs(float(np.log(1 + error)))
                if off > found.get(sample.row.model, (0.0, ""))[0]:
                    found[sample.row.model] = (
                        off,
                        f"{one.card}, {way_text(one)}: predicted over measured {1 + error:.2f}",
                    )
    worst = sorted(found.items(), key=lambda item: -item[1][0])[:most]
    return "\n".join(f"- {name} ({text})" for name, (_, text) in worst)


PAIRS = (
    ("4090 nchw pt240", "4090 nchw pt291", "RTX 4090, torch 2.4 and 2.9"),
    ("3090 nchw pt240", "4090 nchw pt240", "RTX 3090 and RTX 4090, both 24 GB"),
    ("3090 nchw pt240", "3090 nhwc pt240", "RTX 3090, default memory format and channels last"),
)
"""Tables whose batches a model of memory by card would have alike."""


def agreement(rows: Iterable[Row]) -> list[list[Any]]:
    """Of each of `PAIRS`: the steps of which one table or both have a smaller batch, and the share that have the same.

    A model of one of the two tables that had no error could be right of the other for no more than that.
    """
    found: dict[str, dict[tuple[str, int], Row]] = {}
    for row in rows:
        found.setdefault(row.table, {})[row.model, row.res] = row
    lines = []
    for one, other, words in PAIRS:
        both = [(a, found[other][key]) for key, a in found.get(one, {}).items() if key in found.get(other, {})]
        stepped = [(a, b) for a, b in both if a.next_batch or b.next_batch]
        if stepped:
            same = sum(a.batch == b.batch for a, b in stepped)
            lines.append([words, len(stepped), f"{100 * same / len(stepped):.1f} %"])
    return lines


def memory_section(shown: Bytes, ladders: Sequence[Ladder], alike: Sequence[Sequence[Any]]) -> str:
    """The bytes that a card showed, the batches that fitted, how alike tables are, and the worst of both."""
    errors = shown.unseen / shown.measured - 1
    off = 100 * np.abs(errors)
    rows = [
        [shown.rungs[0].row.card, len({one.row.model for one in shown.rungs}), len(off), f"{np.median(off):.1f} %",
         f"{np.percentile(off, 90):.1f} %", "4 %, 15 %",
         "yes" if np.median(off) <= 4 and np.percentile(off, 90) <= 15 else "no"]
    ]  # fmt: skip
    steps = []
    for one in ladders:
        goal = 95 if one.mode == "train" else 85
        share = 100 * float(np.mean(one.right))
        refused = np.array([rung.refused for rung in one.rungs])
        words = "training" if one.mode == "train" else "inference"
        steps.append(
            [one.card, words, len(one.rungs), f"{share:.1f} %", int(refused.sum()),
             f"{100 * float(np.mean(one.right[~refused])):.1f} %", f"{goal} %", "yes" if share >= goal else "no"]
        )  # fmt: skip
    order = np.argsort(-off)[:12]
    worst = "\n".join(
        f"- {shown.rungs[i].row.model} at batch {shown.rungs[i].row.batch}: {shown.unseen[i]:.1f} GiB predicted, "
        f"{shown.measured[i]:.1f} GiB shown"
        for i in order
    )
    return "\n\n".join(
        [
            "### Bytes of device memory",
            str(tabulate(rows, ["card", "models", "rows", "median", "90th percentile", "goal", "met"],
                         tablefmt="github", disable_numparse=True)),
            "### Batches that fitted, and the next ones, which did not",
            str(tabulate(steps, ["card", "step", "rows that stepped down", "both right", "refused by a kernel",
                                 "right of the others", "goal", "met"], tablefmt="github", disable_numparse=True)),
            "### How alike two tables are",
            str(tabulate(alike, ["tables", "steps of which one is smaller than asked", "the same batch in both"],
                         tablefmt="github", disable_numparse=True)),
            "A line for each row, from what the listed batch is predicted to need to what the next one is, of what is "
            "free on the card: right are those that cross 1.",
            "![Predicted need of the listed batch and the next one](pictures/ladders.png)",
            "![Predicted and shown device memory](pictures/footprint.png)",
            "### The worst",
            worst,
        ]
    )  # fmt: skip


def draw_time(groups: Sequence[Group]) -> None:
    """Predicted over measured, against measured, a panel for each card and way that has many rows."""
    import matplotlib.pyplot as plt

    large = [one for one in groups if len(one.samples) >= _FEW]
    columns = 2
    figure, axes = plt.subplots(-(-len(large) // columns), columns, figsize=(10, 2.6 * -(-len(large) // columns)))
    for axis, one in zip(np.ravel(axes), large, strict=False):
        axis.scatter(1e3 * one.measured, 1 + one.errors, s=5, alpha=0.5, linewidths=0)
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set(xscale="log", yscale="log", ylim=(0.18, 5.5), title=f"{one.card}: {way_text(one)}")
        _plain(axis.yaxis, (0.2, 0.5, 1, 2, 5))
        axis.set_xlabel("measured step (ms)")
        axis.set_ylabel("predicted / measured")
    for axis in np.ravel(axes)[len(large) :]:
        axis.axis("off")
    figure.tight_layout()
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "time.png", dpi=90, metadata={"Software": None})
    plt.close(figure)


def draw_ladders(ladders: Sequence[Ladder]) -> None:
    """What the listed batch and the next one are predicted to need of a card: a line for each row, to cross 1.

    Rows whose next batch a kernel refused are in another colour.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(-(-len(ladders) // 2), 2, figsize=(10, 2.6 * -(-len(ladders) // 2)))
    for axis, one in zip(np.ravel(axes), ladders, strict=False):
        free = find_device(one.card).memory / GIB - one.outside
        pairs = sorted(
            (needs(each.larger, one.searched) / free, needs(each.taken, one.searched) / free, each.refused)
            for each in one.rungs
        )
        places = np.arange(len(pairs))
        high, low, refused = (np.array(values) for values in zip(*pairs, strict=True))
        for rows, color, label in ((~refused, "tab:blue", "out of memory"), (refused, "tab:orange", "refused")):
            axis.vlines(places[rows], low[rows], high[rows], color=color, linewidth=0.8, label=label)
        axis.axhline(1, color="black", linewidth=0.8)
        words = "training" if one.mode == "train" else "inference"
        axis.set(ylim=(0, 2.5), title=f"{one.card}: {words}", xlabel="rows that stepped down")
        axis.set_ylabel("needed / free")
        axis.legend(loc="upper left", frameon=False)
    for axis in np.ravel(axes)[len(ladders) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(PICTURES / "ladders.png", dpi=90, metadata={"Software": None})
    plt.close(figure)


def _plain(axis: Any, values: Sequence[float]) -> None:
    """Label an axis at these values alone, as plain numbers."""
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def draw_memory(shown: Bytes) -> None:
    """Predicted against shown bytes."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 4.5))
    axis.scatter(shown.measured, shown.unseen, s=6, alpha=0.5, linewidths=0)
    axis.plot([1.5, 40], [1.5, 40], color="black", linewidth=0.8)
    axis.set(xscale="log", yscale="log", xlabel="shown by nvidia-smi (GiB)", ylabel="predicted (GiB)")
    for each in (axis.xaxis, axis.yaxis):
        _plain(each, (2, 3, 5, 10, 20, 40))
    axis.set_title(f"{shown.rungs[0].row.card}, training in float32")
    figure.tight_layout()
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "footprint.png", dpi=90, metadata={"Software": None})
    plt.close(figure)
