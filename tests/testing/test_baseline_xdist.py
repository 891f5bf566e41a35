"""The baseline under xdist: workers measure, the controller writes, and the file is that of one process."""

from __future__ import annotations

import pytest
from testing.recorded import PIXEL, baseline, check, entries, record, said, suite

MANY = """
@pytest.mark.parametrize("width", range(1, 201))
@budget(batch=1, res=1)
def test_net(width):
    return nn.Conv2d(3, width, 1, bias=False)
"""


def test_four_workers_record_200_entries_as_one_process_does(pytester):
    suite(pytester, MANY)
    record(pytester, "-q")
    alone = baseline(pytester).read_bytes()
    baseline(pytester).unlink()
    result = record(pytester, "-q", "-n", "4")
    assert "modelbudget.json: 200 added, 0 changed, 0 removed, 0 unchanged" in result.outlines
    assert {name: entry.totals["flops"] for name, entry in entries(pytester).items()} == {
        f"test_cost.py::test_net[{width}]": 3 * width for width in range(1, 201)
    }
    assert baseline(pytester).read_bytes() == alone
    assert [path.name for path in pytester.path.glob("*modelbudget*")] == ["modelbudget.json"]


GROUPED = """
@pytest.mark.xdist_group("together")
@budget(batch=1, res=8)
def test_grouped():
    return Net()

@pytest.mark.parametrize("text", ["a@b", "x::y"])
@pytest.mark.xdist_group("a::b@c")
@budget(batch=1, res=8)
def test_odd(text):
    return Net()

@budget(batch=1, res=8)
def test_gone():
    return Net()
"""
OTHER = """
@budget(batch=1, res=8)
def test_other():
    return Net()
"""


def test_what_is_gone_and_what_was_not_seen_are_told_apart_by_the_controller_too(pytester):
    """It collects nothing itself. Groups, which xdist writes behind the ids of tests, are no part of a name."""
    suite(pytester, GROUPED)
    suite(pytester, OTHER, file="test_skipped.py")
    suite(pytester, OTHER, file="test_ignored.py")
    suite(pytester, OTHER, file="test_deleted.py")
    record(pytester)
    suite(pytester, GROUPED.replace("test_gone", "test_new"))
    suite(pytester, "pytest.skip('not here', allow_module_level=True)", file="test_skipped.py")
    (pytester.path / "test_deleted.py").unlink()
    result = record(pytester, "-n", "2", "--dist=loadgroup", "--ignore=test_ignored.py")
    result.stdout.fnmatch_lines(
        [
            "modelbudget.json: 1 added, 0 changed, 2 removed, 5 unchanged",
            "    removed  test_cost.py::test_gone: *",
            "    added  test_cost.py::test_new: *",
            "    removed  test_deleted.py::test_other: *",
        ]
    )
    assert list(entries(pytester)) == [
        "test_cost.py::test_grouped",
        "test_cost.py::test_new",
        "test_cost.py::test_odd[a@b]",
        "test_cost.py::test_odd[x::y]",
        "test_ignored.py::test_other",
        "test_skipped.py::test_other",
    ]


CRASH = """
import os

@budget(batch=1, res=8)
def test_crash():
    {crash}
    return Net()
"""
DESELECT = """
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        config.hook.pytest_deselected(items=[item for item in items if item.name == "test_other"])
        items[:] = [item for item in items if item.name != "test_other"]
"""


def test_a_worker_that_crashes_loses_nothing_and_what_workers_leave_out_is_not_gone(pytester):
    """The hooks of a worker's conftest are not the controller's: it must be told that tests were deselected."""
    suite(pytester, CRASH.format(crash=""))
    suite(pytester, OTHER, file="test_more.py")
    record(pytester)
    before = baseline(pytester).read_bytes()
    suite(pytester, CRASH.format(crash="os._exit(1)"))
    suite(pytester, OTHER.replace("other", "kept"), file="test_kept.py")
    (pytester.path / "conftest.py").write_text(DESELECT)
    result = check(pytester, "-n", "2", "--budget-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "crashed while running 'test_cost.py::test_crash'" in said(result)
    found = {name: entry.totals["flops"] for name, entry in entries(pytester).items()}
    assert found == dict.fromkeys(
        ["test_cost.py::test_crash", "test_kept.py::test_kept", "test_more.py::test_other"], PIXEL * 64
    )
    assert before != baseline(pytester).read_bytes()
