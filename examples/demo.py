"""Runs the gate twice: on budgets that hold, and on one that does not. Succeeds only if the second is stopped."""

import subprocess
import sys
from pathlib import Path

GATE = Path(__file__).parent / "gate"
STOPPED = 1  # pytest's exit code for failed tests; any other says that something else went wrong


def run(file: str) -> int:
    """Run one test file in a process of its own and return pytest's exit code."""
    print(f"\n$ pytest {file}", flush=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(GATE), str(GATE / file)]
    return subprocess.run(command, cwd=GATE, check=False).returncode


def main() -> int:
    passed = run("test_costs.py")
    stopped = run("test_too_expensive.py")
    print(f"\nwithin budget: exit code {passed}, want 0\nover budget:   exit code {stopped}, want {STOPPED}")
    return 0 if (passed, stopped) == (0, STOPPED) else 1


if __name__ == "__main__":
    sys.exit(main())
