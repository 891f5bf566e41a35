"""JSON reports: the same value comes back, and anything that is not a report is refused by name and line."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_modelbudget.baseline.schema import Baseline, entry_of
from pytest_modelbudget.baseline.schema import to_json as baseline_json
from pytest_modelbudget.report.formats import FORMATS
from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.report.formats.json import render as to_json
from pytest_modelbudget.values.run import Report, ReportError

TEXT = to_json(samples.REPORT)
DATA = json.loads(TEXT)
DOC = Path(__file__).parents[3] / "docs" / "report-schema.md"


def test_round_trip() -> None:
    assert from_json(TEXT, "r.json") == samples.REPORT
    assert to_json(from_json(TEXT.encode(), "r.json")) == TEXT


def test_empty_report() -> None:
    assert from_json(to_json(samples.EMPTY), "r.json") == samples.EMPTY


def test_ascii_only_and_odd_names_come_back() -> None:
    """Also half a surrogate pair: Python makes one of a file name that is not UTF-8."""
    odd = "t.py::test[\udcff é 漢 \u202e \x1b[31m]"
    report = Report("1", "2", "fvcore", (samples.replace(samples.NEW, entry=odd),))
    text = to_json(report)
    assert text.isascii()
    assert from_json(text, "r.json") == report


def edited(*path: Any, value: Any = ..., key: str | None = None) -> str:
    """The sample with one place changed, dropped (no value), or its key renamed."""
    data = copy.deepcopy(DATA)
    *outer, last = path
    place = data
    for step in outer:
        place = place[step]
    if key is not None:
        place[key] = place.pop(last)
    elif value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(data, indent=1)


OVER = len(samples.RESULTS) - 1  # the last of the results


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "r.json:1: the file is empty"),
        ("[]", "a list where an object belongs"),
        ("{", "damaged JSON"),
        ('{"schema": 1, "schema": 1}', "given twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "a number of 5000 characters"),
        (baseline_json(Baseline.of([entry_of(samples.NEW)])), "a baseline, where a report belongs"),
        (edited("format", value="other"), 'format: "other" where one of'),
        (edited("schema", value=2), "2 was written by a newer pytest-modelbudget; this one reads 1"),
        (edited("schema", value=True), "schema: true where a whole number"),
        (edited("results"), "the field 'results' is missing"),
        (edited("results", key="result"), "Did you mean 'results'?"),
        (edited("results", value={}), "an object where a list belongs"),
        (edited("results", 0, "line", value=-1), "results > 1 > line: -1 where a whole number from 0"),
        (edited("results", 0, "line", value=1.5), "1.5 where a whole number"),
        (edited("results", 0, "entry", value=None), "null where a text belongs"),
        (edited("results", 0, "module", value="layer9"), "not one of the model's modules"),
        (edited("results", 0, "cost", "flops", value="4"), '"4" where a whole number'),
        (edited("results", 0, "cost", "flops", value=10**31), "where a whole number from 0 to 10**30 belongs"),
        (edited("results", 0, "cost", "convention", value="mine"), '"mine" where one of'),
        (edited("results", 0, "cost", "point", "batch", value=0), "batch=0 is not a whole number above zero"),
        (edited("results", 0, "cost", "point", "res", value=[1]), "res=[1] is neither"),
        (edited("results", 0, "cost", "modules", 1, "name", value=""), "a second row for this module"),
        (edited("results", 0, "cost", "modules", 1, "wat", value=1), "unknown field"),
        (edited("results", 0, "cost", "operators", "aten.convolution", value=None), "null where a whole number"),
        (edited("results", 0, "verdict", "passed", value=False), "but the metrics say otherwise"),
        (edited("results", 0, "verdict", "problems", value=[""]), "an empty text where a sentence belongs"),
        (edited("results", 0, "verdict", "passed", value=1), "neither true nor false"),
        (edited("results", 0, "verdict", "metrics", 0, "metric", value="speed"), '"speed" where one of'),
        (edited("results", OVER, "comparison", "status", value="worse"), '"worse" where one of'),
        (edited("results", OVER, "comparison", "before", "speed", value=1), "unknown field"),
        (edited("results", OVER, "comparison", "growth", "factors", 0, "before"), "'before' is missing"),
        (edited("results", OVER, "comparison", "growth", "modules", 0, "status", value="x"), '"x" where one of'),
        (edited("results", OVER - 1, "verdict", "regressed", 0, "tolerance", value="-1"), "is not a percentage"),
        (edited("before", samples.OVER.entry, 0, "flops", value=[]), "a list where a whole number"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(ReportError) as caught:
        from_json(text, "r.json")
    message = str(caught.value)
    assert re.match(r"r\.json:\d+(:\d+)?: ", message)
    assert says in message
    assert message.endswith("Write a new report with pytest --budget-report FILE.json")


def test_the_line_is_that_of_the_wrong_value() -> None:
    text = edited("results", OVER, "cost", "modules", 2, "params", value=-5)
    line = next(number for number, found in enumerate(text.splitlines(), 1) if found.strip().startswith('"params": -5'))
    with pytest.raises(ReportError, match=rf"^r\.json:{line}: results > 9 > cost > modules > 3 > params: -5 where"):
        from_json(text, "r.json")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ReportError, match=r"^r\.json:1: byte 0xff is not UTF-8"):
        from_json(b"\xff", "r.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in parsed JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for path in [path] if path] + [found for key, item in inner for found in places(item, (*path, key))]


SMALL = to_json(
    Report("1.2.3", "2.9.0", "fvcore", (samples.REGRESSED,), {samples.REGRESSED.entry: samples.TEXT_BEFORE})
)
PLACES = places(json.loads(SMALL))
WRONG = st.sampled_from([None, True, [], {}, [[]], {"name": 1}])
ODD = st.one_of(WRONG, st.integers(), st.integers(10**29, 10**31), st.floats(), st.text())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), ODD)
def test_a_changed_value_is_refused_or_renders(path: tuple[Any, ...], value: Any) -> None:
    """Whatever is accepted can be shown in every format: nothing fails later, with a traceback."""
    data = json.loads(SMALL)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    try:
        report = from_json(json.dumps(data), "r.json")
    except ReportError:
        return
    for one in FORMATS:
        one.render(report).encode()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SMALL) - 1), st.binary(max_size=3))
def test_damaged_bytes_are_refused_or_read(position: int, put: bytes) -> None:
    damaged = SMALL.encode()[:position] + put + SMALL.encode()[position + len(put) + 1 :]
    try:
        assert isinstance(from_json(damaged, "r.json"), Report)
    except ReportError as error:
        message = str(error)
    else:
        message = "r.json: read"
    assert message.startswith("r.json:")


def test_the_documentation_names_every_field() -> None:
    keys = {step for path in places(DATA) for step in path if isinstance(step, str)}
    names = {result.entry for result in samples.RESULTS} | {"aten.convolution"}
    text = DOC.read_text(encoding="utf-8")
    assert sorted(key for key in keys - names if f"`{key}`" not in text) == []
