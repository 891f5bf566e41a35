"""The benchmark's own parts: truth by hand, adapters that run, results that can be read."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import comparison, counters, goals, models, pictures, render, truth


@pytest.mark.parametrize("case", [c for c in models.CASES if c.published], ids=lambda case: case.name)
def test_truth_is_what_was_published(case):
    assert round(case.truth(1, case.size) / 1e9, 3) == case.published


def test_truth_of_what_nobody_published_is_the_textbook_formula():
    """A transformer needs one multiply-add a parameter and token, and two products of attention."""
    parameters = 12 * 12 * 768**2 + 768 * 50257
    assert truth.gpt2(1, 128) == 128 * parameters + 12 * 2 * 128 * 128 * 768
    gates = 4 * 512 * (256 + 512) + 4 * 512 * (512 + 512)
    assert truth.lstm(1, 128) == 128 * (gates + 512 * 256)
    assert truth.lstm(3, 10) == 30 * (gates + 512 * 256)
    assert truth.unet(1, 64) * 9 == truth.unet(1, 192)  # convolutions alone: in proportion to the pixels


def linear():
    return nn.Sequential(nn.Linear(8, 4, bias=False)).eval()


@pytest.mark.parametrize("counter", counters.COUNTERS, ids=lambda counter: counter.name)
def test_every_counter_counts_one_matrix_product(counter):
    for name in {counter.imports.split(".")[0], *(["accelerate"] if counter.name == "calflops" else [])}:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: benchmarks/requirements.txt has it")
    assert counter.count(linear(), torch.zeros(1, 8), {"inputs": (1, 8)}) == 32


def test_goals_are_met_at_the_goal_and_not_below():
    assert goals.ratio_row("count", 20, {"a": [10.0, 10.0], "b": [40.0]})["met"]
    row = goals.ratio_row("count", 20, {"a": [9.9], "b": [40.0]})
    assert (row["met"], round(row["measured"], 2)) == (False, 19.9)
    assert not goals.ratio_row("count", 20, {"a": [99.0], "b": []}, "b: MemoryError")["met"]
    assert goals.growth_row("a", "res", [64, 128], [[1.0, 1.2], [1.0, 1.0], [1.0, 1.1]])["met"]
    assert not goals.growth_row("a", "res", [64, 128], [[1.0, 1.2]])["met"]
    assert not goals.growth_row("a", "res", [64, 128], [], "MemoryError")["met"]


def sample():
    cell = comparison.Cell("LSTM", "fvcore")
    cell._samples.append({"macs": 16_777_216, "cold": 4.0, "warm_built": 2.0, "warm_counted": 1.0, "peak": 3 << 20,
                          "before": 1 << 20})  # fmt: skip
    ours = comparison.Cell("LSTM", render.OURS)
    ours._samples.append({"macs": 486_539_264, "cold": 2.0, "warm_built": 1.0, "warm_counted": 0.1, "peak": 2 << 20,
                          "before": 1 << 20})  # fmt: skip
    broken = comparison.Cell("LSTM", "thop")
    broken._error = "KeyError: 'a|b'"
    machine = {"processor": "P", "cores": 2, "threads": "1", "system": "S", "python": "3", "versions": {}, "load": 0.0}
    growth = [{"counter": c, "axis": axis, "value": value, "counted": 2.0 * value, "error": None}
              for c in ("fvcore", render.OURS) for axis in ("batch", "res") for value in (1, 4)]  # fmt: skip
    part = {"machine": machine, "quick": True}
    return {
        "comparison": {**part, "rows": [cell.row(), ours.row(), broken.row()]},
        "growth": {**part, "rows": growth},
        "goals": {**part, "rows": [goals.ratio_row("count", 20, {"a": [10.0]})]},
    }


def test_the_document_has_ratios_errors_and_verdicts():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in render.document(sample()).splitlines()]
    assert ["fvcore", "0.017 (-96.6%)"] in rows
    assert [render.OURS, "0.487 (exact)"] in rows
    assert ["fvcore", "10x"] in rows
    assert ["thop", "fails"] in rows
    assert ["fvcore", "1.00x", "4.00x"] in rows
    assert ["count", "20 times faster than fvcore", "10", "a 10", "NOT met"] in rows
    assert "- thop on LSTM: KeyError: 'a/b'" in render.document(sample())


def test_pictures_are_drawn(tmp_path):
    pictures.draw(sample(), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["error.png", "growth.png", "time.png"]
