"""The cells of the study as rows of a CSV file and as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tabulate import tabulate

from pytest_modelbudget.values.device import GIB
from pytest_modelbudget.values.metrics import show
from pytest_modelbudget.values.throughput import batch_that_pays

CARDS = (16, 24, 80)  # GiB
BATCH_ONE, USUAL = 1, 224


def row(cell: Any, devices: Sequence[str]) -> dict[str, Any]:
    """A cell as plain numbers: counts, bytes, and samples per second, which are estimates."""
    infer, train = cell.infer, cell.train
    found = {"model": cell.model, "batch": cell.batch, "res": cell.res}
    found |= {name: getattr(infer, name, "") for name in ("flops", "macs", "params", "activations")}
    found |= {"memory_infer": getattr(infer, "memory", ""), "memory_train": getattr(train, "memory", "")}
    for device in devices:
        for mode, cost in (("infer", infer), ("train", train)):
            speed = cost.throughput.on(device).samples_per_second if cost is not None else None
            found[f"estimated_{mode}_per_second_{device}"] = "" if speed is None else f"{speed:.4g}"
    return {**found, "refused": cell.refused}


def sections(cells: Sequence[Any], devices: Sequence[str]) -> Iterator[str]:
    """By resolution, by batch, and what to run it at."""
    yield "# Tables\n\nMade by `study.py`. Samples per second are estimates, not measurements."
    for title, fixed in (
        (f"## By resolution, at batch {BATCH_ONE}", {"batch": BATCH_ONE}),
        (f"## By batch, at {USUAL} pixels", {"res": USUAL}),
    ):
        yield title
        for model in dict.fromkeys(cell.model for cell in cells):
            yield f"### {model}\n\n" + _table(model, cells, fixed, devices)
    yield _settings(cells, devices)


def _table(model: str, cells: Sequence[Any], fixed: dict[str, int], devices: Sequence[str]) -> str:
    (free,) = {"batch", "res"} - set(fixed)
    rows = []
    for cell in cells:
        if cell.model != model or any(getattr(cell, name) != value for name, value in fixed.items()):
            continue
        if cell.infer is None:
            rows.append([str(getattr(cell, free)), f"refused: {cell.refused}"])
            continue
        speeds = [speed(cell.infer, device) for device in devices]
        rows.append(
            [
                str(getattr(cell, free)),
                show(cell.infer.flops, "flops"),
                show(cell.infer.params, "params"),
                show(cell.infer.memory, "memory"),
                show(cell.train.memory, "memory") if cell.train is not None else "-",
                *speeds,
            ]
        )
    headers = [free, "FLOPs", "params", "memory, infer", "memory, train", *(f"{device}, est. /s" for device in devices)]
    return markdown(rows, headers)


def speed(cost: Any, device: str) -> str:
    """Samples per second, with three digits."""
    found = cost.throughput.on(device).samples_per_second
    return f"{found:.0f}" if found >= 100 else f"{found:.3g}"


def pays(cells: Sequence[Any], model: str, device: str, mode: str, res: int = USUAL) -> int | None:
    """The smallest batch with 90 % of the most samples per second, of those that fit on the device."""
    costs = [getattr(cell, mode) for cell in cells if cell.model == model and cell.res == res]
    return batch_that_pays((cost.throughput.on(device), cost.memory) for cost in costs if cost is not None)


def largest(cells: Sequence[Any], model: str, gib: int, mode: str, res: int) -> int | None:
    """The largest batch of the grid that fits into so much memory."""
    costs = [getattr(cell, mode) for cell in cells if cell.model == model and cell.res == res]
    return max((cost.point.batch for cost in costs if cost is not None and cost.memory <= gib * GIB), default=None)


def _settings(cells: Sequence[Any], devices: Sequence[str]) -> str:
    """Two tables: where larger batches stop to pay, and where they stop to fit."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    rows = [
        [model, *(_text(pays(cells, model, device, mode)) for mode in ("infer", "train") for device in devices)]
        for model in models
    ]
    knees = markdown(rows, ["", *(f"{mode}, {device}" for mode in ("infer", "train") for device in devices)])
    rows = [
        [model, *(_text(largest(cells, model, gib, "train", res)) for res in (224, 512, 1024) for gib in CARDS)]
        for model in models
    ]
    fits = markdown(rows, ["", *(f"{res}, {gib} GiB" for res in (224, 512, 1024) for gib in CARDS)])
    return (
        f"## The batch at which it stops to pay to go larger, at {USUAL} pixels (an estimate)\n\n"
        f"The smallest batch with 90 % of the most samples per second, of those in the grid that fit.\n\n{knees}\n\n"
        f"## The largest batch of the grid that trains in a card's memory, by pixels\n\n{fits}"
    )


def _text(value: int | None) -> str:
    return "none" if value is None else str(value)


def markdown(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """A table whose first column is names."""
    aligned = ["left", *["right"] * (len(headers) - 1)]
    return str(tabulate(rows, headers, tablefmt="github", colalign=aligned, disable_numparse=True))
