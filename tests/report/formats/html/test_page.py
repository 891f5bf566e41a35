"""What the HTML page shows: bars, pictures and rows of modules, before and now."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_samples as samples

from pytest_modelbudget.report.formats.html.document import render as to_html
from pytest_modelbudget.report.formats.html.page import ROWS, page
from pytest_modelbudget.values.communication import Collective
from pytest_modelbudget.values.rows import ModuleRow
from pytest_modelbudget.values.run import Report


def test_numbers_of_the_sample() -> None:
    entry = page(samples.REPORT).entries[0]
    assert entry.name == samples.OVER.entry
    assert [(bar.label, bar.text, bar.width) for bar in entry.bars] == [
        ("baseline", "4 G", 0.2),
        ("architecture 1.25x", "5 G", 0.25),
        ("resolution 4.00x (224 -> 448)", "20 G", 1.0),
    ]
    assert entry.mark == 0.4  # 8 of 20
    before, now = entry.pictures
    assert before.title == "Before: FLOPs 4 G at batch 1, res 224, infer"
    assert now.title == "Now: FLOPs 20 G at batch 1, res 448, infer"
    widths = {drawn.box.name: drawn.box.width for drawn in now.boxes}
    assert widths == pytest.approx(
        {"": 1.0, "stem": 0.1, "layer1": 0.3, "layer1.0": 0.1, "layer1.1": 0.2, "layer2": 0.55, "classifier": 0.05}
    )
    assert {d.box.name: d.status for d in before.boxes if d.status} == {"layer2": "changed", "head": "renamed"}
    assert {d.box.name: d.status for d in now.boxes if d.status} == {"layer2": "changed", "classifier": "renamed"}


def test_modules_before_and_now() -> None:
    """A renamed module is compared with what it was called."""
    rows = {row.name: row for row in page(samples.REPORT).entries[0].rows}
    shown = {
        name: (row.was and row.was.text, row.now and row.now.text, row.by and row.by.text) for name, row in rows.items()
    }
    assert shown["Net"] == ("4 G", "20 G", "+16 G")
    assert shown["layer2"] == ("1.75 G", "11 G", "+9.25 G")
    assert shown["classifier"] == ("250 M", "1 G", "+750 M")
    assert rows["layer2"].share == "55 %"


def test_added_and_removed_modules() -> None:
    """The adapter was not there; a removed module keeps its row, without a number for now."""
    removed = samples.ModuleChange("removed", "gone", "Linear", "", 100 * samples.M, 0, "gone", "Linear", "")
    growth = replace(
        samples.REGRESSED.comparison.growth, modules=(*samples.REGRESSED.comparison.growth.modules, removed)
    )
    result = replace(samples.REGRESSED, comparison=replace(samples.REGRESSED.comparison, growth=growth))
    before = (*samples.TEXT_BEFORE, ModuleRow("gone", "Linear", flops=100 * samples.M))
    report = Report("1", "2", "fvcore", (result,), {result.entry: before})
    rows = {row.name: row for row in page(report).entries[0].rows}
    assert (rows["adapter"].was, rows["adapter"].status) == (None, "added")
    assert (rows["gone"].now, rows["gone"].status) == (None, "removed")
    assert rows["gone"].by is not None
    assert rows["gone"].by.text == "-100 M"
    assert "gone" in to_html(report)


@pytest.mark.parametrize(("now", "one_scale"), [(20, False), (10, True), (5, True)])
def test_pictures_share_a_scale_while_the_smaller_can_be_read(now: int, one_scale: bool) -> None:
    """4 G before: at 20 G it would fill a fifth of the width."""
    cost = samples.cost(samples.BIG, "Net", samples.module("", "Net", now * samples.G, samples.M))
    result = replace(samples.OVER, cost=cost, verdict=samples.verdict(cost))
    entry = page(Report("1", "2", "fvcore", (result,), {result.entry: samples.NET_BEFORE})).entries[0]
    assert entry.one_scale is one_scale
    assert entry.pictures[0].boxes[0].box.width == (4 / now if one_scale else 1.0)


def test_large_models_are_cut_and_counted() -> None:
    """The most expensive of 1000 layers are shown, in the model's order, and the rest is counted."""
    layers = [samples.module(f"layer{n}", "Linear", n * samples.M, 1) for n in range(1, 1001)]
    cost = samples.cost(samples.SMALL, "Deep", samples.module("", "Deep", samples.G, samples.M), *layers)
    result = samples.result("test_deep", cost, samples.verdict(cost))
    entry = page(Report("1", "2", "fvcore", (result,))).entries[0]
    assert [row.name for row in entry.rows] == ["Deep", *(f"layer{n}" for n in range(1002 - ROWS, 1001))]
    assert entry.rows_left_out == 1001 - ROWS
    assert f"and {1001 - ROWS} modules that cost less" in to_html(Report("1", "2", "fvcore", (result,)))


def test_many_entries_share_the_rows_of_a_page() -> None:
    """4000 rows among 100 entries are 40 each, of the 301 there are."""
    layers = [samples.module(f"layer{n}", "Linear", n * samples.M, 1) for n in range(1, 301)]
    cost = samples.cost(samples.SMALL, "Deep", samples.module("", "Deep", samples.G, samples.M), *layers)
    results = tuple(samples.result(f"test_{n}", cost, samples.verdict(cost)) for n in range(100))
    entries = page(Report("1", "2", "fvcore", results)).entries
    assert {(len(entry.rows), entry.rows_left_out) for entry in entries} == {(40, 261)}


def test_a_budget_of_a_submodule_shows_that_submodule() -> None:
    result = replace(samples.OVER, module="layer1", comparison=None)
    entry = page(Report("1", "2", "fvcore", (result,))).entries[0]
    assert [row.name for row in entry.rows] == ["layer1", "layer1.0", "layer1.1"]
    assert entry.pictures[0].boxes[0].box.name == "layer1"
    assert entry.pictures[0].title == "Now: FLOPs 6 G at batch 1, res 448, infer"


def test_what_a_rank_sends_is_a_table() -> None:
    """Two calls of a layer and one of another are one row; a model of one rank has none."""
    sent = (Collective("all_gather", 8, "a", 2, 2048, 1792), Collective("all_gather", 8, "b", 1, 1024, 896))
    cost = replace(samples.OVER.cost, communication=2688, collectives=sent)
    entry = page(Report("1", "2", "fvcore", (replace(samples.OVER, cost=cost),))).entries[0]
    assert entry.sent is not None
    assert entry.sent.title == "sends 2.62 KiB a step, by ring algorithms"
    assert entry.sent.rows == [["all_gather among 8", "3 calls", "3 KiB", "2.62 KiB", "100 %"]]
    text = to_html(Report("1", "2", "fvcore", (replace(samples.OVER, cost=cost),)))
    assert "<caption>sends 2.62 KiB a step, by ring algorithms</caption>" in text
    assert page(Report("1", "2", "fvcore", (samples.OVER,))).entries[0].sent is None
