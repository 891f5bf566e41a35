"""Which lines a sweep's picture has, what they are labelled with, and the labels of its axes."""

from __future__ import annotations

import pytest
from report.sweep.sweep_samples import GIB, grid

from pytest_modelbudget.grids.cell import Cell
from pytest_modelbudget.grids.cells import Sweep
from pytest_modelbudget.report.sweep.picture import sweep_figure
from pytest_modelbudget.values.point import operating_point


def test_a_panel_for_each_headline_metric_and_axis_that_varies():
    """FLOPs are batch * size**2; the memory of the sample is the same."""
    pytest.importorskip("matplotlib")
    figure = sweep_figure(grid(["net"], [1, 2, 4], [8, 16], lambda b, s: b * s * s), {})
    titles = [axes.get_title() for axes in figure.axes if " over " in axes.get_title()]
    assert titles == [
        f"{metric} over {axis}, on log axes" for metric in ("FLOPs", "Memory") for axis in ("batch", "resolution")
    ]
    labels = [axes.get_legend().get_texts()[0].get_text() for axes in figure.axes[:2]]
    assert labels == ["net at res 8: grows as batch^1.00", "net at batch 1: grows as res^2.00"]


def test_a_picture_that_is_no_square_stands_where_the_square_with_as_many_pixels_does():
    """16 x 9 pixels are 12 x 12."""
    pytest.importorskip("matplotlib")
    figure = sweep_figure(grid(["net"], [1], [6, (16, 9)], lambda b, s: 1), {})
    (line,) = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [6, 12]


def labels(axis):
    """What is written along an axis, within what is drawn."""
    low, high = sorted(axis.get_view_interval())
    near = 1e-6 * (high - low)
    return [t.label1.get_text() for t in axis.get_major_ticks() if low - near <= t.get_loc() <= high + near]


@pytest.mark.parametrize("unit", [1, 3, 1000, 1 << 20, 7 * GIB])
@pytest.mark.parametrize("batches", [(1, 2), (1, 3), (8, 16), (63, 64), (1, 2, 4, 8, 16, 32, 64), (5, 10_000)])
def test_every_axis_has_three_labels(batches, unit):
    pytest.importorskip("matplotlib")
    figure = sweep_figure(grid(["net"], batches, [8, 16], lambda b, s: unit * (40 * 64 + b * s * s)), {})
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            named = axes.get_title().startswith("Peak memory") or not axis.get_label_text()
            assert len(set(labels(axis))) >= (0 if named else 3)  # a map has a label for each row and column


def timed(batches, memory):
    """A sweep on a T4, in which a step takes 1 ms and 1 ms more for each sample."""
    cells = [
        Cell("net", operating_point(batch=b, res=8, device="T4"), {"memory": memory * b, "latency": (1 + b) * 10**6})
        for b in batches
    ]
    return Sweep(tuple(cells), ("memory", "latency"), "fvcore")


def test_the_named_device_has_its_own_line_and_its_samples_per_second():
    """16 samples in 17 ms are 941 a second."""
    pytest.importorskip("matplotlib")
    memory, speed = sweep_figure(timed([1, 4, 16], GIB), {}).axes
    assert [text.get_text() for text in memory.get_legend().get_texts()] == [
        "net at res 8: 0 B + 1 GiB a sample",
        "memory of T4, 16 GiB",
    ]
    assert speed.get_title() == "Predicted samples per second on T4, an estimate"
    assert [text.get_text() for text in speed.get_legend().get_texts()] == ["net at res 8: up to 941 samples/s"]
    (line,) = speed.get_lines()
    assert list(line.get_ydata()) == [500, 800, 941]


def test_what_is_not_drawn_is_in_no_legend():
    pytest.importorskip("matplotlib")
    memory, *_ = sweep_figure(timed([1, 4, 16], 1 << 20), {}).axes
    assert len(memory.get_legend().get_texts()) == 1
    (across,) = (
        a for a in sweep_figure(grid(["a", "b"], [1], [8], lambda b, s: 5), {}).axes if "against" in a.get_title()
    )
    assert "Pareto front" not in {text.get_text() for text in across.get_legend().get_texts()}


def test_the_heading_says_what_the_picture_is_of():
    pytest.importorskip("matplotlib")
    figure = sweep_figure(grid(["net"], [1, 2, 4], [8], lambda b, s: b * s * s), {})
    assert figure.get_suptitle() == "net: res 8, infer\nFLOPs as fvcore counts them: 1 multiply-add = 1."
    assert sweep_figure(timed([1, 2], GIB), {}).get_suptitle() == "net: res 8, infer, T4"
    many = sweep_figure(grid(list("abcdef"), [1, 2], [8], lambda b, s: b), {})
    assert many.get_suptitle().startswith("a, b, c, d, 2 more: res 8, infer\n")
