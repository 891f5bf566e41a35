"""``--budget-update``: what it records, what it keeps and drops, when it refuses; and that nothing else writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from testing.recorded import BODY, HEAD, NET, PIXEL, STEM, baseline, check, edit, entries, record, said, suite

from pytest_modelbudget import __version__
from pytest_modelbudget.baseline.file import write
from pytest_modelbudget.baseline.schema import Baseline

ONE = """
@budget(name="net", batch=1, res=8)
def test_net():
    return Net()
"""
FIRST = """
@budget(batch=1, res=8)
def test_a():
    return Net()
"""
SECOND = FIRST.replace("test_a", "test_b")
TWO = FIRST + SECOND
WIDER = NET.replace("4, 10", "4, 20")
WIDER_PIXEL = PIXEL + 40
A, B = "test_cost.py::test_a", "test_cost.py::test_b"


def flops(pytester: pytest.Pytester) -> dict[str, int]:
    """What is recorded, at each of 64 pixels."""
    return {name: entry.totals["flops"] // 64 for name, entry in entries(pytester).items()}


# -- what is recorded ----------------------------------------------------------------------------------------------


def test_it_records_what_was_measured_and_says_so(pytester):
    suite(pytester, ONE)
    result = record(pytester)
    result.stdout.fnmatch_lines(
        ["modelbudget.json: 1 added, 0 changed, 0 removed, 0 unchanged", "    added  net: flops 7.42 k"]
    )
    (entry,) = entries(pytester).values()
    assert entry.totals == {
        "flops": PIXEL * 64,
        "macs": PIXEL * 64,
        "params": PIXEL,
        "trainable_params": PIXEL,
        "activations": (4 + 8 + 4 + 10) * 64,  # the channels that the convolutions give
        "weights": PIXEL * 4,
        # at the ReLU: weights, the image, what the stem gave, and what goes into the ReLU and comes out
        "memory": PIXEL * 4 + (3 + 4 + 8 + 8) * 64 * 4,
    }
    assert [(row.name, row.kind, row.flops) for row in entry.modules] == [  # each without what is below it
        ("", "Net", 0),
        ("stem", "Conv2d", STEM * 64),
        ("body", "Sequential", 0),
        ("body.0", "Conv2d", 32 * 64),
        ("body.1", "ReLU", 0),
        ("body.2", "Conv2d", 32 * 64),
        ("head", "Conv2d", HEAD * 64),
    ]
    assert (entry.test, entry.model, entry.module) == ("test_cost.py::test_net", "Net", "")
    assert (str(entry.point), entry.inputs) == ("batch 1, res 8, infer", "float32 (1, 3, 8, 8)")
    assert (entry.convention, entry.counter, entry.executed) == ("fvcore", "aten", "meta")
    assert (entry.plugin_version, entry.torch_version) == (__version__, torch.__version__.partition("+")[0])
    assert check(pytester).ret == 0  # and the baseline that is there lets the test pass


def test_it_says_what_became_of_every_entry(pytester):
    suite(pytester, TWO + ONE)
    record(pytester)
    edit(pytester, A, flops=100)
    suite(pytester, TWO.replace("test_b", "test_c") + ONE)
    result = record(pytester)
    result.stdout.fnmatch_lines(
        [
            "modelbudget.json: 1 added, 1 changed, 1 removed, 1 unchanged",
            "    changed  test_cost.py::test_a: flops 100 -> 7.42 k, macs 100 -> 7.42 k",
            "    removed  test_cost.py::test_b: flops 7.42 k",
            "    added  test_cost.py::test_c: flops 7.42 k",
        ]
    )


def test_an_unchanged_model_gives_an_unchanged_file(pytester):
    suite(pytester, TWO + ONE)
    record(pytester)
    path = baseline(pytester)
    before = path.read_bytes()
    os.utime(path, ns=(1, 1))
    result = record(pytester)
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == 1  # it was not even written
    result.stdout.fnmatch_lines(["modelbudget.json: 0 added, 0 changed, 0 removed, 3 unchanged"])


def test_the_order_of_the_tests_does_not_show(pytester):
    suite(pytester, TWO + ONE)
    record(pytester)
    before = baseline(pytester).read_bytes()
    baseline(pytester).unlink()
    record(pytester, "test_cost.py::test_net", B, A)
    assert baseline(pytester).read_bytes() == before


def test_what_a_test_measures_by_itself_is_recorded_too(pytester):
    """Its first name is the marker's, where it has one."""
    test = """
        def test_alone(model_cost):
            model_cost(Net, batch=1, res=8)
            model_cost(Net(), batch=2, res=8)

        @budget(batch=3, res=8, model=Net)
        def test_marked(model_cost):
            model_cost(Net, batch=4, res=8)
            model_cost(Net, batch=5, res=8, name="five")
    """
    suite(pytester, test)
    record(pytester)
    expected = {
        "five": 5 * PIXEL,
        "test_cost.py::test_alone": PIXEL,
        "test_cost.py::test_alone #2": 2 * PIXEL,
        "test_cost.py::test_marked": 3 * PIXEL,
        "test_cost.py::test_marked #2": 4 * PIXEL,
    }
    assert flops(pytester) == expected

    suite(pytester, test, WIDER)  # its drift is told, and its own assertions are what judge it
    result = check(pytester, "-k", "alone")
    assert result.parseoutcomes() == {"passed": 1, "deselected": 1}
    result.stdout.fnmatch_lines(
        ["test_cost.py::test_alone #2 * grew: flops +34 %", "test_cost.py::test_alone: 1.34x since the baseline = *"]
    )


