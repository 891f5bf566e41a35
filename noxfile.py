"""The test suite with releases of PyTorch, pytest and Python, one environment after another: ``make compat``.

Each environment is made, runs the suite but its zoos, and is removed. What came of it is a row of the page
docs/compatibility.md.
``make compat ROWS="torch-2.6.0 pytest-8.0"`` runs some rows, and leaves the others of the page as they are.
"""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import nox

PAGE = Path("docs/compatibility.md")
BEGIN, END = "<!-- rows -->", "<!-- end of rows -->"
SUITE = ("tests", "--ignore=tests/zoo", "--ignore=tests/ecosystem")
ABOUT_THE_REPOSITORY = "--ignore=tests/project"  # what it shows is of the newest versions

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = False


class Row(NamedTuple):
    """An environment: releases of PyTorch and of the torchvision that belongs to it, of pytest and of Python."""

    torch: str
    torchvision: str
    pytest: str = "9.2.0"
    python: str = "3.11"
    name: str = ""

    @property
    def session(self) -> str:
        """What the environment is called on the command line."""
        return self.name or f"torch-{self.torch}"


ROWS = (
    Row("2.6.0", "0.21.0"),
    Row("2.8.0", "0.23.0"),
    Row("2.10.0", "0.25.0"),
    Row("2.12.1", "0.27.1"),
    Row("2.13.0", "0.28.0"),
    Row("2.15.0", "0.29.2"),
    Row("2.13.0", "0.28.0", pytest="8.0.0", name="pytest-8.0"),
    Row("2.6.0", "0.21.0", pytest="8.0.0", python="3.10", name="lowest"),
    Row("2.15.0", "0.29.2", python="3.13", name="python-3.13"),
)


def run(session: nox.Session, row: Row) -> None:
    """Install a row, run the suite, note the outcome, and remove what was installed."""
    report = Path(session.create_tmp()).absolute() / "junit.xml"
    try:
        session.install(f"torch=={row.torch}", f"torchvision=={row.torchvision}")
        session.install(f"pytest=={row.pytest}", f"torch=={row.torch}", "--editable", ".[dev]")
        session.run(
            "python", "-m", "pytest", "-q", *SUITE, ABOUT_THE_REPOSITORY, f"--junitxml={report}", *session.posargs,
            success_codes=[0, 1], env={"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        note(row, report)
    finally:
        shutil.rmtree(session.virtualenv.location, ignore_errors=True)


for one in ROWS:
    nox.session(partial(run, row=one), name=one.session, python=one.python)


def outcome(report: Path) -> tuple[int, int, int]:
    """The tests of a JUnit report that passed, failed, and were skipped."""
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    tests, failed, skipped = 0, 0, 0
    for suite in suites:
        tests += int(suite.attrib["tests"])
        failed += int(suite.attrib["failures"]) + int(suite.attrib["errors"])
        skipped += int(suite.attrib["skipped"])
    return tests - failed - skipped, failed, skipped


def note(row: Row, report: Path, page: Path = PAGE) -> None:
    """Write the outcome of a row into the page, over that of an earlier run."""
    key = f"| {row.torch} | {row.torchvision} | {row.pytest} | {row.python} |"
    line = key + "".join(f" {number:,} |" for number in outcome(report))
    text = page.read_text(encoding="utf-8")
    before, rows, after = re.fullmatch(rf"(.*{BEGIN}\n)(.*)({END}.*)", text, re.DOTALL).groups()
    kept = [old for old in rows.splitlines() if not old.startswith(key)]
    head, body = kept[:2], [*kept[2:], line]
    order = {f"| {r.torch} | {r.torchvision} | {r.pytest} | {r.python} |": place for place, r in enumerate(ROWS)}
    body.sort(key=lambda old: next((place for start, place in order.items() if old.startswith(start)), -1))
    page.write_text(before + "\n".join([*head, *body]) + "\n" + after, encoding="utf-8")
