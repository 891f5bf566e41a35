"""Fits to the samples of tables, and how far off they are on models that they never saw.

Models are split by the hash of their name, never rows: steps of one model at several resolutions are alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from pytest_modelbudget.counting.calibrating import fit

from .samples import Sample

FOLDS = 5


def fold(model: str) -> int:
    """The fold that a model is in, by the SHA-256 of its name."""
    return hashlib.sha256(model.encode()).digest()[0] % FOLDS


def fitted(samples: Sequence[Sample], prior: np.ndarray, strength: float) -> np.ndarray:
    """The factors of samples. ``strength`` is how many samples each factor of the prior weighs as much as."""
    seconds = np.array([one.row.seconds for one in samples])
    return np.asarray(fit.fitted(np.array([one.columns for one in samples]), seconds, prior, strength))


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
