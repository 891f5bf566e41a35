"""A run that is killed while it updates the baseline: the file is the old one or the new one, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from recorded import NET, baseline, check, record, suite

TEST = """
@pytest.mark.parametrize("res", range(8, 12))
@budget(batch=1)
def test_net(res):
    return Net()
"""

RUNS = """
import contextlib, gc, io, json, os, random, signal, sys, time
import pytest
import pytest_modelbudget
from torch import nn

baseline, kills = sys.argv[1], int(sys.argv[2])
# What a run loads is loaded once, here: the rest is its own time.
pytest_modelbudget.measure(nn.Conv2d(3, 4, 1), res=8)
with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "empty"])
gc.freeze()  # pytest collects garbage ten times at its end, which takes long with torch loaded
whole = open(baseline, "rb").read()

class Slow:  # a slow disk, so that a kill can hit the middle of a write
    def __init__(self, ends):
        self.ends = ends

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self):
        os.write(self.ends, b"f")
        fsync = os.fsync
        os.fsync = lambda file: (time.sleep(0.02), fsync(file), time.sleep(0.02))
        return (yield)

def run():
    "A whole run in a process of its own, and where it says that it begins to finish."
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        os._exit(pytest.main(["-q", "-p", "no:cacheprovider", "--budget-update"], plugins=[Slow(write)]))
    os.close(write)
    return child, read

def wait(child, read):
    os.close(read)
    return os.waitpid(child, 0)[1]

began = time.monotonic()
child, read = run()
os.read(read, 1)
finishing = time.monotonic()
status = wait(child, read)
tail, head = time.monotonic() - finishing, finishing - began
print(json.dumps({"status": status, "changed": open(baseline, "rb").read() != whole}), flush=True)

chance, killed = random.Random(0), 0
while killed < kills:
    open(baseline, "wb").write(whole)
    child, read = run()
    if killed % 10:  # one in ten somewhere in the run, the others while it finishes
        os.read(read, 1)
        time.sleep(chance.uniform(0, tail))
    else:
        time.sleep(chance.uniform(0, head))
    os.kill(child, signal.SIGKILL)
    if wait(child, read) != signal.SIGKILL:
        continue  # it had ended just before
    left = [name for name in os.listdir() if name.startswith(".modelbudget-")]
    os.rename(baseline, f"found{killed}")
    print(json.dumps({"left": left}), flush=True)
    for name in left:
        os.unlink(name)
    killed += 1
"""


def killed(pytester: pytest.Pytester, times: int) -> Iterator[dict[str, object]]:
    script = pytester.path / "runs.py"
    pytester.mkdir("empty")
    script.write_text(RUNS)
    command = [sys.executable, str(script), str(baseline(pytester)), str(times)]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return map(json.loads, done.stdout.splitlines())


def test_a_run_killed_at_any_moment_leaves_the_old_baseline_or_the_new_one(pytester):
    """50 whole runs of pytest, each in a process of its own, which gets a SIGKILL at a random moment."""
    suite(pytester, TEST)
    record(pytester)
    old = baseline(pytester).read_bytes()
    suite(pytester, TEST, NET.replace("4, 10", "4, 20"))
    record(pytester)
    new = baseline(pytester).read_bytes()
    assert old != new
    baseline(pytester).write_bytes(old)

    alone, *runs = killed(pytester, 50)
    assert alone == {"status": 0, "changed": True}
    found = [(pytester.path / f"found{number}").read_bytes() for number in range(50)]
    assert set(found) == {old, new}  # both happen, and nothing else
    assert any(run["left"] for run in runs)  # some were killed in the middle of a write
    assert all(len(run["left"]) <= 1 for run in runs)

    baseline(pytester).write_bytes(old)
    assert check(pytester, "--budget-update").ret == 0  # what a killed run left is not in the way of the next
    assert baseline(pytester).read_bytes() == new
