"""All of torchvision's models against the figures torchvision publishes for them."""

from __future__ import annotations

import pytest
import torch
from zoo.torchvision_models import (
    DETECTORS,
    PER_PROPOSAL,
    QUICK,
    SMALL,
    STATIC,
    compared_detector,
    compared_static,
    detector,
    frozen_when_published,
    heads,
)

from pytest_modelbudget import measure, tensor


@pytest.mark.parametrize("name", STATIC)
def test_static_model(name):
    """Multiply-adds to the last published digit, parameters exactly, every operator known, nothing computed."""
    row, cost = compared_static(name)
    assert row.work.agrees, row
    assert row.params.agrees, row
    assert (cost.executed, cost.uncounted) == ("meta", {})


@pytest.mark.parametrize(
    ("name", "small"),
    [
        *((name, name not in QUICK) for name in DETECTORS),
        *(pytest.param(name, False, marks=pytest.mark.zoo) for name in DETECTORS if name not in QUICK),
    ],
)
def test_detector(name, small):
    """A detector's shapes depend on its data: it is run for real, says so, and every operator is known."""
    row, cost = compared_detector(name, small=small)
    assert cost.executed == "real"
    assert "reads values that the meta device does not have" in cost.notes[0]
    assert cost.uncounted == {}
    assert cost.params == row.params.theirs + frozen_when_published(name)
    proposals, detections = heads(name, cost)
    assert proposals <= 1000
    assert detections <= 100
    if name in PER_PROPOSAL:
        assert proposals > 0
    assert small or row.work.agrees, row


def test_detector_twice():
    """Weights and inputs of a real run are seeded: the number does not depend on what ran before."""
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    torch.manual_seed(1)
    first = measure(lambda: detector(name, **SMALL), inputs=([tensor(3, 64, 64)],))
    torch.manual_seed(2)
    assert measure(lambda: detector(name, **SMALL), inputs=([tensor(3, 64, 64)],)) == first