# -- what judges a run that records --------------------------------------------------------------------------------


def test_limits_hold_and_what_is_over_them_is_recorded_all_the_same(pytester):
    """The baseline says what the model costs. That it costs too much stays the test's to say."""
    suite(pytester, ONE.replace("res=8", "res=8, flops='7k'"))
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["over budget: flops 7.42 k of 7 k (+6 %)*", "    added  net: flops 7.42 k"])
    assert flops(pytester) == {"net": PIXEL}


def test_nothing_is_above_a_baseline_that_is_being_replaced(pytester):
    suite(pytester, ONE.replace("res=8", "res=8, tolerance=0"))
    record(pytester)
    suite(pytester, ONE.replace("res=8", "res=16, tolerance=0"), WIDER)
    result = record(pytester, "--budget-strict", "--budget-tolerance=0")
    assert flops(pytester) == {"net": 4 * WIDER_PIXEL}
    assert "above its baseline" not in said(result)


@torch.library.custom_op("modelbudget_update::mystery", mutates_args=())
def mystery(values: torch.Tensor) -> torch.Tensor:
    return values.clone()


@mystery.register_fake
def _(values):
    return torch.empty_like(values)


def test_what_was_not_counted_is_not_recorded(pytester):
    """Its numbers are too low: the old ones stay, and the test fails."""
    suite(pytester, TWO)
    record(pytester)
    models = NET + WIDER.replace("class Net", "class Unknown").replace(
        "return self.head(", "return torch.ops.modelbudget_update.mystery("
    )
    suite(pytester, TWO.replace("Net()", "Unknown()", 1), models)
    result = check(pytester, "--budget-update")
    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "modelbudget.json: 0 added, 0 changed, 0 removed, 2 unchanged",
            f"not recorded: {A}: not counted: 1 operator has no formula, so the numbers are too low",
        ]
    )
    assert flops(pytester) == {A: PIXEL, B: PIXEL}

    pytester.makeini("[pytest]\nbudget_unknown_ops = warn\n")
    record(pytester)
    assert flops(pytester) == {A: STEM + BODY, B: PIXEL}


