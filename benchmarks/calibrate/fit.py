"""Fits factors by class of operators to measured times, and finds how far off they are on models that they never saw.

Times are linear in the factors. They are fitted to the relative error, which large errors do not rule (iteratively
reweighted least squares for its absolute value), none is negative, and each is held near a prior, so that a class that
few models have keeps what all cards show of it. Models are split by the hash of their name, never rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from pytest_modelbudget.values.operator_classes import CLASSES

from .samples import Sample

FOLDS = 5
_COMPUTE, _TRAFFIC, _KERNEL = 1.3, 1.2, 3e-6
"""What is believed before anything is measured: peaks are reached to 80 %, a kernel takes 3 us to start."""


def fold(model: str) -> int:
    """The fold that a model is in, by the SHA-256 of its name."""
    return hashlib.sha256(model.encode()).digest()[0] % FOLDS


def believed() -> np.ndarray:
    """The prior of a fit that has no other."""
    return np.concatenate([np.full(len(CLASSES), _COMPUTE), np.full(len(CLASSES), _TRAFFIC), [_KERNEL]])


def fitted(samples: Sequence[Sample], prior: np.ndarray, strength: float, rounds: int = 6) -> np.ndarray:
    """The factors of samples. ``strength`` is how many samples each factor of the prior weighs as much as."""
    matrix = np.array([one.columns / one.row.seconds for one in samples])
    pull = np.diag(np.sqrt(strength) * _WIDTH / np.maximum(prior, 1e-12))
    found = prior.copy()
    for _ in range(rounds):
        error = np.abs(matrix @ found - 1)
        weight = 1 / np.sqrt(np.maximum(error, 0.02) / 0.1)
        system = np.vstack([matrix * weight[:, None], pull])
        wanted = np.concatenate([weight, pull @ prior])
        found = _not_negative(system, wanted, found)
    return found


_WIDTH = 0.15
"""A factor that is wrong by its whole size weighs as an error of 15 %."""


def _not_negative(system: np.ndarray, wanted: np.ndarray, start: np.ndarray, rounds: int = 400) -> np.ndarray:
    """Least squares without negative numbers, by coordinate descent."""
    scale = np.maximum(np.abs(start), 1e-12)
    scaled = system * scale
    square, right = scaled.T @ scaled, scaled.T @ wanted
    diagonal = np.maximum(np.diag(square), 1e-15)
    found = start / scale
    for _ in range(rounds):
        largest = 0.0
        for i in range(len(found)):
            new = max(0.0, found[i] - (square[i] @ found - right[i]) / diagonal[i])
            largest, found[i] = max(largest, abs(new - found[i])), new
        if largest < 1e-6:
            break
    return found * scale


def predicted(samples: Sequence[Sample], factors: np.ndarray) -> np.ndarray:
    """The seconds that factors predict."""
    return np.array([one.columns @ factors for one in samples])


def unseen(samples: Sequence[Sample], fit: Callable[[Sequence[Sample]], np.ndarray]) -> np.ndarray:
    """The seconds predicted for each sample by a fit that saw none of its model."""
    found = np.zeros(len(samples))
    for number in range(FOLDS):
        inside = [one for one in samples if fold(one.row.model) != number]
        outside = [i for i, one in enumerate(samples) if fold(one.row.model) == number]
        if outside and inside:
            found[outside] = predicted([samples[i] for i in outside], fit(inside))
    return found
