"""The table a run ends with: when it is shown, that its numbers can be pasted back, and that they add up."""

from __future__ import annotations

import re

import pytest
from suites import measured, outcomes, run

from pytest_modelbudget.text.line import one_line
from pytest_modelbudget.text.tables import plain_table
from pytest_modelbudget.values.cost_table import module_table
from pytest_modelbudget.values.metrics import parse_limit

NET = """
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.scale = nn.Parameter(nn.init.ones_(__import__("torch").empty(width, 1, 1)))

    def forward(self, image):
        return (self.conv(image).flatten(2).transpose(1, 2) @ self.scale[:, :, 0]).sum(-1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleDict({"left": Block(8), "right": Block(8)})

    def forward(self, image):
        image = self.stem(image)
        return self.blocks["left"](image) + self.blocks["right"](image)
"""

SUITE = (
    NET
    + """
@budget(model=Net, flops="2M", params="1k", res=32)
def test_over(): ...

@budget(model=Net, flops="2M", params="2k", res=32)
def test_within(): ...

def test_unmarked(): ...
"""
)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """One that has room for the table; on a narrow one entries have lines of their own."""
    monkeypatch.setenv("COLUMNS", "200")


def section(result):
    """The lines of our section."""
    lines = result.outlines
    start = next((i for i, line in enumerate(lines) if re.fullmatch("=+ model budgets =+", line)), None)
    if start is None:
        return []
    end = next(i for i, line in enumerate(lines) if i > start and re.fullmatch("=+ .* =+", line))
    return lines[start + 1 : end]


def columns(line):
    return re.split(r"  +", line.strip())


def test_it_has_a_row_for_each_entry(pytester):
    """FLOPs: the stem 8 * 27 * 1024, and twice a convolution of 8 * 72 * 1024 and a product of 8 * 1024.

    Parameters: the stem 8 * 27 + 8, and twice 8 * 72 + 8 and 8.
    """
    flops = 8 * 27 * 1024 + 2 * (8 * 72 * 1024 + 8 * 1024)
    params = 8 * 27 + 8 + 2 * (8 * 72 + 8 + 8)
    result = run(pytester, SUITE)
    assert outcomes(result) == {"passed": 2, "failed": 1}
    assert measured(result) == [flops, flops] == [1417216, 1417216]
    assert measured(result, "params") == [params, params] == [1408, 1408]
    header, over, within, *rest = section(result)
    assert columns(header)[:4] == ["entry", "operating point", "FLOPs", "params"]
    point = "batch 1, res 32, infer"
    assert columns(over)[:4] == ["test_cost.py::test_over", point, "1.42 M of 2 M, 71 %", "1.41 k of 1 k, 141 %"]
    assert columns(within)[:4] == ["test_cost.py::test_within", point, "1.42 M of 2 M, 71 %", "1.41 k of 2 k, 70 %"]
    assert rest == ["", "FLOPs as fvcore counts them: 1 multiply-add = 1."]


@pytest.mark.parametrize(("option", "shown"), [("-q", False), ("-qq", False), ("-v", True)])
def test_when_it_is_shown(pytester, option, shown):
    assert bool(section(run(pytester, SUITE, option))) is shown


def test_it_is_not_there_without_budgets(pytester):
    assert section(run(pytester, "def test_it(): ...")) == []


def test_metrics_with_limits_get_columns(pytester):
    source = """
        @budget(model=Pixels, activations="1k", res=8)
        def test_a(): ...

        @budget(model=Pixels, weights="1 KiB", flops="1M", res=8)
        def test_b(): ...
    """
    header, a, b, *_ = section(run(pytester, source))
    assert columns(header)[2:6] == ["FLOPs", "params", "activations", "weights"]
    assert columns(a)[2:6] == ["768", "12", "256 of 1 k, 26 %", "48 B"]
    assert columns(b)[2:6] == ["768 of 1 M, 0 %", "12", "256", "48 B of 1 KiB, 5 %"]


@pytest.mark.parametrize("width", [80, 60])
def test_it_fits_a_narrow_terminal(pytester, monkeypatch, width):
    """Nothing is lost: each entry has its name, how it stands, its point, and every metric of the table."""
    monkeypatch.setenv("COLUMNS", str(width))
    source = """
        @pytest.mark.parametrize("name", [pytest.param(1, id="short"), pytest.param(2, id="long" * 30)])
        @budget(model=Pixels, activations="1k", weights="1 KiB", flops="1M", memory="1MiB", res=8)
        def test_a(name): ...

        @budget(model=Pixels, params="1", res=8)
        def test_b(): ...
    """
    lines = section(run(pytester, source))
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= width
    assert "test_cost.py::test_a[short] within budget" in text
    assert "test_cost.py::test_b over budget" in text
    metrics = "FLOPs 768 of 1 M (0 %), params 12, activations 256 of 1 k (26 %), weights 48 B of 1 KiB (5 %), memory"
    assert text.count(f"batch 1, res 8, infer: {metrics}") == 2
    assert "params 12 of 1 (1200 %)" in text
    assert "longlong" in text