BODIES = {
    "its own assertion": "assert Net() is None",
    "its own error": "raise ValueError",
    "a skip": "pytest.skip('not here')",
    "an expected failure": "pytest.xfail('not yet')",
    "a wrong marker, added late": "request.applymarker(budget(flips=1)); return Net()",
    "no model": "return 1",
    "a model that does not run": "return nn.Linear(7, 7)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_test_that_measured_nothing_keeps_its_entry(pytester, body):
    suite(pytester, TWO)
    record(pytester)
    test = TWO.replace("def test_a():\n    return Net()", f"def test_a(request):\n    {body}")
    suite(pytester, test, WIDER)
    result = check(pytester, "--budget-update")
    assert flops(pytester) == {A: PIXEL, B: WIDER_PIXEL}
    assert "gone" not in said(check(pytester, "--budget-strict"))
    assert "1 passed" in said(result)


MARKS = {
    "skipped": "@pytest.mark.skip",
    "skipped here": "@pytest.mark.skipif(True, reason='not here')",
    "not run, since it is expected to fail": "@pytest.mark.xfail(run=False)",
    "without its fixture": "@pytest.mark.usefixtures('broken')",
}


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_a_test_that_did_not_run_keeps_its_entry(pytester, mark):
    broken = "@pytest.fixture\ndef broken(): raise ValueError\n"
    suite(pytester, TWO)
    record(pytester)
    suite(pytester, broken + mark + TWO, WIDER)
    check(pytester, "--budget-update")
    assert flops(pytester) == {A: PIXEL, B: WIDER_PIXEL}


def test_a_test_that_ended_early_keeps_the_entries_it_did_not_come_to(pytester):
    """And those it came to: it did not say that they are right."""
    test = """
        def test_a(model_cost):
            model_cost(Net, name="first", batch=1, res=8)
            assert {good}
            model_cost(Net, name="second", batch=1, res=8)
    """
    suite(pytester, test.format(good=True))
    record(pytester)
    suite(pytester, test.format(good=False), WIDER)
    result = check(pytester, "--budget-update")
    assert flops(pytester) == {"first": PIXEL, "second": PIXEL}
    result.stdout.fnmatch_lines(["not recorded: first: its test did not run to its end"])


@pytest.mark.parametrize(("marks", "ret"), [("", 1), ("@pytest.mark.xfail", 0), ("@pytest.mark.xfail(strict=True)", 0)])
def test_an_expected_failure_of_the_budget_is_recorded(pytester, marks, ret):
    suite(pytester, f"{marks}\n@budget(name='net', batch=1, res=8, flops=1)\ndef test_net(): return Net()")
    result = check(pytester, "--budget-update")
    assert result.ret == ret
    assert flops(pytester) == {"net": PIXEL}


# -- partial runs --------------------------------------------------------------------------------------------------

OTHER = "other/test_other.py::test_c"
PARTS = {
    "a node id": ([A], {A}),
    "two node ids": ([A, OTHER], {A, OTHER}),
    "-k": (["-k", "test_b"], {B}),
    "-m": (["-m", "slow"], {OTHER}),
    "--deselect": (["--deselect", A], {B, OTHER}),
    "a file": (["test_cost.py"], {A, B}),
    "a folder": (["other"], {OTHER}),
    "--ignore": (["--ignore=other"], {A, B}),
    "--ignore-glob": (["--ignore-glob=*cost*"], {OTHER}),
    "nothing is left": (["-k", "nothing"], set()),
    "everything": ([], {A, B, OTHER}),
}


@pytest.mark.parametrize(("options", "ran"), PARTS.values(), ids=PARTS)
def test_a_partial_run_keeps_what_it_did_not_look_at(pytester, options, ran):
    pytester.makeini("[pytest]\nmarkers = slow\n")
    slow = "@pytest.mark.slow\n@budget(batch=1, res=8)\ndef test_c(): return Net()"
    for models in (NET, WIDER):
        suite(pytester, TWO, models)
        suite(pytester, slow, models, file="other/test_other.py")
        if models is NET:
            record(pytester)
    check(pytester, "--budget-update", *options)
    assert flops(pytester) == {name: WIDER_PIXEL if name in ran else PIXEL for name in (A, B, OTHER)}


def _conftest(pytester: pytest.Pytester, source: str) -> list[str]:
    (pytester.path / "conftest.py").write_text(source)
    return []


UNSEEN = {
    "the file skips itself": lambda p: suite(
        p, "pytest.skip('no', allow_module_level=True)", file="other/test_other.py"
    ),
    "the file misses a package": lambda p: suite(p, "pytest.importorskip('no_such_thing')", file="other/test_other.py"),
    "a conftest ignores the file": lambda p: _conftest(p, "collect_ignore = ['other']"),
    "a conftest deselects the test": lambda p: _conftest(
        p,
        "def pytest_collection_modifyitems(config, items):\n"
        "    config.hook.pytest_deselected(items=[i for i in items if 'other' in i.nodeid])\n"
        "    items[:] = [i for i in items if 'other' not in i.nodeid]\n",
    ),
    "the test paths leave it out": lambda p: p.makeini("[pytest]\ntestpaths = test_cost.py\n"),
    "the folder is left out": lambda p: p.makeini("[pytest]\nnorecursedirs = other\n"),
}


@pytest.mark.parametrize("leave_out", UNSEEN.values(), ids=UNSEEN)
def test_what_a_full_run_could_not_see_is_not_gone(pytester, leave_out):
    suite(pytester, TWO)
    suite(pytester, TWO, file="other/test_other.py")
    record(pytester)
    names = set(flops(pytester))
    leave_out(pytester)
    assert check(pytester, "--budget-strict").ret == 0
    assert record(pytester).parseoutcomes()["passed"] == 2
    assert set(flops(pytester)) == names


def test_a_run_in_a_folder_is_about_that_folder(pytester, monkeypatch):
    suite(pytester, TWO)
    suite(pytester, TWO, file="other/test_other.py")
    pytester.makeini("[pytest]\npythonpath = .\n")
    record(pytester)
    (pytester.path / "test_cost.py").unlink()
    suite(pytester, TWO.replace("test_b", "test_c"), WIDER, file="other/test_other.py")
    monkeypatch.chdir(pytester.path / "other")
    record(pytester)
    assert flops(pytester) == {A: PIXEL, B: PIXEL, "other/test_other.py::test_a": WIDER_PIXEL, OTHER: WIDER_PIXEL}


GONE = {
    "the test": lambda p: suite(p, FIRST),
    "the test, for another name": lambda p: suite(p, FIRST + SECOND.replace("test_b", "test_c")),
    "its marker": lambda p: suite(p, FIRST + "def test_b(): pass"),
    "its name": lambda p: suite(p, FIRST + SECOND.replace("batch=1", "name='new', batch=1")),
}


@pytest.mark.parametrize("remove", GONE.values(), ids=GONE)
def test_a_full_run_drops_the_entry_of_what_is_gone(pytester, remove):
    suite(pytester, TWO)
    record(pytester)
    remove(pytester)
    result = record(pytester)
    assert B not in flops(pytester)
    assert flops(pytester)[A] == PIXEL
    result.stdout.fnmatch_lines([f"    removed  {B}: flops 7.42 k"])


@pytest.mark.parametrize("options", [[], ["."], ["other"]])
def test_a_file_that_is_gone_takes_its_entries_along(pytester, options):
    suite(pytester, TWO)
    suite(pytester, TWO, file="other/test_gone.py")
    suite(pytester, ONE, file="other/test_kept.py")
    record(pytester)
    (pytester.path / "other" / "test_gone.py").unlink()
    record(pytester, *options)
    assert flops(pytester) == {A: PIXEL, B: PIXEL, "net": PIXEL}


def test_the_last_test_that_goes_empties_the_baseline(pytester):
    suite(pytester, ONE)
    record(pytester)
    suite(pytester, "def test_other(): pass")
    record(pytester)
    assert flops(pytester) == {}


def test_one_of_two_operating_points_is_dropped(pytester):
    both = ONE.replace("\n@", '\n@budget(name="more", batch=2, res=8)\n@', 1)
    suite(pytester, both)
    record(pytester)
    assert flops(pytester) == {"more": 2 * PIXEL, "net": PIXEL}
    suite(pytester, ONE)
    record(pytester)
    assert flops(pytester) == {"net": PIXEL}


# -- cut short -----------------------------------------------------------------------------------------------------

STOP = TWO.replace("def test_a():", "def test_a():\n    assert 0") + ONE


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_at_a_failure_drops_nothing(pytester, option):
    suite(pytester, TWO + ONE)
    record(pytester)
    suite(pytester, ONE.replace("test_net", "test_0") + STOP.replace(ONE, ""), WIDER)
    result = check(pytester, "--budget-update", option)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert flops(pytester) == {A: PIXEL, B: PIXEL, "net": WIDER_PIXEL}  # what ran before it is recorded


@pytest.mark.parametrize("how", ["pytest.exit('enough')", "request.session.shouldstop = 'enough'"])
def test_a_run_that_was_interrupted_writes_nothing_and_says_so(pytester, how):
    suite(pytester, TWO)
    record(pytester)
    before = baseline(pytester).read_bytes()
    suite(pytester, f"{TWO}\ndef test_z(request): {how}", WIDER)
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert baseline(pytester).read_bytes() == before
    result.stdout.fnmatch_lines(["modelbudget.json: not updated, since the run did not come to its end."])


def test_a_file_that_cannot_be_collected_stops_the_run_before_it_writes(pytester):
    suite(pytester, TWO)
    record(pytester)
    before = baseline(pytester).read_bytes()
    suite(pytester, TWO, WIDER)
    suite(pytester, "raise ValueError", WIDER, file="test_broken.py")
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert baseline(pytester).read_bytes() == before
    result.stdout.fnmatch_lines(["modelbudget.json: not updated, since the run did not come to its end."])

    suite(pytester, TWO.replace("test_b", "test_c"), WIDER)
    result = check(pytester, "--budget-update", "--continue-on-collection-errors")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    c = "test_cost.py::test_c"
    assert flops(pytester) == {A: WIDER_PIXEL, B: PIXEL, c: WIDER_PIXEL}  # the broken file may have what is missing


def test_a_wrong_marker_stops_the_run_before_it_writes(pytester):
    suite(pytester, TWO)
    record(pytester)
    before = baseline(pytester).read_bytes()
    suite(pytester, TWO.replace("res=8", "rez=8", 1), WIDER)
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert baseline(pytester).read_bytes() == before


def test_without_a_terminal_it_writes_all_the_same(pytester):
    suite(pytester, ONE)
    assert check(pytester, "--budget-update", "-p", "no:terminal").ret == 0
    assert flops(pytester) == {"net": PIXEL}
    suite(pytester, ONE, WIDER)
    assert check(pytester, "-p", "no:terminal").ret == pytest.ExitCode.TESTS_FAILED


def test_under_q_only_what_became_of_the_baseline_is_said(pytester):
    suite(pytester, ONE)
    result = record(pytester, "-q")
    assert "    added  net: flops 7.42 k" in result.outlines
    assert "entry  " not in said(result)


# -- nothing else writes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--budget-strict"],
        ["--budget-tolerance=5%"],
        ["--budget-report=report.json"],
        ["--collect-only", "--budget-update"],
        ["--fixtures", "--budget-update"],
        ["--help", "--budget-update"],
    ],
)
@pytest.mark.parametrize("models", [NET, WIDER], ids=["unchanged", "grown"])
def test_nothing_else_writes_the_baseline(pytester, options, models):
    suite(pytester, TWO)
    check(pytester, *options)
    assert not baseline(pytester).exists()
    record(pytester)
    before = baseline(pytester).read_bytes()
    os.utime(baseline(pytester), ns=(1, 1))
    suite(pytester, TWO.replace("test_b", "test_c"), models)
    check(pytester, *options)
    assert baseline(pytester).read_bytes() == before
    assert baseline(pytester).stat().st_mtime_ns == 1
    assert not list(pytester.path.glob(".modelbudget-*"))


