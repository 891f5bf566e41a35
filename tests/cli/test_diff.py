"""``modelbudget diff``: what each format says, what its exit code is, and what becomes of files that are wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
from cli import review_samples as review
from cli.review_samples import AFTER, BEFORE, POINT, A, at, entry, write
from golden_files import check_golden
from markdown_it import MarkdownIt
from report_samples import G, K, M

from pytest_modelbudget.cli.command import main
from pytest_modelbudget.judging.judge import look
from pytest_modelbudget.report.formats.json import render as to_json
from pytest_modelbudget.text.line import shown
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.run import SCHEMA, Report

FORMATS = {"text": "diff.txt", "md": "diff.md", "json": "diff.json", "github": "diff.github.txt"}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two baselines of the samples, as ``old.json`` and ``new.json`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "old.json", *BEFORE)
    write(tmp_path / "new.json", *AFTER)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, want: int = 0) -> str:
    """What the command prints, when it ends with the exit code ``want`` and complains about nothing."""
    assert main(["diff", *arguments]) == want
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command complains about: exit code 2, and nothing else is printed."""
    assert main(["diff", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("modelbudget: ")
    return found.err.removeprefix("modelbudget: ")


def compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: Entry, new: Entry, *options: str, want: int = 0
) -> str:
    """What is said of one entry."""
    before, after = write(tmp_path / "a.json", old), write(tmp_path / "b.json", new)
    return printed(capsys, str(before), str(after), *options, want=want)


# What it says.


@pytest.mark.parametrize(("name", "file"), FORMATS.items())
@pytest.mark.usefixtures("files")
def test_every_format_says_what_is_kept(name, file, capsys):
    check_golden(f"review/{file}", printed(capsys, "old.json", "new.json", "--format", name, "--fail-on", "1%", want=1))


@pytest.mark.usefixtures("files")
def test_text_is_the_default(capsys):
    assert printed(capsys, "old.json", "new.json") == printed(capsys, "old.json", "new.json", "--format", "text")


@pytest.mark.usefixtures("files")
def test_the_json_has_every_metric_of_both_sides(capsys):
    found = json.loads(printed(capsys, "old.json", "new.json", "--format", "json", "--fail-on", "49%", want=1))
    assert (found["format"], found["schema"], found["fail_on"], found["passed"]) == ("modelbudget-diff", 1, "49", False)
    by_name = {data["entry"].removeprefix(A): data for data in found["entries"]}
    assert {name: data["status"] for name, data in by_name.items()} == {
        "grew": "changed",
        "moved": "changed",
        "shrank": "changed",
        "activations": "changed",
        "other_convention": "not comparable",
        "new": "new",
        "gone": "gone",
        "renamed_head": "rebuilt",
        "same": "same",
    }
    assert by_name["grew"]["metrics"]["flops"] == {"before": 4 * G, "after": 6 * G}
    assert by_name["grew"]["beyond"] == ["flops", "macs", "activations"]  # 50 %; parameters grew by 20 %
    assert by_name["new"]["metrics"]["params"] == {"before": None, "after": M}
    assert by_name["gone"]["metrics"]["params"] == {"before": M, "after": None}
    assert by_name["moved"]["points"]["before"]["res"] == [224, 224]
    assert by_name["moved"]["growth"] is None


@pytest.mark.usefixtures("files")
def test_the_markdown_is_a_table_and_folded_reasons(capsys):
    text = printed(capsys, "old.json", "new.json", "--format", "md")
    assert text.startswith("<!-- modelbudget -->\n### Model budgets\n")
    kinds = [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text)]
    listed = [d for d in (*AFTER, BEFORE[3]) if not d.name.endswith("same")]
    assert kinds.count("tr_open") == 1 + len(listed)
    assert kinds.count("fence") == 6  # all of those but the new one and the gone one


def test_nothing_changed(tmp_path, capsys):
    same = compared(tmp_path, capsys, entry("a", G, M), entry("a", G, M), "--fail-on", "0")
    assert same == "1 entry the same. None grew by more than 0 %.\n"


