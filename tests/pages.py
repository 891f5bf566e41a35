"""Pages of the manual, played: their code blocks run from top to bottom in one folder, and print what they show.

A block with a title is a file of that name. Python without one runs as a script, after those above it. In a console,
lines that begin with ``$`` are commands and the others what they print, in order, ``...`` being anything. Comments are
above a block: ``<!-- fails -->`` where the last command of a console exits with 1, ``<!-- parsed -->`` where commands
are only parsed, ``<!-- shown -->`` where it is a part of something and does not run. What is a test file at the end of
a page passes. Commands of pytest and modelbudget run in this process.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from pytest_modelbudget.cli.command import command_line, main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"

EDGES = " =_"
"""What stands around a line that pytest prints: ``___ test_it ___``, ``=== 1 passed ===``."""

SHOWN = {"text", "yaml"}
"""Languages of blocks that are shown, and checked elsewhere where they are ours; all others run."""


class Block(NamedTuple):
    language: str
    title: str
    text: str
    line: int
    note: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(
        r"^(?:<!-- (?P<note>fails|parsed|shown) -->\n)?"
        r'```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n'
        r"(?P<text>.*?)^```$",
        text,
        re.MULTILINE | re.DOTALL,
    )
    return [
        Block(m["language"], m["title"] or "", m["text"], text[: m.start("text")].count("\n"), m["note"] or "")
        for m in found
    ]


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console, and the lines that each shows."""
    command, shown = "", []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    yield command, shown


def assert_shown(shown: list[str], printed: str) -> None:
    """Each line begins one that was printed, one after the other: the next one, but after ``...`` any."""
    lines = [line for each in printed.splitlines() if (line := each.strip(EDGES))]
    at, anywhere = 0, False
    for line in filter(None, (line.strip(EDGES) for line in shown)):
        if line == "...":
            anywhere = True
            continue
        begin = line.removesuffix(" ...").strip(EDGES)
        there = (
            n for n in range(at, len(lines) if anywhere else at + 1) if lines[n : n + 1] and lines[n].startswith(begin)
        )
        found = next(there, None)
        assert found is not None, f"{line!r} is not among what was printed:\n{printed}"
        at, anywhere = found + 1, False


class Page:
    """A page as it is played in an empty folder, which is the current one."""

    def __init__(self, page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._page, self._folder, self._capsys = page, folder, capsys
        self._names: dict[str, Any] = {"__name__": "page"}
        self._tested = True

    def play(self) -> None:
        """Run all blocks."""
        sys.path.insert(0, str(self._folder))
        try:
            for block in blocks(self._page):
                self._play(block)
            if not self._tested:
                self._run("pytest", fails=False)
        finally:
            sys.path.remove(str(self._folder))
            self._forget()

    def _play(self, block: Block) -> None:
        where = f"{self._page.name}, line {block.line}"
        if block.note == "shown":
            return
        if block.title:
            file = self._folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
            self._tested = self._tested and not file.name.startswith("test_")
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), self._names)
        elif block.language == "console":
            every = list(commands(block))
            for number, (command, shown) in enumerate(every):
                if block.note == "parsed":
                    assert_parsed(command)
                    continue
                fails = block.note == "fails" and number == len(every) - 1
                assert_shown(shown, self._run(command, fails))
        else:
            assert block.language in SHOWN, where

    def _run(self, command: str, fails: bool) -> str:
        """What a command prints."""
        tool, *arguments = shlex.split(command)
        if tool == "git":
            who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
            return subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True).stdout
        if tool not in ("pytest", "modelbudget"):
            assert_is_there(tool, arguments)
            return ""
        self._forget()
        self._capsys.readouterr()
        if tool == "pytest":
            code = int(pytest.main(["-p", "no:cacheprovider", *arguments]))
            self._tested = self._tested or not arguments
        else:
            code = main(arguments)
        printed = "".join(self._capsys.readouterr())
        assert code == int(fails), f"{command}\n{printed}"
        return printed

    def _forget(self) -> None:
        """A command loads the modules of this folder anew, as a new process does, and no others of such names."""
        here = {file.stem for file in self._folder.iterdir() if file.suffix == ".py" or file.is_dir()}
        for name, module in list(sys.modules.items()):
            file = vars(module).get("__file__") if isinstance(module, ModuleType) else None  # it may be a lazy module
            inside = str(file).startswith(str(self._folder))
            if inside or (name.partition(".")[0] in here - sys.stdlib_module_names):
                del sys.modules[name]


def assert_parsed(command: str) -> None:
    """The command has these arguments."""
    tool, *arguments = shlex.split(command)
    assert tool == "modelbudget", command
    command_line().parse_args(arguments)


def assert_is_there(tool: str, arguments: list[str]) -> None:
    """What a page installs is this, and what it makes is a target of the Makefile."""
    if tool == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    else:
        assert (tool, *arguments) == ("pip", "install", metadata("pytest-modelbudget")["Name"]), (tool, arguments)
