"""A run that is killed while it updates the baseline: the file is the old one or the new one, and the next run works.

Each call of the write itself is in ``tests/baseline/test_killed.py``; here whole runs are killed at those that matter.
"""

from __future__ import annotations

import signal

import killing
from testing.recorded import NET, baseline, check, record, said, suite

TEST = """
@pytest.mark.parametrize("res", range(8, 12))
@budget(batch=1)
def test_net(res):
    return Net()
"""


def test_a_run_killed_as_it_writes_leaves_the_old_baseline_or_the_new_one(pytester):
    suite(pytester, TEST)
    record(pytester)
    old = baseline(pytester).read_text()
    suite(pytester, TEST, NET.replace("4, 10", "4, 20"))
    record(pytester)
    new = baseline(pytester).read_text()
    assert old != new
    baseline(pytester).write_text(old)

    places = ["before fsync", "before replace", "after replace"]
    *killed, survived = killing.run("testing.killed_runs", pytester.path, *places, "nowhere")
    assert survived == {"code": 0, "place": "", "file": new, "left": []}
    assert [(end["code"], end["place"]) for end in killed] == [(-signal.SIGKILL, place) for place in places]
    assert [(end["file"], end["left"]) for end in killed] == [(old, [new]), (old, [new]), (new, [])]

    assert len(list(pytester.path.glob(".modelbudget-*"))) == 2
    baseline(pytester).write_text(old)
    assert "4 changed" in said(record(pytester))  # what killed runs left is not in the way of the next
    assert baseline(pytester).read_text() == new
    assert check(pytester).ret == 0