def test_empty_baselines(tmp_path, capsys):
    empty = write(tmp_path / "empty.json")
    assert printed(capsys, str(empty), str(empty), "--fail-on", "0") == "Neither file has an entry.\n"


OTHERWISE = [
    ({"convention": "torch"}, "counted in the convention fvcore before, torch now"),
    ({"counter": "fvcore"}, "counted by the counter aten before, fvcore now"),
    ({"point": replace(POINT, mode="train")}, "counted with mode infer before, train now"),
    ({"point": replace(POINT, dtype="bfloat16")}, "counted with dtype default before, bf16 now"),
    (
        {"torch_version": "2.10.0"},
        "the model is the same, the counting is not: pytest-modelbudget 1.2.3 and torch 2.9.0 before, "
        "pytest-modelbudget 1.2.3 and torch 2.10.0 now",
    ),
]


@pytest.mark.parametrize(("changed", "reason"), OTHERWISE)
def test_what_was_counted_otherwise_is_not_called_a_regression(tmp_path, capsys, changed, reason):
    old, new = entry("a", G, M), entry("a", 2 * G, M, **changed)
    text = compared(tmp_path, capsys, old, new, "--fail-on", "0")
    assert reason in text
    assert re.search(r"^a +not comparable +1 G before, 2 G now +1 M$", text, re.MULTILINE)


def test_one_module_is_not_compared_with_the_whole(tmp_path, capsys):
    old = entry("a", G, M)
    inner = replace(
        old,
        module="body",
        modules=samples.rows(samples.module("body", "Net", 2 * G, M)),
        totals={**old.totals, "flops": 2 * G},
    )
    assert "counted for the whole model before, the module body now" in compared(tmp_path, capsys, old, inner)


def test_another_torch_that_counts_the_same_is_the_same(tmp_path, capsys):
    text = compared(tmp_path, capsys, entry("a", G, M), entry("a", G, M, torch_version="2.10.0"))
    assert text == "1 entry the same.\n"


def test_another_torch_and_another_model_are_both_named(tmp_path, capsys):
    old = entry("a", G, M, review.layer2(G, M, "x"))
    text = compared(tmp_path, capsys, old, entry("a", 2 * G, M, review.layer2(2 * G, M, "y"), torch_version="2.10.0"))
    assert "flops 2.00x by the architecture alone" in text
    assert "note: Counted with pytest-modelbudget 1.2.3 and torch 2.9.0, then with" in text


def test_another_torch_at_another_operating_point_is_the_operating_point(tmp_path, capsys):
    """Of four times as much at twice the resolution nobody can say that it is the counting."""
    text = compared(tmp_path, capsys, entry("a", G, M), entry("a", 4 * G, M, **at(448), torch_version="2.10.0"))
    assert "not comparable" not in text
    assert "res 224, infer -> batch 1, res 448" in text


MOVED = [
    (at(448), "operating point: batch 1, res 224, infer -> batch 1, res 448, infer"),
    ({"point": replace(POINT, batch=8)}, "operating point: batch 1, res 224, infer -> batch 8, res 224, infer"),
    ({"inputs": "float32 (1, 1)"}, "inputs: float32 (1, 3, 224, 224) -> float32 (1, 1)"),
]


@pytest.mark.parametrize(("changed", "said"), MOVED)
def test_where_it_was_counted_is_shown_and_no_module_is_blamed(tmp_path, capsys, changed, said):
    old = entry("a", 4 * G, M, review.layer2(3 * G, M, "x"))
    new = entry("a", 8 * G, M, review.layer2(6 * G, M, "y"), **changed)
    text = compared(tmp_path, capsys, old, new)
    assert said in text
    assert "Not told by module" in text
    assert "layer2" not in text


def test_an_operating_point_that_costs_the_same_is_told_all_the_same(tmp_path, capsys):
    text = compared(tmp_path, capsys, entry("a", G, M), entry("a", G, M, **at(448)), "--fail-on", "0")
    assert "res 224, infer -> batch 1, res 448" in text
    assert re.search(r"^a +moved +1 G +1 M$", text, re.MULTILINE)