# -- refused -------------------------------------------------------------------------------------------------------


def _conflict(text: str) -> str:
    return text.replace('  "entries"', '<<<<<<< HEAD\n  "entries"', 1)


DAMAGED = {
    "cut": (lambda text: text[:200], "damaged JSON: "),
    "empty": (lambda text: "", "modelbudget.json:1: the file is empty."),
    "a merge conflict": (_conflict, "modelbudget.json:3: merge conflict marker <<<<<<<."),
    "a newer format": (
        lambda text: text.replace('"format": 2', '"format": 3'),
        "modelbudget.json:2: format: 3 was written by a newer pytest-modelbudget",
    ),
    "a wrong number": (
        lambda text: text.replace('"flops": 7424', '"flops": -1', 1),
        "totals > flops: -1 where a whole number from 0 to 10**30 belongs.",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_baseline_is_told_once_and_kept(pytester, damage, message):
    suite(pytester, TWO)
    record(pytester)
    path = baseline(pytester)
    path.write_text(damage(path.read_text()))
    before = path.read_bytes()
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"passed": 2}
    assert said(result).count(message) == 1
    assert path.read_bytes() == before
    assert sum(line.startswith(str(path)) for line in result.outlines) == 1
    remedy = result.outlines[next(i for i, line in enumerate(result.outlines) if message in line) + 1]
    assert remedy.startswith(("Restore the file with git checkout -- ", "Keep one side with git checkout", "Upgrade "))

    result = check(pytester)  # a run that compares cannot judge any of its tests
    assert result.parseoutcomes() == {"failed": 2}
    assert message in said(result)
    assert path.read_bytes() == before


def test_a_damaged_baseline_is_nothing_to_a_run_without_models(pytester):
    suite(pytester, "def test_other(): pass")
    baseline(pytester).write_text("{")
    assert check(pytester).ret == 0
    assert check(pytester, "--budget-strict").ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("report", ["r.json", "r.md", "r.html", "r.txt"])
def test_a_damaged_baseline_does_not_keep_a_report_from_being_written(pytester, report):
    suite(pytester, ONE.replace("res=8", "res=8, flops='1M'"))
    baseline(pytester).write_text("{")
    result = check(pytester, f"--budget-report={report}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (pytester.path / report).read_text()
    said(result)


@pytest.mark.parametrize(
    ("second", "by"),
    [
        ("@budget(name='net', batch=1, res=16)\ndef test_more(): return Net()", "test_net and test_cost.py::test_more"),
        ("@budget(name='net', batch=1, res=8)\ndef test_more(): return Net()", "test_net and test_cost.py::test_more"),
        ("def test_more(model_cost): model_cost(Net, name='net', res=8)", "test_net and test_cost.py::test_more"),
        (
            "def test_more(model_cost):\n    for res in 8, 9: model_cost(Net, name='two', batch=1, res=res)",
            "test_more",
        ),
    ],
    ids=["another point", "another test", "the fixture", "twice in one test"],
)
def test_two_entries_of_one_name_are_refused(pytester, second, by):
    suite(pytester, ONE)
    record(pytester)
    before = baseline(pytester).read_bytes()
    suite(pytester, f"{ONE}\n{second}", WIDER)
    result = check(pytester, "--budget-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    name = "two" if "two" in second else "net"
    result.stdout.fnmatch_lines(
        [
            f"two different entries are named '{name}', measured by test_cost.py::{by}.",
            "Give each its own with name=, then run pytest --budget-update.",
        ]
    )
    assert baseline(pytester).read_bytes() == before
    said(result)


PLACES = {
    "no folder": ("no/such.json", "No such file or directory", "Make its folder with mkdir -p "),
    "a file in the place of its folder": ("models.py/costs.json", "Not a directory", "Give another file with "),
    "a folder in its place": ("folder", "Is a directory", "Give another file with "),
}


@pytest.mark.parametrize(("place", "reason", "remedy"), PLACES.values(), ids=PLACES)
def test_what_cannot_be_written_is_told(pytester, place, reason, remedy):
    suite(pytester, ONE)
    pytester.mkdir("folder")
    files = sorted(pytester.path.rglob("*"))
    result = check(pytester, "--budget-update", f"--budget-baseline={place}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"{pytester.path / place}: the baseline cannot be *: {reason}.", f"{remedy}*"])
    assert [f for f in sorted(pytester.path.rglob("*")) if "__pycache__" not in f.parts] == files
    said(result)


@pytest.fixture
def read_only():
    """A folder in which nothing can be made, and what makes that hold for root, too, while a run finishes."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


AS_NOBODY = """
import os
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish():
    if os.geteuid() != 0:
        return (yield)
    os.seteuid(65534)
    try:
        return (yield)
    finally:
        os.seteuid(0)
"""


def test_a_read_only_folder_is_told_and_the_old_baseline_stays(pytester, read_only):
    path = read_only / "modelbudget.json"
    suite(pytester, ONE)
    record(pytester, f"--budget-baseline={path}")
    before = path.read_bytes()
    path.chmod(0o644)
    read_only.chmod(0o555)
    (pytester.path / "conftest.py").write_text(AS_NOBODY)
    suite(pytester, ONE, WIDER)
    result = check(pytester, "--budget-update", f"--budget-baseline={path}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"{path}: the baseline cannot be written: Permission denied.", "Give another file *"])
    assert path.read_bytes() == before
    assert [file.name for file in read_only.iterdir()] == [path.name]
    said(result)


def test_an_entry_of_an_older_version_is_replaced_by_one_of_this(pytester):
    """Which shows in the file, and is said, though nothing of the model changed."""
    suite(pytester, ONE)
    record(pytester)
    before = baseline(pytester).read_bytes()
    entry = entries(pytester)["net"]
    write(baseline(pytester), Baseline.of([entry]))
    assert baseline(pytester).read_bytes() == before
    edit(pytester, "net", torch_version="2.4.0")
    result = record(pytester)
    assert baseline(pytester).read_bytes() == before
    result.stdout.fnmatch_lines(["*0 added, 1 changed, 0 removed, 0 unchanged", "    changed  net: same totals"])
