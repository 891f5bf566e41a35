"""Workflow commands: what GitHub reads of them, and the last one of more than it shows."""

from __future__ import annotations

from pytest_modelbudget.report.parts.annotations import Annotation, annotation_lines, command


def test_command() -> None:
    assert command("notice", {}, "100 %: a, b") == "::notice::100 %25: a, b"
    assert command("error", {"file": "a,b:c%.py"}, "one\ntwo") == "::error file=a%2Cb%3Ac%25.py::one%0Atwo"


def test_the_last_says_how_many_were_left_out() -> None:
    found = [Annotation("error", {"file": "t.py", "line": str(n)}, f"test_{n}", ["grew", "why"]) for n in (1, 2)]
    title = "title=Model budget%3A test_"
    assert annotation_lines(found, left_out=0, of="tests.") == [
        f"::error file=t.py,line=1,{title}1::grew%0Awhy",
        f"::error file=t.py,line=2,{title}2::grew%0Awhy",
    ]
    assert annotation_lines(found, left_out=3, of="tests.")[1] == (
        f"::error file=t.py,line=2,{title}2::grew%0Awhy%0A3 more tests."
    )
    assert annotation_lines([], left_out=3, of="tests.") == []