def test_memory_that_only_one_side_has_is_no_change(tmp_path, capsys):
    old = entry("a", G, M)
    text = compared(tmp_path, capsys, old, replace(old, totals={**old.totals, "memory": 5}), "--fail-on", "0")
    assert text.startswith("1 entry the same.")


def test_memory_has_its_column(tmp_path, capsys):
    old, new = entry("a", G, M), entry("a", G, M)
    old = replace(old, totals={**old.totals, "memory": 2**20})
    new = replace(new, totals={**new.totals, "memory": 2**21})
    text = compared(tmp_path, capsys, old, new, "--fail-on", "99%", want=1)
    assert "memory\n" in text
    assert "1 MiB -> 2 MiB (+100 %)" in text
    larger = replace(new, totals={**new.totals, "flops": 2 * G})
    both = compared(tmp_path, capsys, new, larger)  # also where something else says more
    assert both.splitlines()[2].split()[-3:] == ["FLOPs", "params", "memory"]


def test_what_came_from_nothing_has_no_percentage(tmp_path, capsys):
    text = compared(tmp_path, capsys, entry("a", 0, M), entry("a", 5 * K, M), "--fail-on", "1%", want=1)
    assert re.search(r"^a +grew by more than 1 % +0 -> 5 k +1 M$", text, re.MULTILINE)
    assert "flops 0 -> 5 k by the architecture alone" in text


# Reports.


def report(path: Path, *results: samples.Result) -> Path:
    path.write_text(to_json(Report("1.2.3", "2.9.0", "fvcore", results)), encoding="utf-8")
    return path


def recorded(result: samples.Result) -> Entry:
    """The baseline entry that the sample's run was compared with."""
    assert result.comparison is not None
    assert result.comparison.before is not None
    return entry(
        result.entry,
        0,
        0,
        *samples.NET_BEFORE[1:],
        point=result.comparison.point,
        inputs="",
        totals=dict(result.comparison.before),
    )


def test_a_report_that_was_compared_with_this_baseline_knows_what_came_from_what(tmp_path, capsys):
    """The run counted again: 4 G became 5 G by the architecture, and 20 G by the resolution."""
    old, new = write(tmp_path / "old.json", recorded(samples.OVER)), report(tmp_path / "new.json", samples.OVER)
    text = printed(capsys, str(old), str(new))
    assert "flops 5.00x = architecture 1.25x * resolution 4.00x (224 -> 448)" in text
    assert "models/net.py:21" in text
    check_golden("review/diff_with_report.txt", text)
    annotations = printed(capsys, str(old), str(new), "--format", "github")
    assert annotations.startswith("::warning file=tests/test_cost.py,line=7,title=Model budget%3A ")


def test_a_report_that_was_compared_with_another_baseline_does_not(tmp_path, capsys):
    known = recorded(samples.OVER)
    other = replace(known, totals={**known.totals, "flops": 3 * G})
    old, new = write(tmp_path / "old.json", other), report(tmp_path / "new.json", samples.OVER)
    text = printed(capsys, str(old), str(new))
    assert "Not told by module" in text
    assert "net.py" not in text


def test_two_reports(tmp_path, capsys):
    old, new = report(tmp_path / "a.json", samples.SAME), report(tmp_path / "b.json", samples.SAME, samples.NEW)
    text = printed(capsys, str(old), str(new))
    assert text.startswith("1 entry new, 1 the same.")


@pytest.mark.parametrize(("unknown_ops", "want"), [("error", 0), ("warn", 1)])
def test_what_a_report_could_not_count_is_not_compared_unless_that_was_accepted(tmp_path, capsys, unknown_ops, want):
    """G became 2 G and more; with ``budget_unknown_ops = warn`` that is enough to know."""
    cost = samples.small(2 * G, uncounted={"mylib.scan": 3}, uncounted_in={"mylib.scan": ("a",)})
    result = samples.result(f"{A}custom", cost, look(cost, unknown_ops=unknown_ops))
    old, new = write(tmp_path / "old.json", entry(f"{A}custom", G, 2 * M)), report(tmp_path / "new.json", result)
    text = printed(capsys, str(old), str(new), "--fail-on", "0", want=want)
    assert ("now it had operators without a formula: mylib.scan" in text) is (want == 0)
    assert text.startswith("1 entry changed." if want else "1 entry not comparable.")


