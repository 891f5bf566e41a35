"""The numbers in the pictures of a sweep: exponents, fronts, and where the memory of GPUs is crossed."""

from __future__ import annotations

import pytest

from pytest_modelbudget.grids.cell import Cell
from pytest_modelbudget.grids.cells import Sweep
from pytest_modelbudget.report.curves import GPUS, growth_exponent, pareto_front, read_accuracy, sweep_figure
from pytest_modelbudget.values.point import operating_point

GIB = 1 << 30


def grid(targets, batches, sizes, value, **more):
    cells = [
        Cell(name, operating_point(batch=b, res=s), {"flops": value(b, s), "memory": value(b, s)}, **more)
        for name in targets
        for s in sizes
        for b in batches
    ]
    return Sweep(tuple(cells), ("flops", "memory"), "fvcore")


def test_exponents():
    assert growth_exponent([(1, 5), (2, 20), (4, 80)]) == pytest.approx(2)
    assert growth_exponent([(10, 3), (100, 3)]) == 0
    assert growth_exponent([(10, 3)]) is None
    assert growth_exponent([(10, 0), (20, 0)]) is None


def test_fronts():
    points = [(1, 5), (2, 5), (2, 7), (3, 6), (4, 9)]
    assert pareto_front(points, higher=True) == [(1, 5), (2, 7), (4, 9)]
    assert pareto_front([(1, 9), (2, 5), (2, 7), (3, 6), (4, 1)], higher=False) == [(1, 9), (2, 5), (4, 1)]


def test_the_map_of_memory_has_the_lines_of_gpus():
    pytest.importorskip("matplotlib")
    found = grid(["net"], [1, 2, 4, 8, 16], [1, 2, 4], lambda b, s: b * s * s * GIB)
    figure = sweep_figure(found, {})
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("Peak memory: net"))
    labels = {text.get_text() for text in axes.texts}
    assert {f"{gib} GiB" for gib in GPUS if 1 < gib < 256} <= labels
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("resolution (pixels)", "batch")
    assert {label.get_text() for label in axes.get_yticklabels()} == {"1", "2", "4", "8", "16"}


def test_refused_points_are_marked_in_the_map():
    pytest.importorskip("matplotlib")
    whole = grid(["net"], [1, 2], [8, 16], lambda b, s: b * s * GIB)
    cells = tuple(Cell(c.target, c.point, refused="no") if c.point.res == (16, 16) else c for c in whole.cells)
    figure = sweep_figure(Sweep(cells, whole.metrics, "fvcore"), {})
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("refused") == 2


def test_accuracies(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("target,accuracy,res\nnet,70,8\nnet,75,16\n")
    targets = ["zoo:net", "zoo:other"]
    assert read_accuracy([str(file), "zoo:other=80.5"], targets) == {
        ("zoo:net", "8"): 70,
        ("zoo:net", "16"): 75,
        ("zoo:other", ""): 80.5,
    }
