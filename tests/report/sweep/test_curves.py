"""The exponents that the lines of a sweep's picture are labelled with, and which lines there are."""

from __future__ import annotations

import pytest
from report.sweep.sweep_samples import grid

from pytest_modelbudget.report.sweep.curves import growth_exponent
from pytest_modelbudget.report.sweep.picture import sweep_figure


def test_exponents():
    assert growth_exponent([(1, 5), (2, 20), (4, 80)]) == pytest.approx(2)
    assert growth_exponent([(10, 3), (100, 3)]) == 0
    assert growth_exponent([(10, 3)]) is None
    assert growth_exponent([(10, 0), (20, 0)]) is None


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
