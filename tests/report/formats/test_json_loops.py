"""Rows that repeat, written once: nothing is lost, the order is kept, and a report of many deep models stays small."""

from __future__ import annotations

import json
import re

import pytest
import torchvision
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
    return [(name, len(name.partition(".")[2])) for name in names]


def layers(numbers, *parts):
    return [f"layers.{number}{part}" for number in numbers for part in ("", *parts)]


def test_layers_are_one_loop():
    found = folded(rows("", "layers", *layers(range(12), ".attn", ".mlp.0"), "head"))
    shown = [(row["from"], row["to"]) if isinstance(row, dict) else row[0] for row in found]
    assert shown == ["", "layers", (0, 9), *layers((10, 11), ".attn", ".mlp.0"), "head"]
    assert [name for name, _ in found[2]["rows"]] == ["layers.*", "layers.*.attn", "layers.*.mlp.0"]


def test_a_number_at_the_end_of_a_part():
    names = [f"encoder.layer_{number}{part}" for number in range(1, 8) for part in ("", ".ln_1", ".ln_2")]
    (loop,) = folded([(name, 5) for name in names])
    inner = ["encoder.layer_*", "encoder.layer_*.ln_1", "encoder.layer_*.ln_2"]
    assert loop == {"from": 1, "to": 7, "rows": [(name, 5) for name in inner]}


def test_backward_counts_down():
    (loop,) = folded(rows(*(f"{number}.x" for number in range(9, -1, -1))))
    assert loop == {"from": 9, "to": 0, "rows": [("*.x", 1)]}


def test_few_repetitions_and_stars_are_left_as_they_are():
    for names in (layers(range(3), ".a"), [f"layers.{number}.*" for number in range(9)]):
        assert folded(rows(*names)) == rows(*names)


def test_numbers_without_end_are_names():
    """Python refuses to read more than 4300 digits as a number."""
    names = ["9" * 5000 + str(number) for number in range(6)]
    (loop,) = folded([(name, 0) for name in names])
    assert [row for row, _ in unfolded(json.loads(json.dumps([loop])), ())] == [[name, 0] for name in names]


NAMES = st.lists(
    st.sampled_from(
        ["", "a", "a.0", "a.1", "a.2", "a.3", "a.4", "a1", "a2", "a_3.b", "a_4.b", "*", "{0}", "01", "\u0661"]
    ),
    max_size=3,
)
BLOCKS = st.lists(
    st.tuples(NAMES, st.integers(0, 12), st.integers(0, 8), st.booleans(), st.sampled_from(["x.", "x", "x.y_", "1"])),
    max_size=5,
)


@given(BLOCKS)
def test_nothing_is_lost(blocks):
    given_rows = [
        (f"{prefix}{number}.{name}".rstrip("."), 1)
        for parts, begin, times, down, prefix in blocks
        for number in (range(begin + times, begin, -1) if down else range(begin, begin + times))
        for name in parts
    ]
    found = list(unfolded(json.loads(json.dumps(folded(given_rows))), ("rows",)))
    assert [tuple(row) for row, _ in found] == given_rows


@pytest.mark.parametrize(
    "loop",
    [
        {"from": 0, "to": 3, "rows": 7},
        {"from": -1, "to": 3, "rows": []},
        {"from": 0, "rows": []},
        {"from": 0, "to": 10**9, "rows": [["x.*", 0]]},
        {"from": 0, "to": 3, "rows": [], "more": 1},
        {"from": 0, "to": 3, "rows": ["x"]},
        {"from": 0, "to": 3, "rows": [[]]},
    ],
)
def test_other_loops_are_refused(loop):
    with pytest.raises(Wrong):
        list(unfolded([loop], ()))


def two_hundred(costs):
    """A report of 200 entries, with the costs in turn."""
    results = []
    for number in range(200):
        name, cost = f"tests/models/test_cost.py::test_network[{number}]", costs[number % len(costs)]
        verdict = judge(cost, {"flops": cost.flops, "memory": cost.memory})
        results.append(Result(name, name, "tests/models/test_cost.py", 7, "", cost, verdict))
    return Report.of(results)


def check_small(report):
    text = render(report)
    assert len(text) < 2_000_000
    assert from_json(text, "report.json") == report


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("device", [{}, {"device": "A100"}], ids=["", "A100"])
@pytest.mark.parametrize("network", ["resnet50", "vit_l_16"])
def test_two_hundred_entries_of_a_real_network_stay_below_two_megabytes(network, device, mode):
    """Two operating points have the same modules, and share what they are: with one, costs might be shared, too."""
    build = getattr(torchvision.models, network)
    check_small(two_hundred([measure(build, batch=batch, res=224, mode=mode, **device) for batch in (2, 3)]))


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
    check_small(two_hundred([measure(model, inputs=(batch, 4, 8), mode=mode) for batch in (2, 3)]))


def test_entries_of_one_model_share_its_list():
    """What differs with the batch is a column: 6 times 4 multiply-adds for a sample, of 2 layers that are alike."""
    model = nn.Sequential(nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 6)))
    data = json.loads(render(two_hundred([measure(model, inputs=(batch, 4)) for batch in (1, 10)])))
    assert data["shared"]["modules"]["lists"] == [[["", 0, 0], ["0", 1, 1], ["1", 2, 2], ["1.0", 3, 3], ["1.1", 1, 1]]]
    costs = [result["cost"]["modules"]["costs"]["flops"] for result in data["results"][:2]]
    assert costs == [[72, 24, 48, 24], [720, 240, 480, 240]]


def test_a_wrong_row_of_a_loop_is_named_with_its_line():
    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(9)))
    cost = measure(model, inputs=(2, 8))
    report = Report.of([Result("a", "a", "t.py", 1, "", cost, judge(cost, {"flops": cost.flops}))])
    text = render(report)
    (line,) = [number for number, found in enumerate(text.splitlines(), 1) if '"rows": [["*"' in found]
    place = f'r.json:{line}: shared > modules > lists > 1 > 4 > rows > 1 > 3: "x" where a whole number'
    with pytest.raises(ReportError, match=re.escape(place)):
        from_json(text.replace('["*", 1, 2]', '["*", 1, "x"]'), "r.json")
