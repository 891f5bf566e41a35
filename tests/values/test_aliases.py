"""What people call things: hints that name what is meant, and metrics by any of their names."""

from __future__ import annotations

import re

import pytest

from pytest_modelbudget import UsageError, budget, fit, measure, sweep
from pytest_modelbudget.judging.budget import marker_arguments, parse_budget
from pytest_modelbudget.values.aliases import OPTIONS, did_you_mean, named_metric
from pytest_modelbudget.values.metrics import all_metrics, metric_names
from pytest_modelbudget.values.point import axes


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("resolution", "res"),
        ("image_size", "res"),
        ("input_size", "res"),
        ("img-size", "res"),
        ("input_shape", "inputs"),
        ("batch_size", "batch"),
        ("bs", "batch"),
        ("seq_len", "seq"),
        ("max_length", "seq"),
        ("max_params", "params"),
        ("num_parameters", "params"),
        ("flops_limit", "flops"),
        ("max_memory", "memory"),
        ("peak_memory", "memory"),
        ("vram", "memory"),
        ("criterion", "loss"),
        ("FLOPS", "flops"),
        ("flosp", "flops"),
        ("optim", "optimizer"),
    ],
)
def test_the_marker_says_what_is_meant(said, meant):
    with pytest.raises(
        UsageError, match=re.escape(f"{said!r} is not an argument of budget(). Did you mean {meant!r}?")
    ):
        parse_budget((), {said: 1})


@pytest.mark.parametrize("call", [measure, sweep, fit])
def test_so_do_functions(call):
    with pytest.raises(UsageError, match=r"'batch_size' is not an argument\. Did you mean 'batch'\?"):
        call(None, batch_size=8)


@pytest.mark.parametrize(("said", "meant"), [("AdamW", "adamw"), ("SGD", "sgd"), ("ADAM", "adam")])
def test_words_in_another_case_are_hinted_at(said, meant):
    with pytest.raises(UsageError, match=f"Did you mean '{meant}'"):
        measure(None, optimizer=said, mode="train")


def test_what_is_like_nothing_has_no_hint():
    assert did_you_mean("zzzz", marker_arguments()) == ""


def test_no_name_stands_for_two_things():
    rows = [*OPTIONS.items(), *((a.name, a.aliases) for a in axes()), *((m.name, m.aliases) for m in all_metrics())]
    aliases = [alias for _, several in rows for alias in several]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(marker_arguments())
    assert {name for name, _ in rows} <= {*marker_arguments(), *metric_names()}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("FLOPs", "flops"),
        ("MACs", "macs"),
        ("Peak memory", "memory"),
        ("parameters", "params"),
        ("trainable", "trainable_params"),
        ("estimated latency", "latency"),
        ("forward FLOPs", "forward_flops"),
    ],
)
def test_a_metric_has_any_of_its_names(said, meant):
    assert named_metric(said, metric_names()) == meant


def test_a_metric_that_is_not_there():
    with pytest.raises(UsageError, match=r"'latency' is not a metric\..* Allowed: flops, params\."):
        named_metric("latency", ("flops", "params"))


def test_a_resolution_as_it_is_printed_is_read():
    from pytest_modelbudget.values.point import operating_point

    assert operating_point(res="224x320").res == (224, 320)
    assert operating_point(res="224").res == (224, 224)
    assert budget(res="224x224").kwargs == {"res": "224x224"}
