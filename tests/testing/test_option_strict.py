"""``--budget-strict`` and ``budget_strict``: entries whose tests are gone."""

from __future__ import annotations

import pytest
from testing.recorded import NET, baseline, check, edit, record, said, suite

TEST = """
@budget(batch=1, res=8)
def test_{}():
    return Net()
"""
A, B, C = (TEST.format(name) for name in "abc")
GONE = "modelbudget.json: 1 entry whose test is gone; pytest --budget-update drops it:"


@pytest.fixture
def stale(pytester):
    """``test_b`` is recorded, and gone; ``test_c`` in another folder, too."""
    suite(pytester, A + B)
    suite(pytester, A + C, file="other/test_other.py")
    record(pytester)
    suite(pytester, A)
    suite(pytester, A, file="other/test_other.py")
    return pytester


def gone(result: pytest.RunResult) -> list[str]:
    """The entries that a run says are gone."""
    lines = said(result).splitlines()
    start = next((number for number, line in enumerate(lines) if " gone; " in line), len(lines))
    found = []
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            break
        found.append(line.strip())
    return found


B_HERE, C_THERE = "test_cost.py::test_b", "other/test_other.py::test_c"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [C_THERE, B_HERE]),
        (["."], [C_THERE, B_HERE]),
        (["-q"], [C_THERE, B_HERE]),
        (["test_cost.py"], [B_HERE]),
        (["./test_cost.py"], [B_HERE]),
        (["other"], [C_THERE]),
        (["other/"], [C_THERE]),
        (["other", "test_cost.py"], [C_THERE, B_HERE]),
        (["test_cost.py::test_a"], []),
        (["other", "test_cost.py::test_a"], []),
        (["-k", "test_a"], []),
        (["-m", "not slow"], []),
        (["--deselect", "test_cost.py::test_b"], []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_a_run_was_asked_for_is_what_it_speaks_of(stale, strict, options, expected):
    result = check(stale, *options, *["--budget-strict"] * strict)
    assert gone(result) == expected
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if expected and strict else pytest.ExitCode.OK)
    assert "failed" not in result.parseoutcomes()


def test_the_sentence(stale):
    check(stale).stdout.fnmatch_lines(
        [
            "modelbudget.json: 2 entries whose tests are gone; pytest --budget-update drops them:",
            f"    {C_THERE}",
            f"    {B_HERE}",
        ]
    )
    check(stale, "other").stdout.fnmatch_lines([GONE, f"    {C_THERE}"])


def test_an_update_is_what_it_takes(stale):
    record(stale)
    result = check(stale, "--budget-strict")
    assert (result.ret, gone(result)) == (0, [])


@pytest.mark.parametrize(
    ("ini", "option", "strict"),
    [
        ("", [], False),
        ("true", [], True),
        ("1", [], True),
        ("Yes", [], True),
        ("on", [], True),
        ("false", [], False),
        ("0", [], False),
        ("no", [], False),
        ("off", [], False),
        ("false", ["--budget-strict"], True),
    ],
)
def test_the_ini_key(stale, ini, option, strict):
    stale.makeini(f"[pytest]\nbudget_strict = {ini}\n")
    assert check(stale, *option).ret == (pytest.ExitCode.TESTS_FAILED if strict else pytest.ExitCode.OK)


