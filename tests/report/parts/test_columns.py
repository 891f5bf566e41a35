"""Which metrics have a column without being asked for, and which get one."""

from __future__ import annotations

from dataclasses import replace

import report_samples as samples

from pytest_modelbudget.report.parts.columns import columns, limited_columns
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.verdict import Judged, Regressed, Verdict


def failing(*regressed: str, **limits: int) -> Result:
    """An entry above its baseline in some metrics, with limits on others."""
    judged = tuple(Judged(metric, 1, limit) for metric, limit in limits.items())
    return replace(samples.SAME, verdict=Verdict(judged, regressed=tuple(Regressed(m, 2, 1, "0") for m in regressed)))


def test_headline_metrics_have_a_column() -> None:
    assert columns([]) == limited_columns([]) == ["flops", "params"]


def test_limits_have_one_in_the_order_of_the_table() -> None:
    results = [failing(memory=2), failing(macs=2)]
    assert columns(results) == limited_columns(results) == ["flops", "macs", "params", "memory"]


def test_what_an_entry_fails_for_alone_has_one() -> None:
    """FLOPs have a column, so that weights, which grew with them, need none; without FLOPs they do."""
    assert columns([failing("flops", "weights")]) == ["flops", "params"]
    assert columns([failing("weights", "activations")]) == ["flops", "params", "weights"]
    assert limited_columns([failing("weights", "activations")]) == ["flops", "params"]


def test_the_order_of_the_entries_does_not_matter() -> None:
    """The limit on activations gives them a column, in which the other entry shows what it fails for, too."""
    entries = [failing("weights", "activations"), failing(activations=1)]
    assert columns(entries) == columns(entries[::-1]) == ["flops", "params", "activations"]
