"""The judgement: limits, what measured nothing, what could not be counted, and the words for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.judging.judge import judge, look, uncounted
from pytest_modelbudget.values.cost import Cost, ModuleCost
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.verdict import Judged, Verdict


def row(name, number):
    return ModuleCost(name, "Block", number, number, number, number, number, 4 * number)


COST = Cost(
    flops=1000,
    macs=900,
    params=80,
    trainable_params=70,
    activations=600,
    weights=320,
    memory=None,
    point=OperatingPoint(batch=1, res=(8, 8)),
    inputs="float32 (1, 3, 8, 8)",
    convention="fvcore",
    counter="aten",
    executed="meta",
    torch_version="2.13.0",
    model="Net",
    modules={"": row("", 1000), "body": row("body", 60), "body.0": row("body.0", 20), "bodywork": row("bodywork", 5)},
)


@pytest.mark.parametrize(
    ("limits", "over"),
    [
        ({"flops": 1001}, []),
        ({"flops": 1000}, []),
        ({"flops": 999}, ["flops"]),
        ({"macs": 899}, ["macs"]),
        ({"params": 79}, ["params"]),
        ({"trainable_params": 69}, ["trainable_params"]),
        ({"activations": 599}, ["activations"]),
        ({"weights": 319}, ["weights"]),
        ({"flops": 0}, ["flops"]),
        ({"flops": 999, "params": 80}, ["flops"]),
        ({"flops": 999, "params": 40, "weights": 300}, ["params", "weights", "flops"]),
        ({"flops": 1, "params": 0}, ["params", "flops"]),
    ],
)
def test_at_the_limit_passes_and_above_fails_the_furthest_above_first(limits, over):
    verdict = judge(COST, limits)
    assert [judged.metric for judged in verdict.over] == over
    assert verdict.passed is not bool(over)
    assert verdict.problems == ()


@given(st.integers(1, 10**15), st.integers(0, 10**15))
def test_a_verdict_is_the_comparison(used, limit):
    assert judge(replace(COST, flops=used), {"flops": limit}).passed == (used <= limit)


@pytest.mark.parametrize(
    ("limits", "headline"),
    [
        ({"flops": 1000}, "within budget"),
        ({"flops": 800}, "over budget: flops 1 k of 800 (+25 %)"),
        ({"flops": 999}, "over budget: flops 1 k of 999 (+0.1 %)"),
        ({"flops": 800, "params": 20}, "over budget: params 80 of 20 (+300 %), and 1 more"),
        ({"weights": 0}, "over budget: weights 320 B of 0 B"),
        ({}, "no limits and no baseline: this budget could never fail."),
    ],
)
def test_the_headline(limits, headline):
    assert judge(COST, limits).headline() == headline


def test_a_submodule_is_judged_by_its_own_numbers():
    """60 for each metric of ``body``, 4 bytes each."""
    assert judge(COST, {"flops": 60, "weights": 240}, module="body").passed
    assert [j.metric for j in judge(COST, {"flops": 59, "weights": 239}, module="body").over] == ["flops", "weights"]
    assert [j.used for j in judge(COST, {"flops": 1}, module="body.0").judged] == [20, 20, 20, 20, 20, 80]
    with pytest.raises(
        UsageError, match=r"module='boddy' is not in the model. Did you mean 'body'\? Its modules: body, "
    ):
        judge(COST, {"flops": 1}, module="boddy")


def test_no_limits_is_a_problem_with_the_remedy():
    """What it costs now, rounded up so that it passes."""
    (problem,) = judge(replace(COST, flops=1_234_567), {}).problems
    assert problem.startswith("no limits and no baseline")
    assert 'flops="1.24M", params="80"' in problem
    assert "--budget-update" in problem


@pytest.mark.parametrize("metric", ["flops", "macs", "activations"])
def test_no_work_under_a_limit_on_work_is_a_problem(metric):
    verdict = judge(replace(COST, **{metric: 0}), {metric: 10})
    assert not verdict.passed
    assert verdict.headline().startswith(f"measured nothing: {metric} of the model came to 0")


@pytest.mark.parametrize("metric", ["params", "trainable_params", "weights"])
def test_no_parameters_is_no_problem(metric):
    """A pooling layer has none; a limit of 0 on them means something."""
    assert judge(replace(COST, **{metric: 0}), {metric: 0}).passed


def test_no_work_in_a_submodule_names_it():
    empty = replace(COST, modules={**COST.modules, "body": replace(COST.modules["body"], flops=0, macs=0)})
    headline = judge(empty, {"flops": 1, "macs": 1}, module="body").headline()
    assert headline == "measured nothing: flops, macs of module 'body' came to 0, so this limit could never fail."


UNKNOWN = replace(
    COST,
    uncounted={"lib::b": 1, "lib::a": 7},
    uncounted_in={"lib::a": ("body.0", "", "bodywork", "stem", "tail"), "lib::b": ("bodywork",)},
)


def test_uncounted_operators_fail_or_warn():
    failed = judge(UNKNOWN, {"flops": 10**6})
    assert not failed.passed
    assert failed.headline() == "not counted: 2 operators have no formula, so the numbers are too low"
    warned = judge(UNKNOWN, {"flops": 10**6}, unknown_ops="warn")
    assert warned.passed
    assert warned.warnings == failed.problems
    assert not judge(UNKNOWN, {"flops": 1}, unknown_ops="warn").passed


def test_uncounted_operators_are_named_with_calls_and_modules():
    assert uncounted(UNKNOWN).splitlines() == [
        "not counted: 2 operators have no formula, so the numbers are too low",
        "    lib::a: 7 calls, in body.0, the model itself, bodywork and 2 more",
        "    lib::b: 1 call, in bodywork",
        "Teach it with torch.utils.flop_counter.register_flop_formula, or set budget_unknown_ops = warn.",
    ]
    assert uncounted(COST) == ""


def test_uncounted_operators_outside_a_submodule_do_not_concern_it():
    """``bodywork`` is not inside ``body``."""
    assert uncounted(UNKNOWN, "body").splitlines()[:2] == [
        "not counted: 1 operator has no formula, so the numbers are too low",
        "    lib::a: 7 calls of the model, some in body.0",
    ]
    assert judge(UNKNOWN, {"flops": 10**6}, module="body.0").passed is False


def test_uncounted_work_that_is_no_operator_has_a_remedy_of_its_own():
    cost = replace(COST, uncounted={"work in another process": 2}, uncounted_in={"work in another process": ("body",)})
    assert uncounted(cost).splitlines() == [
        "not counted: work is done where it cannot be seen, so the numbers are too low",
        "    work in another process: 2 calls, in body",
        "Do that work by PyTorch's operators in the model's own threads, or set budget_unknown_ops = warn.",
    ]
    both = replace(
        cost,
        uncounted={**cost.uncounted, "lib::b": 1},
        uncounted_in={**cost.uncounted_in, "lib::b": ("body",)},
    )
    assert uncounted(both).splitlines() == [
        "not counted: 1 operator has no formula, and work is done where it cannot be seen, so the numbers are too low",
        "    lib::b: 1 call, in body",
        "    work in another process: 2 calls, in body",
        "Teach it with torch.utils.flop_counter.register_flop_formula; do that work by PyTorch's operators in the "
        "model's own threads, or set budget_unknown_ops = warn.",
    ]
    assert not judge(cost, {"flops": 10**6}).passed


def test_looking_has_no_limits_but_must_be_whole():
    assert look(COST).passed
    assert [(j.metric, j.used, j.limit) for j in look(COST).judged][:2] == [("flops", 1000, None), ("macs", 900, None)]
    assert "memory" not in [j.metric for j in look(COST).judged]  # it was not measured
    assert not look(UNKNOWN).passed
    assert look(UNKNOWN, unknown_ops="warn").passed


@pytest.mark.parametrize("cost", [COST, UNKNOWN], ids=["counted", "uncounted"])
@pytest.mark.parametrize("limits", [{}, {"flops": 10, "weights": 10**30}])
@pytest.mark.parametrize("unknown_ops", ["error", "warn"])
def test_a_verdict_travels_as_plain_data(cost, limits, unknown_ops):
    verdict = judge(cost, limits, unknown_ops=unknown_ops)
    data = json.loads(json.dumps(verdict.to_dict()))
    assert Verdict.from_dict(data) == verdict
    assert data["passed"] == verdict.passed


def test_severity_orders_by_ratio():
    assert Judged("flops", 30, 10).severity == 3
    assert Judged("flops", 10, 10).severity == 0
    assert Judged("flops", 10, None).severity == 0
    assert Judged("flops", 10, 0).severity == float("inf")