def test_a_wrong_ini_value_is_refused(pytester):
    pytester.makeini("[pytest]\nbudget_strict = very\n")
    suite(pytester, A)
    result = check(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "budget_strict = very: allowed are true and false." in said(result)


def test_a_failing_test_is_not_hidden_by_it(stale):
    suite(stale, A, NET.replace("4, 10", "4, 20"))
    result = check(stale, "--budget-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"failed": 2}
    assert gone(result) == [C_THERE, B_HERE]


def test_a_run_that_finds_no_test_at_all_is_a_full_run(stale):
    """pytest's own status for that gives way: something is wrong."""
    (stale.path / "test_cost.py").unlink()
    (stale.path / "other" / "test_other.py").unlink()
    result = check(stale, "--budget-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(gone(result)) == 4
    assert check(stale).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stopped_early_says_nothing(stale, option):
    suite(stale, "def test_0(): assert 0" + A)
    result = check(stale, option, "--budget-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert gone(result) == []


def test_what_was_deselected_by_lf_is_not_gone(stale):
    suite(stale, "def test_0(): assert 0" + A)
    cached = stale.runpytest_inprocess()
    assert cached.parseoutcomes() == {"failed": 1, "passed": 2}
    result = stale.runpytest_inprocess("--lf", "--budget-strict")
    assert result.parseoutcomes()["failed"] == 1
    assert gone(result) == []


def test_without_a_baseline_there_is_nothing_to_say(pytester):
    suite(pytester, A.replace("res=8", "res=8, flops='1M'"))
    result = check(pytester, "--budget-strict")
    assert result.ret == 0
    assert "modelbudget.json" not in said(result)
    assert not baseline(pytester).exists()


def test_a_measurement_that_is_no_longer_made_is_gone(pytester):
    test = "def test_a(model_cost):\n    for name in {}: model_cost(Net, name=name, batch=1, res=8)\n"
    suite(pytester, test.format(["one", "two"]))
    record(pytester)
    suite(pytester, test.format(["one"]))
    result = check(pytester, "--budget-strict")
    assert gone(result) == ["two"]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_names_come_out_inert(pytester):
    """An entry's name is any text: on a terminal it stays on its line and turns nothing around."""
    suite(pytester, A)
    record(pytester)
    edit(pytester, "test_cost.py::test_a", name="a\n::error::b\u202e\x1b[31m")
    (line,) = gone(check(pytester))[:1]
    assert line == r"a\n::error::b\u202e\x1b[31m"


# -- tests that a hook took away -----------------------------------------------------------------------------------

SHARDS = """
import os


def pytest_collection_modifyitems(items):
    items[:] = items[int(os.environ["SHARD"])::2] if "SHARD" in os.environ else items
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["this process", "a worker"])
def test_the_entries_of_other_shards_are_not_gone(pytester, monkeypatch, processes):
    """The hook tells nobody. What was not even collected is gone all the same."""
    pytester.makeconftest(SHARDS)
    suite(pytester, A + B + C)
    record(pytester)
    edit(pytester, "test_cost.py::test_a", test="test_cost.py::test_gone")
    everything = baseline(pytester).read_text()
    monkeypatch.setenv("SHARD", "1")  # test_b alone
    result = check(pytester, "--budget-strict", *processes)
    assert gone(result) == ["test_cost.py::test_a"]
    kept = "1 entry is kept and not judged, since its test was collected, then left out by a hook that tells nobody"
    assert kept in said(result)
    assert "not judged" not in said(check(pytester))
    updated = record(pytester, *processes)
    assert kept in said(updated)
    assert "1 removed" in said(updated)
    baseline(pytester).write_text(everything)
    edit(pytester, "test_cost.py::test_a", test="test_cost.py::test_a")
    assert check(pytester, "--budget-strict", *processes).ret == 0


# -- two tests with one id -----------------------------------------------------------------------------------------

OWN_ROOT = "[pytest]\naddopts = --import-mode=importlib\npythonpath = ..\n"


@pytest.mark.parametrize("options", [(), ("--budget-update",), ("-n", "1")], ids=" ".join)
def test_two_tests_with_one_id_are_an_error(pytester, options):
    """Each folder has a root of its own, of which pytest takes the first: the ids are relative to where a test is."""
    for folder in ("a", "b"):
        suite(pytester, A, file=f"{folder}/test_cost.py")
        (pytester.path / folder / "pytest.ini").write_text(
            "[pytest]\naddopts = --import-mode=importlib\npythonpath = ..\n"
        )
    result = check(pytester, "a", "b", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    files = " and ".join(str(pytester.path / folder / "test_cost.py") for folder in ("a", "b"))
    assert f"test_cost.py::test_a: {files}" in said(result)
    assert not list(pytester.path.rglob("modelbudget.json"))
    result = check(pytester, "a", "b", "--rootdir=.", *options)
    assert "one id" not in said(result)


def test_two_plain_tests_with_one_id_are_pytests_matter(pytester):
    for folder in ("a", "b"):
        suite(pytester, "def test_a(): ...", file=f"{folder}/test_cost.py")
        (pytester.path / folder / "pytest.ini").write_text(OWN_ROOT)
    assert check(pytester, "a", "b").ret == 0
