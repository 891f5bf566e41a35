"""``docs/targets.md`` names every prefix, and its example of one works."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from pytest_modelbudget.targets.find import FORMS
from pytest_modelbudget.targets.found import FoundTarget
from pytest_modelbudget.targets.prefixes import GROUP, PREFIXES

PAGE = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")


def test_every_prefix_is_in_the_table_and_in_messages():
    assert set(re.findall(r"^\| `(\w+):", PAGE, re.MULTILINE)) == set(PREFIXES)
    assert set(re.findall(r"(?<![\w.])(\w+):(?!factory)", FORMS)) == set(PREFIXES)


def test_the_prefix_of_ones_own():
    names = {"Small": lambda width: nn.Embedding(10, width)}
    exec(compile(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], "targets.md", "exec"), names)
    found = names["find"]("small", width=32)
    assert isinstance(found, FoundTarget)
    assert found.usual({"batch": 2}) == {"seq": 128, "inputs": found.inputs}
    assert f'entry-points."{GROUP}"' in PAGE