def test_a_report_says_which_version_counted(tmp_path, capsys):
    result = samples.result("a", cost := samples.cost(POINT, "Net", samples.module("", "Net", 2 * G, M)), look(cost))
    old = write(tmp_path / "old.json", entry("a", G, M, inputs=""))
    new = tmp_path / "new.json"
    new.write_text(to_json(Report("9.9", "2.9.0", "fvcore", (result,))), encoding="utf-8")
    said = "pytest-modelbudget 1.2.3 and torch 2.9.0 before, pytest-modelbudget 9.9 and torch 2.9.0 now"
    assert said in printed(capsys, str(old), str(new))


def test_a_report_that_could_not_tell_says_so(tmp_path, capsys):
    """Its run could not count the model at the old point, and blames nothing."""
    result = samples.GREW
    known = entry(result.entry, 0, 0, point=samples.SMALL, inputs="", totals=dict(result.comparison.before))
    text = printed(capsys, str(write(tmp_path / "old.json", known)), str(report(tmp_path / "new.json", result)))
    assert "\n    flops 1.50x\n    note: The model as it is now cannot be counted at batch 1, res 224.\n" in text
    assert "architecture" not in text


def test_a_report_with_sorted_keys_is_still_a_report(tmp_path, capsys):
    file, sorted_too = tmp_path / "a.json", tmp_path / "b.json"
    file.write_text(to_json(samples.REPORT), encoding="utf-8")
    sorted_too.write_text(json.dumps(json.loads(file.read_text("utf-8")), sort_keys=True), encoding="utf-8")
    assert sorted_too.read_text("utf-8").index('"modelbudget-report"') > 100
    assert printed(capsys, str(file), str(sorted_too)).startswith(f"{len(samples.RESULTS)} entries the same.")


