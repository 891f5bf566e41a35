"""timm's models against the figures timm publishes: one of each family, and all of them with ``-m zoo``."""

from __future__ import annotations

import pytest
import timm
import torch
from four_ways import rows
from fvcore.nn import FlopCountAnalysis
from one_attempt import attempt
from zoo.timm_models import (
    ALL,
    FAMILIES,
    PUBLISHED,
    SAMPLE,
    WRONG_GMACS,
    WRONG_MACTS,
    figures,
    fvcore_flops,
    inputs,
    measured,
    measured_as_published,
    unfused_attention,
)

SMALL = 0.6e9
"""FLOPs up to which a model is also run for real."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in SAMPLE else pytest.mark.zoo) for n in ALL])
def test_model(name):
    """Counted on meta, nothing uncounted, parameters exactly, a real run the same, and as published."""
    cost = measured(name)
    assert (cost.executed, cost.uncounted, cost.notes) == ("meta", {}, ())
    with torch.device("meta"):
        assert cost.params == sum(parameter.numel() for parameter in timm.create_model(name).parameters())
    assert cost.flops >= cost.macs > 0
    if cost.flops < SMALL:
        channels, *res = inputs(name)
        real = attempt(lambda: timm.create_model(name), real=True, grad=False, channels=channels, res=tuple(res))
        assert rows(real) == rows(cost)
        assert real.by_operator() == cost.by_operator()
    if name in PUBLISHED:
        as_published, *_ = measured_as_published(name) or [cost]
        work, activations, params = figures(name, as_published, fvcore_flops(as_published)[0])
        assert params.agrees, params
        assert work.agrees != (name in WRONG_GMACS), work
        assert activations.agrees != (name in WRONG_MACTS), activations


@pytest.mark.zoo
@pytest.mark.parametrize("name", sorted(SAMPLE - set(PUBLISHED)))
def test_unpublished_family_as_fvcore_counts(name):
    """Where timm published no figure, fvcore is asked: it runs the model for real, which takes a while."""
    with unfused_attention():
        model = timm.create_model(name).eval()
        theirs = FlopCountAnalysis(model, torch.zeros(1, *inputs(name)))
        theirs.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        assert fvcore_flops(measured(name, model))[0] == theirs.total()


def test_sixty_models_of_all_families():
    assert len(SAMPLE) == len(FAMILIES) >= 60
    assert set(PUBLISHED) <= set(ALL)
    assert len(PUBLISHED) == 300
