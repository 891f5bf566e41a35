"""The public signatures are held to the fields they stand for: none is missing, none is too many."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from pytest_modelbudget import Cost, fit, measure, sweep
from pytest_modelbudget.judging.budget import marker_arguments
from pytest_modelbudget.values.arguments import Arguments, BudgetArguments, FitArguments, GridArguments, Limits
from pytest_modelbudget.values.limits import limit_names
from pytest_modelbudget.values.metrics import all_metrics, metric_names
from pytest_modelbudget.values.point import OperatingPoint, axes, find_axis, point_arguments
from pytest_modelbudget.values.request import CONVENTIONS, COUNTERS, Request, argument_names
from pytest_modelbudget.values.rows import ModuleRow


def test_arguments_are_the_axes_and_the_options():
    assert set(Arguments.__annotations__) == set(argument_names())
    point = {f.name for f in fields(OperatingPoint)}
    assert point == {*(axis.name for axis in axes()), "dims"} == set(point_arguments())
    assert set(argument_names()) == point | {f.name for f in fields(Request)} - {"point"}


def test_a_grid_takes_what_a_measurement_takes_but_runs_nothing():
    assert set(GridArguments.__annotations__) == set(argument_names()) - {"measured"}


def test_limits_are_the_metrics():
    assert set(Limits.__annotations__) == set(limit_names())
    assert set(FitArguments.__annotations__) == set(GridArguments.__annotations__) | set(limit_names())
    assert set(BudgetArguments.__annotations__) == {
        *(name for name in marker_arguments()),
        "convention", "counter", "measured",  # settings of a run, which no marker has
    }  # fmt: skip


def test_every_metric_is_an_attribute_of_a_cost_and_of_a_row_that_keeps_it():
    for metric in all_metrics():
        assert hasattr(Cost, metric.name) or metric.name in {field.name for field in fields(Cost)}
    assert tuple(field.name for field in fields(ModuleRow))[9:] == metric_names(in_rows=True)


@pytest.mark.parametrize(
    ("function", "own", "arguments"),
    [
        (measure, ["model", "args"], Arguments),
        (sweep, ["target", "args", "metrics", "exact", "jobs", "progress"], GridArguments),
        (fit, ["target", "args", "progress"], FitArguments),
    ],
)
def test_signatures_are_explicit(function, own, arguments):
    parameters = inspect.signature(function).parameters
    assert list(parameters) == [*own, *arguments.__annotations__]
    assert {p.kind for name, p in parameters.items() if name not in own} == {inspect.Parameter.KEYWORD_ONLY}


def test_words_in_the_signature_are_those_that_are_accepted():
    hints = get_type_hints(Arguments)
    for name in ("mode", "attention"):
        assert get_args(hints[name]) == find_axis(name).kind.words
    assert get_args(get_args(hints["optimizer"])[0]) == find_axis("optimizer").kind.words
    assert get_args(hints["convention"]) == tuple(CONVENTIONS)
    assert get_args(hints["counter"]) == tuple(COUNTERS)
