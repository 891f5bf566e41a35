"""Writes a limit again and again, killed at another place each time, until one write is through."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from killing import end

from pytest_modelbudget.sources.rewrite import Rewrite, write

OLD, NEW = b"f(flops=...)\n" * 1000, b'f(flops="1k")\n' * 1000


def main(folder: str) -> None:
    path = Path(folder, "test_cost.py")

    def work(killed: AbstractContextManager[None]) -> int:
        with killed:
            write(Rewrite(str(path), OLD, NEW))
        return 0

    code, at = -signal.SIGKILL, 0
    while code == -signal.SIGKILL:
        path.write_bytes(OLD)
        path.chmod(0o640)
        code, place = end(at, work)
        at += 1
        name = {OLD: "old", NEW: "new"}.get(path.read_bytes(), "broken")
        told = {"code": code, "place": place, "file": name, "mode": path.stat().st_mode & 0o777}
        sys.stdout.write(json.dumps(told) + "\n")


main(sys.argv[1])