def test_a_baseline_that_talks_of_reports_is_still_a_baseline(tmp_path, capsys):
    file = write(tmp_path / "a.json", entry("modelbudget-report", G, M))
    assert printed(capsys, str(file), str(file)) == "1 entry the same.\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_read_as_a_file_is(tmp_path, capsys):
    """As in ``modelbudget diff <(git show main:modelbudget.json) modelbudget.json``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write, args=(pipe, entry("a", G, M)))
    writer.start()
    text = printed(capsys, str(pipe), str(write(tmp_path / "new.json", entry("a", 2 * G, M))))
    writer.join()
    assert "1 G -> 2 G (+100 %)" in text


# Exit codes.


def grown(**totals: int) -> Entry:
    made = entry("a", 1000 * M, 100 * M)
    return replace(made, totals={**made.totals, **totals})


EXITS = [
    ("nothing to fail on", grown(flops=9000 * M), None, 0),
    ("at the limit", grown(flops=1010 * M), "1%", 0),
    ("above the limit by one", grown(flops=1010 * M + 1), "1%", 1),
    ("exactly nothing", grown(), "0%", 0),
    ("more by one", grown(flops=1000 * M + 1), "0", 1),
    ("less", grown(flops=1), "0%", 0),
    ("a fraction", grown(flops=1005 * M), "0.5 %", 0),
    ("above a fraction", grown(flops=1005 * M + 1), "0.5 %", 1),
    ("another metric", grown(weights=4 * 101 * M + 1), "1%", 1),
    ("one more, one less", grown(flops=1, params=102 * M), "1%", 1),
    ("a huge one", grown(flops=10**30), "1%", 1),
    ("a huge limit", grown(flops=10**30), f"{10**24}%", 0),
]


@pytest.mark.parametrize(("new", "fail_on", "want"), [case[1:] for case in EXITS], ids=[case[0] for case in EXITS])
@pytest.mark.parametrize("format_", FORMATS)
def test_exit_codes(tmp_path, capsys, new, fail_on, want, format_):
    old, now = write(tmp_path / "a.json", grown()), write(tmp_path / "b.json", new)
    options = [] if fail_on is None else ["--fail-on", fail_on]
    text = printed(capsys, str(old), str(now), "--format", format_, *options, want=want)
    if format_ == "json":
        assert json.loads(text)["passed"] is (want == 0)
    if format_ == "github":
        assert ("::error" in text) == (want == 1)


@pytest.mark.usefixtures("files")
def test_new_and_gone_entries_fail_nothing(capsys):
    new, gone = [entry("new", 9 * G, M)], [entry("gone", 9 * G, M)]
    text = printed(capsys, str(write(Path("a"), *gone)), str(write(Path("b"), *new)), "--fail-on", "0")
    assert text.startswith("1 entry new, 1 gone. None grew by more than 0 %.")


@pytest.mark.parametrize("text", ["lots", "-1%", "nan", "inf", "", "1%%", "1e31"])
@pytest.mark.usefixtures("files")
def test_a_wrong_percentage(capsys, text):
    assert refused(capsys, "old.json", "new.json", f"--fail-on={text}").startswith(f"--fail-on={text!r} is not a perc")


@pytest.mark.parametrize("arguments", [[], ["old.json"], ["old.json", "new.json", "--format", "html"]])
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(["diff", *arguments])
    assert stop.value.code == 2
    assert "usage: modelbudget diff" in capsys.readouterr().err


# Files that are wrong.

GOOD = review.text(entry("a", G, M))
GOOD_REPORT = to_json(Report("1.2.3", "2.9.0", "fvcore", (samples.SAME,)))
TOTALS = next(number for number, line in enumerate(GOOD.splitlines(), 1) if '"totals"' in line)
FLOPS = next(number for number, line in enumerate(GOOD_REPORT.splitlines(), 1) if '"flops"' in line)

BAD = [
    ("empty", b"", "bad.json:1: the file is empty"),
    ("no JSON", b"hello", "bad.json:1:1: damaged JSON"),
    ("cut", GOOD[:-40].encode(), "damaged JSON"),
    ("not UTF-8", GOOD.encode().replace(b"Net", b"N\xfft", 1), "bad.json:5: byte 0xff is not UTF-8"),
    ("utf-16", GOOD.encode("utf-16"), "bad.json:1: byte 0xff is not UTF-8"),
    ("a list", b"[]", "bad.json:1: the file: a list where an object belongs"),
    ("something else", b'{"a": 1}', "bad.json:1: a: unknown field. Allowed: format, entries"),
    ("newer", GOOD.replace('"format": 2', '"format": 3').encode(), "bad.json:2: format: 3 was written by a newer"),
    (
        "a wrong number",
        GOOD.replace('"flops": 1000000000', '"flops": -1', 1).encode(),
        f"bad.json:{TOTALS}: entries > a",
    ),
    ("a conflict", GOOD.replace("  }\n}", "<<<<<<< HEAD\n  }\n}").encode(), "merge conflict marker <<<<<<<"),
    ("a cut report", GOOD_REPORT[:-40].encode(), "Write a new report with pytest --budget-report"),
    (
        "a newer report",
        GOOD_REPORT.replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}').encode(),
        "bad.json:3: schema: 3 was written by a newer pytest-modelbudget",
    ),
    (
        "a wrong number in a report",
        GOOD_REPORT.replace('"flops": 2000000000', '"flops": 1.5', 1).encode(),
        f"bad.json:{FLOPS}: results > 1 > cost > flops: 1.5 where a whole number",
    ),
    ("deep", b"[" * 100_000, "bad.json:1: damaged JSON: nested too deeply"),
]


@pytest.mark.parametrize(("data", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
@pytest.mark.parametrize("side", ["old", "new"])
def test_a_bad_file_gives_one_clear_message(tmp_path, monkeypatch, capsys, data, said, side):
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_bytes(data)
    Path("good.json").write_text(GOOD, encoding="utf-8")
    names = ["bad.json", "good.json"] if side == "old" else ["good.json", "bad.json"]
    text = refused(capsys, *names)
    assert said in text
    assert re.match(r"bad\.json:\d+", text)
    assert len(text.splitlines()) == 2  # what is wrong, and what to do
    assert Path("bad.json").read_bytes() == data


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert refused(capsys, str(tmp_path / "no.json"), str(tmp_path)) == (
        f"{tmp_path / 'no.json'} cannot be read: No such file or directory.\n"
    )


def test_a_folder(tmp_path, capsys):
    assert refused(capsys, str(tmp_path), str(tmp_path)) == f"{tmp_path} cannot be read: Is a directory.\n"


def test_a_report_with_two_entries_of_one_name(tmp_path, capsys):
    file = report(tmp_path / "a.json", samples.SAME, replace(samples.NEW, entry=samples.SAME.entry))
    text = refused(capsys, str(file), str(file))
    assert text == f"{file}: two different entries are named {samples.SAME.entry!r}. Give each its own with name=.\n"


# Names that would be something else elsewhere.

HOSTILE = {
    "pipe": "a|b",
    "backticks": "a`b``c",
    "script": "<script>alert(1)</script>",
    "details": "</code></summary></details><img src=x>",
    "command": "::error file=x::pwned",
    "old command": "##[error]pwned",
    "indented command": "   ::add-mask::1",
    "newlines": "one\n::error::two\r\n| three |",
    "encoded": "%0A::error::x%0D",
    "right to left": "abc\u202ecod.exe\u2066",
    "escape": "\x1b[31mred\x1b]8;;http://x\x07",
    "mention": "@someone #12 https://example.org ![x](y)",
    "long": "x" * 5000,
    "fence": "```\n</details>",
    "surrogates": "\U0001f600 é 漢",
}


def hostile_pair(name: str) -> tuple[Entry, Entry]:
    """Two entries with the name everywhere a name can be, one that grew and one that moved."""
    module = samples.module(f"{name}x".replace(".", "_"), name, G, M, name)
    old = entry(name, G, M, module, model=name, inputs=name, torch_version=name)
    grew = replace(module, flops=2 * G, config=f"{name}1")
    return old, replace(entry(name, 2 * G, M, grew, model=name, inputs=name), torch_version=f"{name}2")


def hostile_report(name: str, old: Entry) -> samples.Result:
    """A run that was compared with the entry, and has the name in its reasons, too."""
    change = samples.ModuleChange("changed", f"{name}x", name, name, G, 2 * G, name, name, f"{name},", name)
    factor = samples.Factor(name, G, 2 * G, name, f"{name}1")
    comparison = samples.Comparison(
        "changed", name, old.totals, old.point, samples.Growth("flops", G, 2 * G, (factor,), (change,), name)
    )
    cost = samples.cost(POINT, name, samples.module("", name, 2 * G, M), inputs=f"{name}9")
    return replace(samples.result(name, cost, samples.verdict(cost), comparison), path=name)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", ["same point", "other inputs", "report"])
def test_hostile_names_are_inert(tmp_path, capsys, name, format_, kind):
    old, new = hostile_pair(name)
    after = write(tmp_path / "b", replace(new, inputs=f"{name}9") if kind == "other inputs" else new)
    if kind == "report":
        after = report(tmp_path / "b", hostile_report(name, old))
    text = printed(capsys, str(write(tmp_path / "a", old)), str(after), "--format", format_, "--fail-on", "1%", want=1)
    controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    assert controls <= {"\n"}
    assert commands(text) == (["error"] if format_ == "github" else [])
    if format_ == "json":
        assert json.loads(text)["entries"][0]["entry"] == name
        assert text.isascii()
    if format_ == "md":
        check_markdown(text, name)


def commands(text: str) -> list[str]:
    """The workflow commands that GitHub's runner finds: a line that begins with one, or ``##[...]`` anywhere in it."""
    found = []
    for line in text.splitlines():
        new, old = re.match(r"\s*::(\S+?)(?: .*?)?::", line), re.search(r"##\[(\S+?)[ \]]", line)
        found += [match[1] for match in (new or old,) if match]
    return found


