"""The map of memory: where the memory of common cards is crossed, and which points are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.sweep.sweep_samples import GIB, grid

from pytest_modelbudget.grids.cell import Cell
from pytest_modelbudget.grids.cells import Sweep
from pytest_modelbudget.report.sweep.picture import sweep_figure
from pytest_modelbudget.values.devices import CARDS


def test_the_map_of_memory_has_the_lines_of_gpus():
    pytest.importorskip("matplotlib")
    found = grid(["net"], [1, 2, 4, 8, 16], [1, 2, 4], lambda b, s: b * s * s * GIB)
    figure = sweep_figure(found, {})
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("Peak memory: net"))
    labels = {text.get_text() for text in axes.texts}
    assert {f"{card.memory // GIB} GiB" for card in CARDS} <= labels  # all are between 1 and 256 GiB
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("resolution (pixels)", "batch")
    assert {label.get_text() for label in axes.get_yticklabels()} == {"1", "2", "4", "8", "16"}


def test_refused_points_are_marked_in_the_map():
    pytest.importorskip("matplotlib")
    whole = grid(["net"], [1, 2], [8, 16], lambda b, s: b * s * GIB)
    cells = tuple(Cell(c.target, c.point, refused="no") if c.point.res == (16, 16) else c for c in whole.cells)
    figure = sweep_figure(Sweep(cells, whole.metrics, "fvcore"), {})
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("refused") == 2


def test_the_named_device_has_its_own_line_in_the_map():
    pytest.importorskip("matplotlib")
    whole = grid(["net"], [1, 2, 4, 8, 16], [1, 2, 4], lambda b, s: b * s * s * GIB)
    cells = tuple(replace(c, point=replace(c.point, device="T4")) for c in whole.cells)
    figure = sweep_figure(Sweep(cells, whole.metrics, "fvcore"), {})
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("Peak memory: net"))
    assert {text.get_text() for text in axes.texts if ":" in text.get_text()} == {"T4: 16 GiB"}
    assert axes.get_title().endswith("\nred: where it crosses the memory of T4")


def test_a_map_that_crosses_nothing_has_no_word_of_lines():
    pytest.importorskip("matplotlib")
    figure = sweep_figure(grid(["net"], [1, 2], [8, 16], lambda b, s: b * s), {})
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("Peak memory: net"))
    assert axes.get_title() == "Peak memory: net infer"
