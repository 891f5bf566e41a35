"""Writes a baseline again and again, killed at one place after the other until it survives, and says what is left.

``killed_writes FOLDER NEW [OLD]`` writes the baseline of NEW to FOLDER/modelbudget.json, where each time that of OLD
is, or nothing. It prints a line of JSON for each time: what the killed write left, and what the next one did.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from killing import end

from pytest_modelbudget.baseline.file import read, write
from pytest_modelbudget.baseline.schema import from_json


def main(folder: Path, new: Path, old: Path | None = None) -> None:
    path, baseline = folder / "modelbudget.json", from_json(new.read_bytes(), str(new))
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)

    def work(killed: AbstractContextManager[None]) -> int:
        with killed:
            write(path, baseline)
        return 0

    number, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        path.unlink(missing_ok=True)
        if old is not None:
            path.write_bytes(old.read_bytes())
        code, place = end(number, work)
        number += 1
        left = [file for file in folder.iterdir() if file != path]
        told = {
            "code": code,
            "place": place,
            "file": path.read_text() if path.exists() else None,
            "left": {file.name: file.read_text() for file in left},
        }
        opened.clear()
        read(path)
        write(path, baseline)
        following = {"file": path.read_text(), "opened what was left": not set(opened).isdisjoint(map(str, left))}
        sys.stdout.write(json.dumps({**told, "following": following}) + "\n")
        for file in left:
            file.unlink()


main(*map(Path, sys.argv[1:]))
