"""Accuracies as a user gives them."""

from __future__ import annotations

from pytest_modelbudget.report.sweep.accuracy import read_accuracy


def test_accuracies(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("target,accuracy,res\nnet,70,8\nnet,75,16\n")
    targets = ["zoo:net", "zoo:other"]
    assert read_accuracy([str(file), "zoo:other=80.5"], targets) == {
        ("zoo:net", "8"): 70,
        ("zoo:net", "16"): 75,
        ("zoo:other", ""): 80.5,
    }