def tables(result):
    """The module tables under ``-v``: for each, its rows as (indentation, label, class, numbers...)."""
    found, rows = [], None
    for line in section(result):
        if line.startswith("module "):
            rows = []
            found.append(rows)
        elif not line.strip():
            rows = None
        elif rows is not None:
            rows.append((len(line) - len(line.lstrip(" ")), *columns(line)))
    return found


def test_module_tables_are_shown_under_v_with_two_levels(pytester):
    """Shares of 1417216: the stem 221184, the blocks 1196032, each of them 598016."""
    first, second = tables(run(pytester, SUITE, "-v"))
    assert first == second
    assert first == [
        (0, "Net", "Net", "1.42 M", "1.41 k", "26.6 k", "100 %"),
        (2, "stem", "Conv2d", "221 k", "224", "8.19 k", "16 %"),
        (2, "blocks", "ModuleDict", "1.20 M", "1.18 k", "18.4 k", "84 %"),
        (4, "left", "Block", "598 k", "592", "9.22 k", "42 %"),
        (4, "right", "Block", "598 k", "592", "9.22 k", "42 %"),
    ]


def test_all_levels_are_shown_under_vv(pytester):
    labels = [(indent, label) for indent, label, *_ in tables(run(pytester, SUITE, "-vv"))[0]]
    block = [(6, "conv")]
    assert labels == [(0, "Net"), (2, "stem"), (2, "blocks"), (4, "left"), *block, (4, "right"), *block]


def test_numbers_can_be_pasted_back(pytester):
    """Each cell is read by the parser of limits, and is what was measured but for rounding to three digits."""
    result = run(pytester, SUITE, "-vv")
    metrics = ("flops", "params", "activations")
    parsed = [[parse_limit(text, m) for m, text in zip(metrics, row[3:6], strict=True)] for row in tables(result)[0]]
    assert len(parsed) == 7
    assert parsed[0] == pytest.approx([1417216, 1408, 3 * 8 * 1024 + 2 * 1024], rel=0.005)
    assert parsed[1] == pytest.approx([8 * 27 * 1024, 8 * 27 + 8, 8 * 1024], rel=0.005)
    used, limit = re.fullmatch(r"(.*) of (.*), 141 %", columns(section(result)[1])[3]).groups()
    assert (parse_limit(used, "params"), parse_limit(limit, "params")) == (1410, 1000)


def test_columns_add_up(pytester):
    """A module's numbers are its children's and its own: a block's own are the product, and the parameter in it."""
    source = (
        NET
        + """
def test_it(model_cost):
    rows = model_cost(Net, batch=1, res=32).by_module()
    own = {"flops": 8 * 1024, "macs": 8 * 1024, "params": 8, "trainable_params": 8, "activations": 1024, "weights": 32}
    for metric, number in own.items():
        value = {name: getattr(row, metric) for name, row in rows.items()}
        assert value[""] == value["stem"] + value["blocks"], metric
        assert value["blocks"] == value["blocks.left"] + value["blocks.right"], metric
        for block in ("blocks.left", "blocks.right"):
            assert value[block] == value[f"{block}.conv"] + number, metric
"""
    )
    assert outcomes(run(pytester, source)) == {"passed": 1}


def test_names_are_shown_on_one_line_and_inert(pytester):
    source = """
        @budget(model=Pixels, flops="1M", res=8, name="a\\x1b[31m\\nb \\u202e c")
        def test_it(): ...
    """
    assert columns(section(run(pytester, source))[1])[0] == r"a\x1b[31m\nb \u202e c"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("test_cost.py::test_it[é 日本 🚀]", "test_cost.py::test_it[é 日本 🚀]"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\ud800", r"\ud800"),
        ("\x00\x7f", r"\x00\x7f"),
        ("a\u00a0b", r"a\xa0b"),
    ],
)
def test_one_line(text, shown):
    assert one_line(text) == shown


def test_a_table_keeps_texts_as_they_are():
    """Numbers are not read as numbers, empty cells stay, and no line ends in blanks."""
    rows = [["a", "1.50", ""], ["bb", "10", "x"]]
    assert plain_table(rows, right=(1,)) == "a   1.50\nbb    10  x"
    assert plain_table([], ["head", "tail"]).split() == ["head", "tail"]


def test_module_table_of_a_cost(pytester):
    """The same table as under ``-v``, from ``Cost.table``."""
    from torch import nn

    from pytest_modelbudget import measure

    cost = measure(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU()), batch=1, res=8)
    assert cost.table() == module_table(cost.modules)
    header, *rows = cost.table(depth=1).splitlines()
    assert columns(header) == ["module", "class", "FLOPs", "params", "activations", "share"]
    assert [columns(row) for row in rows] == [
        ["Sequential", "Sequential", "768", "12", "256", "100 %"],
        ["0", "Conv2d", "768", "12", "256", "100 %"],
        ["1", "ReLU", "0", "0", "0", "0 %"],
    ]
    assert len(cost.table(depth=0).splitlines()) == 2
