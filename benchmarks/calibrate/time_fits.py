"""The fits of time that go into the package: one for each card and way of running that tables have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pytest_modelbudget.counting.calibrating.fit import KERNELS, believed, by_class
from pytest_modelbudget.values.device import GENERATIONS, Device
from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import Fit, Way
from pytest_modelbudget.values.operator_classes import CLASSES

from .fit import fitted, predicted, unseen
from .samples import Sample

STRENGTH, STRENGTH_OF_FEW = 1.0, 0.7
"""How many samples what is known of other cards weighs; where there are few samples, each of which has few classes."""

KERNEL = 1_000  # ns, at the least
HOST = {("infer", False): 35_000, ("train", False): 45_000, ("infer", True): 5_000, ("train", True): 5_000}
"""Nanoseconds of a call on the host, by mode and compiled or not. The tables, at large batches, only bound them from
above. At small ones a call costs 40 to 60 us by PyTorch, casts and copies less (`throughput._LIGHT`).
"""

SOURCES = {
    "half": "huggingface/pytorch-image-models, results/benchmark-*.csv (Apache-2.0)",
    "full": "NeuSight (S. Lee et al., ASPLOS 2025), labels of its Figure 7",
}


def groups(samples: Sequence[Sample]) -> dict[tuple[str, Way], list[Sample]]:
    """Samples by card and way of running, of those groups that are large enough to fit anything to."""
    found: dict[tuple[str, Way], list[Sample]] = {}
    for one in samples:
        found.setdefault((one.row.card, one.way), []).append(one)
    return {key: group for key, group in found.items() if len(group) >= _LEAST}


_LEAST = 3


def pooled(samples: Sequence[Sample]) -> np.ndarray:
    """What all eager inference in half precision shows, which has the most models."""
    pool = [one for one in samples if one.way.mode == "infer" and one.way.half and not one.way.compiled]
    return fitted(pool, believed(), STRENGTH)


def alike(group: Sequence[Sample], samples: Sequence[Sample]) -> list[Sample]:
    """The samples that a group is fitted with: in full precision, of which there are few, all of its market."""
    first = group[0]
    if first.way.half:
        return list(group)
    market = find_device(first.row.card).market
    return [one for one in samples if not one.way.half and find_device(one.row.card).market == market]


class Group(NamedTuple):
    """The samples of one card and way of running, their factors, and what a fit predicts that saw none of the model."""

    card: str
    way: Way
    samples: list[Sample]
    factors: np.ndarray
    unseen: np.ndarray

    @property
    def measured(self) -> np.ndarray:
        """Seconds of the steps."""
        return np.array([one.row.seconds for one in self.samples])

    @property
    def errors(self) -> np.ndarray:
        """Relative errors, as they are signed."""
        return self.unseen / self.measured - 1


def fitted_groups(samples: Sequence[Sample]) -> list[Group]:
    """A fit for each group."""
    found = []
    half = pooled(samples)
    for (card, way), group in sorted(groups(samples).items(), key=lambda item: (item[0][0], str(item[0][1]))):
        prior, strength = half.copy(), STRENGTH
        if not way.half:  # no table has convolutions in float32, and few models
            prior[: len(CLASSES)], strength = believed()[: len(CLASSES)], STRENGTH_OF_FEW

        def fit(some: Sequence[Sample], prior: np.ndarray = prior, strength: float = strength) -> np.ndarray:
            return fitted(some, prior, strength)

        together = alike(group, samples)
        every = unseen(together, fit)
        own = np.array([every[i] for i, one in enumerate(together) if (one.row.card, one.way) == (card, way)])
        found.append(Group(card, way, group, fit(together), own))
    return found


def time_fits(found: Sequence[Group], samples: Sequence[Sample]) -> list[Fit]:
    """The fits for the package, with their errors on models that they did not see, and on other cards."""
    lent = [lent_error(one, found, samples) for one in found]
    largest = max(
        (error for error, one in zip(lent, found, strict=True) if error is not None and one.way.half), default=0
    )
    return [
        Fit(
            card=one.card,
            way=one.way,
            factors=by_class(one.factors),
            kernel=max(KERNEL, round(one.factors[KERNELS] * 1e9)),
            host=HOST[one.way.mode, one.way.compiled],
            percent=math.ceil(100 * float(np.median(np.abs(one.errors)))),
            borrowed=math.ceil(100 * (error if error is not None else largest)),
            rows=len(one.samples),
            models=len({sample.row.model for sample in one.samples}),
            source=SOURCES["half" if one.way.half else "full"],
        )
        for one, error in zip(found, lent, strict=True)
    ]


def lent_error(group: Group, found: Sequence[Group], samples: Sequence[Sample]) -> float | None:
    """The largest median error on a card that is left out, of those that ran the same way; ``None`` where none did.

    Where no two cards of one market did, that of the factors of a card on those of another market.
    """
    alike = [one for one in found if one.way == group.way]
    errors = [
        float(np.median(np.abs(guess / one.measured - 1)))
        for one in alike
        if (guess := left_out(one, samples)) is not None
    ]
    for other in alike if not errors else ():
        if other.card != group.card:
            errors.append(float(np.median(np.abs(predicted(other.samples, group.factors) / other.measured - 1))))
    return max(errors, default=None)


def left_out(group: Group, samples: Sequence[Sample]) -> np.ndarray | None:
    """The seconds of a card's steps by fits that saw nothing of the card: those of other cards of its market together.

    Weighted as the package has it for a card that was not measured (`time_fit`).
    """
    others = [one for one in samples if one.row.card != group.card and one.way == group.way]
    device = find_device(group.card)
    cards = {one.row.card: find_device(one.row.card) for one in others}
    lenders = [card for card, other in cards.items() if other.market == device.market]
    if not lenders:
        return None
    prior = fitted(others, believed(), STRENGTH)
    each = [fitted([one for one in others if one.row.card == card], prior, STRENGTH) for card in sorted(lenders)]
    weights = [1 / _apart(device, cards[card]) for card in sorted(lenders)]
    return predicted(group.samples, np.average(each, axis=0, weights=weights))


def _apart(one: Device, other: Device) -> int:
    return abs(GENERATIONS.index(one.generation) - GENERATIONS.index(other.generation))
