"""The fits of memory that go into the package: of bytes that a card showed, and of batches that fitted or did not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
_OUTSIDE = np.arange(0.5, 9, 0.05)  # GiB
_SEARCHED = {"train": (0.0,), "infer": tuple(np.arange(0, 1.01, 0.1))}
"""What cuDNN may take to try its algorithms, of the most that a convolution moves. In training the largest convolutions
run while little is alive, at the begin of forward and the end of backward, so that their workspaces find room.
"""
_SCATTER, _OTHERWISE = 0.02, 0.1
"""How far off a need is, and the share of batches that went out of memory, or did not, for another reason."""


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


def needs(taken: Taken | None, searched: float) -> float:
    """The GiB that a step needs beside what is outside of PyTorch."""
    if taken is None:
        return math.inf
    return taken.tight / GIB + searched * workspace(taken)


def likelihoods(rungs: Sequence[Rung], searched: float) -> np.ndarray:
    """The logarithm of how likely the batches are, by what of the card is outside: `_OUTSIDE`."""
    free = np.log(_capacities(rungs) - _OUTSIDE[:, None])
    low = np.log([needs(one.taken, searched) for one in rungs])
    high = np.log([needs(one.larger, searched) for one in rungs])
    return np.asarray((np.log(_likely(free - low)) + np.log(_likely(high - free))).sum(axis=1))


def _likely(apart: np.ndarray) -> np.ndarray:
    return np.asarray(_OTHERWISE + (1 - 2 * _OTHERWISE) / (1 + np.exp(-np.clip(apart / _SCATTER, -50, 50))))


def _capacities(rungs: Sequence[Rung]) -> np.ndarray:
    return np.array([find_device(one.row.card).memory / GIB for one in rungs])


def full(groups: Mapping[str, Sequence[Rung]], mode: str) -> tuple[dict[str, float], float]:
    """What of each card is outside, in GiB, and of all of them what is searched: the most likely ones."""
    found = {
        searched: {card: likelihoods(rungs, searched) for card, rungs in groups.items()} for searched in _SEARCHED[mode]
    }
    best = max(found, key=lambda searched: sum(float(one.max()) for one in found[searched].values()))
    return {card: float(_OUTSIDE[one.argmax()]) for card, one in found[best].items()}, best


def right(rungs: Sequence[Rung], outside: float, searched: float) -> np.ndarray:
    """Whether each listed batch fits as predicted, and the next one does not."""
    free = _capacities(rungs) - outside
    low = np.array([needs(one.taken, searched) for one in rungs])
    high = np.array([needs(one.larger, searched) for one in rungs])
    return np.asarray((low <= free) & (high > free))


class Bytes(NamedTuple):
    """Bytes that a card showed, and what a fit predicts that saw none of the model, in GiB."""

    rungs: list[Rung]
    measured: np.ndarray
    unseen: np.ndarray
    factors: np.ndarray


class Ladder(NamedTuple):
    """The batches of one card and mode: whether a fit that saw none of the model was right, and the fit of all.

    Batches that a kernel refused are not fitted to. They are among those of which it is said how many were right.
    """

    card: str
    mode: str
    rungs: list[Rung]
    right: np.ndarray
    outside: float
    searched: float


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


def ladders_of(rungs: Sequence[Rung]) -> list[Ladder]:
    """What the fits of batches give, by card and mode."""
    found = []
    for mode in _SEARCHED:
        groups: dict[str, list[Rung]] = {}
        for one in rungs:
            if one.larger is not None and one.row.setting.mode == mode and not one.row.setting.compiled:
                groups.setdefault(one.row.card, []).append(one)
        is_right = {card: np.zeros(len(group), dtype=bool) for card, group in groups.items()}
        for number in range(FOLDS):
            inside = {
                card: [one for one in group if fold(one.row.model) != number and not one.refused]
                for card, group in groups.items()
            }
            outside, searched = full(inside, mode)
            for card, group in groups.items():
                tested = [i for i, one in enumerate(group) if fold(one.row.model) == number]
                is_right[card][tested] = right([group[i] for i in tested], outside[card], searched)
        outside, searched = full(
            {card: [one for one in group if not one.refused] for card, group in groups.items()}, mode
        )
        found += [
            Ladder(card, mode, group, is_right[card], outside[card], searched) for card, group in sorted(groups.items())
        ]
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
            card=one.card, mode=one.mode, outside=round(one.outside * GIB), searched=round(one.searched * ONE),
            percent=0, right=math.floor(100 * float(np.mean(one.right))), rows=len(one.rungs),
            models=len({rung.row.model for rung in one.rungs}), source=LADDERS, **common,
        )
        for one in ladders
    ]  # fmt: skip
    training = next((one for one in ladders if one.mode == "train"), None)
    outside, searched = (training.outside, training.searched) if training is not None else (context, 0.0)
    errors = np.abs(shown_bytes.unseen / shown_bytes.measured - 1)
    found.append(
        Memory(
            card=shown_bytes.rungs[0].row.card, mode="train", outside=round(outside * GIB),
            searched=round(searched * ONE), percent=math.ceil(100 * float(np.median(errors))), right=0,
            rows=len(shown_bytes.rungs),
            models=len({one.row.model for one in shown_bytes.rungs}), source=SHOWN, **common,
        )
    )  # fmt: skip
    return found
