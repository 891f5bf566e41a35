"""The fits of memory that go into the package: of bytes that a card showed, and of batches that fitted or did not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import ONE, Memory
from pytest_modelbudget.values.footprint import Taken
from pytest_modelbudget.values.operator_classes import CLASSES

from .fit import FOLDS, fold
from .memory import Rung

GIB = 2**30
WORKSPACES = tuple(name for name in CLASSES if any(word in name for word in ("convolution", "pointwise", "grouped")))
"""The classes whose kernels take workspaces: cuDNN's, but those of depthwise convolutions take none."""

SHOWN = "GPUMemNet (arXiv 2602.17817), device memory by nvidia-smi"
LADDERS = "huggingface/pytorch-image-models, results/benchmark-*.csv (Apache-2.0): batches that fitted"
_STEP = 0.05  # GiB
_LIVE = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3)


def workspace(taken: Taken) -> float:
    """The most bytes that a convolution moves whose kernel takes a workspace."""
    return max((size for name, size in taken.moved.items() if name in WORKSPACES), default=0) / GIB


def shown(rungs: Sequence[Rung]) -> np.ndarray:
    """Context in GiB, factors of the allocator's blocks and of the workspace, by the least relative error."""
    table = np.array([[1.0, one.taken.reserved / GIB, workspace(one.taken)] for one in rungs])
    measured = np.array([one.row.memory / GIB for one in rungs])
    found = np.array([1.75, 1.03, 0.5])
    for _ in range(60):
        weight = 1 / np.sqrt(np.maximum(np.abs(table @ found / measured - 1), 0.01)) / measured
        found = np.linalg.lstsq(table * weight[:, None], measured * weight, rcond=None)[0]
    return found


def runs_whole(rung: Rung) -> bool:
    """Whether a run of the table is one to learn from: not of a step that its card cannot hold, or that ended early."""
    capacity = find_device(rung.row.card).memory
    return rung.taken.live < 0.9 * capacity and rung.row.memory > rung.taken.live


def shown_by(found: np.ndarray, rungs: Sequence[Rung]) -> np.ndarray:
    """The GiB that a card is predicted to show."""
    return np.array([found @ [1.0, one.taken.reserved / GIB, workspace(one.taken)] for one in rungs])


def least(rungs: Sequence[Rung], factor: float) -> tuple[float, float]:
    """What of the card is not for live tensors, in GiB, and the factor of live bytes, by the most batches right."""
    best = (-1.0, 0.0, 1.0)
    for live in _LIVE:
        fitting = np.array([needs(one.taken, live, factor) for one in rungs])
        larger = np.array([needs(one.larger, live, factor) for one in rungs if one.larger is not None])
        capacity = np.array([find_device(one.row.card).memory / GIB for one in rungs])
        rights = [
            (float(np.mean((fitting + outside <= capacity) & (larger + outside > capacity))), outside)
            for outside in np.arange(0.5, 9, _STEP)
        ]
        right = max(rights)[0]
        middle = float(np.median([outside for share, outside in rights if share == right]))
        best = max(best, (right, middle, live))
    return best[1], best[2]


def needs(taken: Taken, live: float, factor: float) -> float:
    """The GiB that a step needs beside what is outside of PyTorch."""
    return live * taken.live / GIB + factor * workspace(taken)


def right(rungs: Sequence[Rung], outside: float, live: float, factor: float) -> np.ndarray:
    """Whether each listed batch fits as predicted, and the next one does not."""
    return np.array(
        [
            needs(one.taken, live, factor) + outside <= find_device(one.row.card).memory / GIB
            and one.larger is not None
            and needs(one.larger, live, factor) + outside > find_device(one.row.card).memory / GIB
            for one in rungs
        ]
    )


class Bytes(NamedTuple):
    """Bytes that a card showed, and what a fit predicts that saw none of the model, in GiB."""

    rungs: list[Rung]
    measured: np.ndarray
    unseen: np.ndarray
    factors: np.ndarray


class Ladder(NamedTuple):
    """The batches of one card and mode: whether a fit that saw none of the model was right, and the fit of all."""

    card: str
    mode: str
    rungs: list[Rung]
    right: np.ndarray
    outside: float
    live: float


def bytes_of(rungs: Sequence[Rung]) -> Bytes:
    """What the fit of bytes gives."""
    whole = [one for one in rungs if one.row.memory and runs_whole(one)]
    measured = np.array([one.row.memory / GIB for one in whole])
    unseen = np.zeros(len(whole))
    for number in range(FOLDS):
        inside = [one for one in whole if fold(one.row.model) != number]
        outside = [i for i, one in enumerate(whole) if fold(one.row.model) == number]
        if inside and outside:
            unseen[outside] = shown_by(shown(inside), [whole[i] for i in outside])
    return Bytes(whole, measured, unseen, shown(whole))


def ladders_of(rungs: Sequence[Rung], factor: float) -> list[Ladder]:
    """What the fits of batches give, by card and mode."""
    groups: dict[tuple[str, str], list[Rung]] = {}
    for one in rungs:
        if one.larger is not None and not one.row.setting.compiled:
            groups.setdefault((one.row.card, one.row.setting.mode), []).append(one)
    found = []
    for (card, mode), group in sorted(groups.items()):
        is_right = np.zeros(len(group), dtype=bool)
        for number in range(FOLDS):
            inside = [one for one in group if fold(one.row.model) != number]
            tested = [i for i, one in enumerate(group) if fold(one.row.model) == number]
            if inside and tested:
                is_right[tested] = right([group[i] for i in tested], *least(inside, factor), factor)
        found.append(Ladder(card, mode, group, is_right, *least(group, factor)))
    return found


def memory_fits(shown_bytes: Bytes, ladders: Sequence[Ladder]) -> list[Memory]:
    """The fits for the package. Bytes are known of one card; the others take its context and blocks."""
    context, reserved, factor = shown_bytes.factors
    common = {
        "context": round(context * GIB),
        "reserved": round(reserved * ONE),
        "workspaces": {name: round(factor * ONE) for name in WORKSPACES},
    }
    found = [
        Memory(
            card=one.card, mode=one.mode, outside=round(one.outside * GIB), live=round(one.live * ONE), percent=0,
            right=math.floor(100 * float(np.mean(one.right))), rows=len(one.rungs),
            models=len({rung.row.model for rung in one.rungs}), source=LADDERS, **common,
        )
        for one in ladders
    ]  # fmt: skip
    training = next((one for one in ladders if one.mode == "train"), None)
    outside, live = (training.outside, training.live) if training is not None else (context, 1.0)
    errors = np.abs(shown_bytes.unseen / shown_bytes.measured - 1)
    found.append(
        Memory(
            card=shown_bytes.rungs[0].row.card, mode="train", outside=round(outside * GIB), live=round(live * ONE),
            percent=math.ceil(100 * float(np.median(errors))), right=0, rows=len(shown_bytes.rungs),
            models=len({one.row.model for one in shown_bytes.rungs}), source=SHOWN, **common,
        )
    )  # fmt: skip
    return found
