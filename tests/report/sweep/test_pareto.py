"""Models against one another: the front, and which metric is set against which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.sweep.sweep_samples import grid

from pytest_modelbudget.report.sweep.pareto import pareto_front
from pytest_modelbudget.report.sweep.picture import sweep_figure


def test_fronts():
    points = [(1, 5), (2, 5), (2, 7), (3, 6), (4, 9)]
    assert pareto_front(points, higher=True) == [(1, 5), (2, 7), (4, 9)]
    assert pareto_front([(1, 9), (2, 5), (2, 7), (3, 6), (4, 1)], higher=False) == [(1, 9), (2, 5), (4, 1)]


@pytest.mark.parametrize(
    ("metrics", "title"),
    [
        (("flops", "params", "weights", "memory"), "Memory against FLOPs"),
        (("flops", "weights", "params"), "Params against FLOPs"),
        (("flops", "macs", "weights"), "Weights against FLOPs"),
        (("params", "weights"), "Weights against Params"),
        (("flops", "macs", "trainable_params"), None),  # work against work says nothing
    ],
)
def test_what_a_model_takes_is_set_against_what_it_does(metrics, title):
    pytest.importorskip("matplotlib")
    found = grid(["net", "other"], [1, 2], [8], lambda b, s: b * s)
    cells = tuple(replace(cell, values=dict.fromkeys(metrics, cell.values["flops"])) for cell in found)
    titles = [axes.get_title() for axes in sweep_figure(replace(found, cells=cells, metrics=metrics), {}).axes]
    assert [text for text in titles if "against" in text] == ([f"{title}, each point a resolution"] if title else [])
