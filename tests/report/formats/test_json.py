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
from pytest_modelbudget.report.formats import FORMATS, json_tables
from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.report.formats.json import render as to_json
from pytest_modelbudget.values.peak import KINDS, Peak
from pytest_modelbudget.values.run import Report, ReportError
from pytest_modelbudget.values.throughput import Throughput
from pytest_modelbudget.values.work import Products, Work

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


LISTS = ("shared", "modules", "lists")
WHAT = ("shared", "modules", "what")
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
        (edited("schema", value=3), "3 was written by a newer pytest-modelbudget; this one reads 2"),
        (edited("schema", value=1), "1 was written by an older pytest-modelbudget; this one reads 2"),
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
        (edited("results", 0, "cost", "modules", "list", value=3), "modules > list: 3, but there are 3 of them"),
        (edited("results", 0, "cost", "modules", value=[]), "a list where an object belongs"),
        (edited("results", 0, "cost", "modules"), "the field 'modules' is missing"),
        (edited("results", 0, "cost", "modules", "costs", "flops", 1, value=-1), "costs > flops > 2: -1 where a whole"),
        (edited("results", 0, "cost", "modules", "costs", "flops", value=[1]), "1 numbers for 2 rows"),
        (edited("results", 0, "cost", "modules", "costs", "kept", value=[1, 2]), "kept at a peak, where there is none"),
        (edited("results", 0, "cost", "modules", "costs", "speed", value=[1, 2]), "unknown field"),
        (edited(*LISTS, 0, 1, 0, value=""), "shared > modules > lists > 1 > 2 > 1: a second row for this module"),
        (edited(*LISTS, 0, 1, 0, value="a" + ".a" * 201), "more than 200 modules within one another"),
        (edited(*LISTS, 0, 1, 0, value=None), "no name, where a row begins with one"),
        (edited(*LISTS, 0, 1, 1, value=99), "lists > 1 > 2 > 2: 99, but there are 13 of them, counted from 0"),
        (edited(*LISTS, 0, 1, 2, value=99), "results > 1 > cost > modules > costs > flops: 2 numbers for 100 rows"),
        (edited(*LISTS, 0, 1, 2, value=10**9), "lists > 1 > 2 > 3: 1000000000, but there are 100000 of them"),
        (edited(*LISTS, 0, 1, value=["a", 1]), "2 values, where a name and two numbers belong"),
        (edited(*WHAT, "columns", 0, value="params"), "a second column of this name"),
        (edited(*WHAT, "columns", 0, value="flops"), '"flops" where one of'),
        (edited(*WHAT, "columns", 0, value=["kind"]), "a list where one of"),
        (edited(*WHAT, "columns", 6, value="owner"), "shared > modules > what > rows > 1 > 7: null where a text"),
        (edited(*WHAT, "rows", 0, value=["Small"]), "1 values for 7 columns"),
        (edited(*WHAT, value={"columns": ["kind"], "rows": [["Net"]]}), "the column 'params' is missing"),
        (edited(*WHAT, "rows", 0, 0, value=7), "shared > modules > what > rows > 1 > 1: 7 where a text belongs"),
        (edited("before", samples.OVER.entry, "list", value=5), "5, but there are 2 of them"),
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
        (edited("before", samples.OVER.entry, "costs", "flops", 0, value=[]), "a list where a whole number"),
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
    text = edited(*WHAT, "rows", 2, 1, value=-5)
    line = next(number for number, found in enumerate(text.splitlines(), 1) if found.strip() == "-5,")
    with pytest.raises(ReportError, match=rf"^r\.json:{line}: shared > modules > what > rows > 3 > 2: -5 where"):
        from_json(text, "r.json")