def check_markdown(text: str, name: str) -> None:
    """The markup is ours: a heading, one table of two rows and as many columns, one folded block of code."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text)
    kinds = [token.type for token in tokens]
    assert [kinds.count(kind) for kind in ("heading_open", "tr_open", "fence")] == [1, 2, 1]
    allowed = {"text", "code_inline", "strong_open", "strong_close"}
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= allowed
    blocks = "".join(token.content for token in tokens if token.type == "html_block")
    assert set(re.findall(r"<[^>]*>", blocks)) == {
        "<!-- modelbudget -->", "<details>", "<summary>", "<code>", "</code>", "</summary>", "</details>",
    }  # fmt: skip
    assert kinds.count("td_open") == kinds.count("th_open")
    (span,) = (child for child in inline if child.type == "code_inline")
    assert span.content.strip() == shown(name).strip()


def test_two_names_that_look_alike_have_rows_of_their_own(tmp_path, capsys):
    old = write(tmp_path / "a", entry("a\n", G, M), entry("a\\n", G, M))
    new = write(tmp_path / "b", entry("a\n", 2 * G, M), entry("a\\n", 3 * G, M))
    text = printed(capsys, str(old), str(new))
    assert (text.count("1 G -> 2 G"), text.count("1 G -> 3 G")) == (1, 1)


# Many entries.


def many(count: int, flops: int, **changed: object) -> list[Entry]:
    return [entry(f"{A}{number:04}", flops, M, review.layer2(flops, M, "x"), **changed) for number in range(count)]


@pytest.mark.parametrize(("count", "fits"), [(1, True), (100, True), (300, False), (2000, False)])
def test_the_markdown_stays_within_what_a_comment_may_have(tmp_path, capsys, count, fits):
    """What does not fit is counted: 300 rows do, but not all that explains them; of 2000 rows a part does."""
    old, new = write(tmp_path / "a", *many(count, G)), write(tmp_path / "b", *many(count, 2 * G))
    text = printed(capsys, str(old), str(new), "--format", "md")
    assert len(text.encode()) <= 60_000
    shown = len(re.findall(r"^\| grew", text, re.MULTILINE)), text.count("<details>")
    counted = re.search(r"Left out, to stay within 60000 bytes: (\d+) entries and (\d+) explanations\.", text)
    left_out = (int(counted[1]), int(counted[2])) if counted else (0, 0)
    assert (shown[0] + left_out[0], shown[1] + left_out[1]) == (count, count)
    assert (left_out == (0, 0)) is fits
    assert (left_out[0] > 0) is (count == 2000)


def test_annotations_are_as_many_as_github_shows_and_the_worst_first(tmp_path, capsys):
    """Of 12 entries the last 2 grew beyond what is allowed; they come first, and the tenth says how many are left."""
    old = write(tmp_path / "a", *many(12, 100 * M))
    new = write(tmp_path / "b", *many(10, 101 * M), *many(12, 200 * M)[10:])
    lines = printed(capsys, str(old), str(new), "--format", "github", "--fail-on", "1%", want=1).splitlines()
    assert [line[: line.index(" ")] for line in lines[:-1]] == ["::error"] * 2 + ["::warning"] * 8
    assert lines[9].endswith("%0A2 more entries are not annotated.")
    assert lines[-1] == "12 entries changed. 2 grew by more than 1 %."


# The terminal.


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-m", "pytest_modelbudget.cli", "diff", *arguments]
    return subprocess.run(call, capture_output=True, check=False, env={**os.environ, **environment})


def test_a_terminal_without_the_characters(tmp_path):
    file, other = write(tmp_path / "a", entry("é", G, M)), write(tmp_path / "b", entry("é", 2 * G, M))
    done = command(str(file), str(other), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\xe9" in done.stdout


def test_a_reader_that_goes_away(tmp_path):
    """As ``head`` does. Nobody sees a traceback."""
    old, new = write(tmp_path / "a", *many(3000, G)), write(tmp_path / "b", *many(3000, 2 * G))
    call = [sys.executable, "-m", "pytest_modelbudget.cli", "diff", str(old), str(new)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_torch_is_not_loaded(tmp_path):
    """A comparison is of two files: it takes no model, and no seconds."""
    file = write(tmp_path / "a", entry("a", G, M))
    code = "import sys; from pytest_modelbudget.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "diff", str(file), str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
