"""Rows that repeat, written once: nothing is lost, the order is kept, and a report of many deep models stays small."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.judging.judge import judge
from pytest_modelbudget.report.formats.json import from_json, render
from pytest_modelbudget.report.formats.json_loops import folded, unfolded
from pytest_modelbudget.text.checks import Wrong
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.run import Report, ReportError


def rows(*names):
    return [{"name": name, "flops": len(name.partition(".")[2])} for name in names]


def layers(numbers, *parts):
    return [f"layers.{number}{part}" for number in numbers for part in ("", *parts)]


def test_layers_are_one_loop():
    found = folded(rows("", "layers", *layers(range(12), ".attn", ".mlp.0"), "head"))
    assert [row.get("name", (row.get("from"), row.get("to"))) for row in found] == ["", "layers", (0, 9), "layers.10",
        "layers.10.attn", "layers.10.mlp.0", "layers.11", "layers.11.attn", "layers.11.mlp.0", "head"]  # fmt: skip
    assert [row["name"] for row in found[2]["rows"]] == ["layers.*", "layers.*.attn", "layers.*.mlp.0"]


def test_backward_counts_down():
    (loop,) = folded(rows(*(f"{number}.x" for number in range(9, -1, -1))))
    assert (loop["from"], loop["to"], loop["rows"]) == (9, 0, [{"name": "*.x", "flops": 1}])


def test_few_repetitions_and_stars_are_left_as_they_are():
    for names in (layers(range(3), ".a"), [f"layers.{number}.*" for number in range(9)]):
        assert folded(rows(*names)) == rows(*names)


NAMES = st.lists(st.sampled_from(["", "a", "a.0", "a.1", "a.2", "a.3", "a.4", "*", "{0}", "01", "a.b"]), max_size=3)
BLOCKS = st.lists(st.tuples(NAMES, st.integers(0, 12), st.integers(0, 8), st.booleans()), max_size=5)


@given(BLOCKS)
def test_nothing_is_lost(blocks):
    names = [
        f"x.{number}.{name}".rstrip(".")
        for parts, begin, times, down in blocks
        for number in (range(begin + times, begin, -1) if down else range(begin, begin + times))
        for name in parts
    ]
    given_rows = [{"name": name, "attribute": name.rpartition(".")[2], "flops": 1} for name in names]
    found, places = unfolded(json.loads(json.dumps(folded(given_rows))), ("rows",))
    assert found == given_rows
    assert len(places) == len(given_rows)


@pytest.mark.parametrize(
    "loop",
    [
        {"from": 0, "to": 3, "rows": 7},
        {"from": -1, "to": 3, "rows": []},
        {"from": 0, "rows": []},
        {"from": 0, "to": 10**9, "rows": rows("x.*")},
        {"from": 0, "to": 3, "rows": [], "more": 1},
        {"from": 0, "to": 3, "rows": ["x"]},
    ],
)
def test_other_loops_are_refused(loop):
    with pytest.raises(Wrong):
        unfolded([loop], ())


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "out": nn.Sequential(nn.Linear(width, width))})
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        query, key, value = self.attn["qkv"](self.norm(x)).chunk(3, -1)
        x = x + self.attn["out"](nn.functional.scaled_dot_product_attention(query, key, value))
        return x + self.mlp(x)


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_two_hundred_entries_of_a_deep_transformer_stay_below_two_megabytes(mode):
    model = nn.Sequential(nn.Linear(8, 8), *(Block(8) for _ in range(24)), nn.Linear(8, 8))
    cost = measure(model, inputs=(2, 4, 8), mode=mode)
    entries = [f"tests/models/test_cost.py::test_transformer[{number}]" for number in range(200)]
    verdict = judge(cost, {"flops": cost.flops, "memory": cost.memory})
    report = Report.of([Result(name, name, "tests/models/test_cost.py", 7, "", cost, verdict) for name in entries])
    text = render(report)
    assert len(text) < 2_000_000
    assert from_json(text, "report.json") == report
    assert render(from_json(text, "report.json")) == text


def test_a_wrong_row_of_a_loop_is_named_with_its_line():
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(9)))
    cost = measure(model, inputs=(2, 8))
    report = Report.of([Result("a", "a", "t.py", 1, "", cost, judge(cost, {"flops": cost.flops}))])
    lines = render(report).splitlines()
    (number,) = [n for n, line in enumerate(lines) if '"name": "*"' in line]
    lines[number] = lines[number].replace('"kind": "Linear"', '"kind": 7')
    place = f"r.json:{number + 1}: results > 1 > cost > modules > 2 > rows > 1 > kind: 7"
    with pytest.raises(ReportError, match=re.escape(place)):
        from_json("\n".join(lines), "r.json")