def test_loops_that_make_more_rows_than_any_suite_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_tables, "_ALL", 300)
    work = json.loads(SMALL)["shared"]["work"]
    loop = {"from": 1, "to": 100, "rows": [["*", 0, 0]]}
    allowed = edited("shared", "work", value={**work, "lists": [[loop]] * 3})
    assert from_json(allowed, "r.json") == samples.REPORT
    with pytest.raises(ReportError, match="shared > work > lists > 4: more than 300 rows in the lists up to this one"):
        from_json(edited("shared", "work", value={**work, "lists": [[loop]] * 4}), "r.json")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ReportError, match=r"^r\.json:1: byte 0xff is not UTF-8"):
        from_json(b"\xff", "r.json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in parsed JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for path in [path] if path] + [found for key, item in inner for found in places(item, (*path, key))]


PREDICTED = samples.replace(
    samples.REGRESSED,
    cost=samples.replace(
        samples.TEXT,
        memory=300,
        peak=Peak("forward", "body", {**dict.fromkeys(KINDS, 0), "activations": 300}, {"forward": 300}, {"body": 300}),
        throughput=Throughput(
            "T4",
            1,
            {"compute": 1, "bandwidth": 2, "launch": 3},
            (
                *(Work(name, "mm", "float32", 6, 24, 1, 1, Products(1, 1, 3, 1)) for name in ("body", "adapter")),
                Work("body", "add", "float32", 0, 12, 1, 2),
            ),
        ),
    ),
)
SMALL_REPORT = Report("1.2.3", "2.9.0", "fvcore", (PREDICTED,), {PREDICTED.entry: samples.TEXT_BEFORE})
SMALL = to_json(SMALL_REPORT)
PLACES = places(json.loads(SMALL))


def test_a_peak_and_work_come_back() -> None:
    """Equal work in two modules has one row of each table, and its products are in ``shapes``."""
    assert from_json(SMALL, "r.json") == SMALL_REPORT
    data = json.loads(SMALL)
    work = data["shared"]["work"]
    assert work["lists"] == [[["body", 0, 0], ["adapter", 0, 0], ["body", 1, 1]]]
    assert work["what"] == {
        "columns": ["operator", "dtype", "launches", "calls"],
        "rows": [["mm", "float32", 1, 1], ["add", "float32", 1, 2]],
    }
    cost = data["results"][0]["cost"]
    assert cost["throughput"]["work"] == {"list": 0, "costs": {"flops": [6, 0], "bytes": [24, 12], "shape": [0, None]}}
    assert data["shared"]["shapes"] == {"columns": ["groups", "rows", "columns", "depth"], "rows": [[1, 1, 3, 1]]}
    assert cost["modules"]["costs"]["kept"] == [None, None, 300, None]
    assert cost["peak"]["kept"] == {}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"kept": {}', '"kept": {"body": 1}', "peak > kept > body: a second row for this module"),
        ('"kept": {}', '"kept": {"other": -1}', "peak > kept > other: -1 where a whole number"),
        ('"shape": [0, null]', '"shape": [1, null]', "work > costs > shape: 1, but there are 1 of them"),
        ('"bytes": [24, 12]', '"bytes": [0, 0]', "work > costs > bytes: what nothing has, and is left out"),
        ('["adapter", 0, 0]', '["adapter", 2, 0]', "work > lists > 1 > 2 > 2: 2, but there are 2 of them"),
    ],
)
def test_a_wrong_peak_or_work_is_named(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(ReportError, match=re.escape(says)):
        from_json(SMALL.replace(old, new), "r.json")


def test_what_was_kept_outside_of_the_modules_comes_back() -> None:
    peak = samples.replace(PREDICTED.cost.peak, kept={"body": 300, "": 0, "gone.part": 5})
    cost = samples.replace(PREDICTED.cost, peak=peak)
    report = samples.replace(SMALL_REPORT, results=(samples.replace(PREDICTED, cost=cost),))
    assert from_json(to_json(report), "r.json") == report


WRONG = st.sampled_from([None, True, [], {}, [[]], {"name": 1}])
ODD = st.one_of(WRONG, st.integers(), st.integers(10**29, 10**31), st.floats(), st.text())


@settings(max_examples=300)
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


@settings(max_examples=200)
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


def test_the_documentation_reads_the_modules_of_a_cost() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    known: dict[str, Any] = {}
    exec(block, known)  # text of this repository
    for report in (samples.REPORT, SMALL_REPORT):
        data = json.loads(to_json(report))
        for result, written in zip(report.results, data["results"], strict=True):
            found = known["modules"](data, written["cost"])
            assert [*found] == [*result.cost.modules]
            for name, module in result.cost.modules.items():
                said = (found[name]["kind"], found[name]["params"], found[name]["flops"], found[name].get("config", ""))
                assert said == (module.kind, module.params, module.flops, module.config)
