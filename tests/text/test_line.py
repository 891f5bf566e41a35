"""Texts of one line, and words that are listed in one."""

from __future__ import annotations

import pytest

from pytest_modelbudget.text.line import either


@pytest.mark.parametrize(("texts", "line"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_either(texts: list[str], line: str) -> None:
    assert either(texts) == line
