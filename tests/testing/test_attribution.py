"""Why a cost is not what its baseline says: the factors, and the modules, each by hand."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testing.recorded import BODY, HEAD, NET, PIXEL, STEM, check, edit, entries, only, record, results, said, suite
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.baseline.schema import entry_of
from pytest_modelbudget.judging.comparison import compare
from pytest_modelbudget.judging.growth import explain
from pytest_modelbudget.judging.judge import look
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.growth import Growth
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.result import Result

TEST = """
@budget(name="net", {arguments})
def test_net():
    return Net()
"""
EIGHT = TEST.format(arguments="batch=1, res=8")

WIDER = NET.replace("4, 8", "4, 16").replace("8, 4", "16, 4")
WIDER_BODY = 4 * 16 + 16 * 4
WIDER_PIXEL = STEM + WIDER_BODY + HEAD

TOKENS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 5)

    def forward(self, ids):
        return self.head(self.embed(ids))
"""
TOKEN = 4 * 5  # looking up an embedding is free, so is adding a bias to a product


def grown(pytester, before: tuple[str, str], after: tuple[str, str]) -> Result:
    """Record a test and its models, run another test with other models, and give what that measured."""
    suite(pytester, *before)
    record(pytester)
    suite(pytester, *after)
    return only(check(pytester))


def growth_of(result: Result, metric: str = "flops") -> Growth:
    """Why a metric that fails grew, whether it is the worst of them or not."""
    assert result.comparison.status == "changed"
    return next(one for one in (result.comparison.growth, *result.comparison.others) if one.metric == metric)


def factors(result: Result, metric: str = "flops") -> list[tuple[str, int, int, str, str]]:
    growth = growth_of(result, metric)
    assert prod(factor.ratio for factor in growth.factors) == Fraction(growth.after, growth.before)
    return [(f.name, f.before, f.after, f.was, f.now) for f in growth.factors]


def moved(result: Result, metric: str = "flops") -> list[tuple[str, str, str, int, int]]:
    changes = growth_of(result, metric).modules
    return [(c.status, c.was_name if c.status == "renamed" else "", c.name, c.before, c.after) for c in changes]


# -- factors -------------------------------------------------------------------------------------------------------

POINTS = {
    "architecture": (
        ("batch=1, res=8", NET),
        ("batch=1, res=8", WIDER),
        [("architecture", PIXEL * 64, WIDER_PIXEL * 64, "", "")],
    ),
    "batch": (
        ("batch=2, res=8", NET),
        ("batch=6, res=8", NET),
        [("architecture", 2 * PIXEL * 64, 2 * PIXEL * 64, "", ""),
         ("batch", 2 * PIXEL * 64, 6 * PIXEL * 64, "2", "6")],
    ),
    "resolution": (
        ("batch=1, res=8", NET),
        ("batch=1, res=(4, 32)", NET),
        [("architecture", PIXEL * 64, PIXEL * 64, "", ""),
         ("resolution", PIXEL * 64, PIXEL * 128, "8", "4x32")],
    ),
    "sequence": (
        ("batch=1, seq=7", TOKENS),
        ("batch=1, seq=21", TOKENS),
        [("architecture", TOKEN * 7, TOKEN * 7, "", ""),
         ("sequence", TOKEN * 7, TOKEN * 21, "7", "21")],
    ),
    "architecture, batch and resolution": (
        ("batch=1, res=8", NET),
        ("batch=3, res=16", WIDER),
        [("architecture", PIXEL * 64, WIDER_PIXEL * 64, "", ""),
         ("batch", WIDER_PIXEL * 64, 3 * WIDER_PIXEL * 64, "1", "3"),
         ("resolution", 3 * WIDER_PIXEL * 64, 3 * WIDER_PIXEL * 256, "8", "16")],
    ),
    "architecture, batch and sequence": (
        ("batch=4, seq=7", TOKENS),
        ("batch=2, seq=8", TOKENS.replace("4, 5", "4, 11")),
        [("architecture", 4 * 7 * 20, 4 * 7 * 44, "", ""),
         ("batch", 4 * 7 * 44, 2 * 7 * 44, "4", "2"),
         ("sequence", 2 * 7 * 44, 2 * 8 * 44, "7", "8")],
    ),
    "a batch that was not written": (
        ("res=8", NET),
        ("batch=5, res=8", NET),
        [("architecture", PIXEL * 64, PIXEL * 64, "", ""),
         ("batch", PIXEL * 64, 5 * PIXEL * 64, "1", "5")],
    ),
    "inputs that no operating point describes": (
        ("inputs=(1, 3, 8, 8)", NET),
        ("inputs=(1, 3, 8, 16)", NET),
        [("architecture and inputs", PIXEL * 64, PIXEL * 128, "float32 (1, 3, 8, 8)", "float32 (1, 3, 8, 16)")],
    ),
    "inputs that follow the operating point": (
        ("inputs=('batch', 3, 'seq', 2), batch=1, seq=8", NET),
        ("inputs=('batch', 3, 'seq', 2), batch=1, seq=24", NET),
        [("architecture", PIXEL * 16, PIXEL * 16, "", ""),
         ("sequence", PIXEL * 16, PIXEL * 48, "8", "24")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), POINTS.values(), ids=POINTS)
def test_each_factor_is_what_one_change_does_to_the_rest(pytester, before, after, expected):
    suites = [(TEST.format(arguments=arguments), models) for arguments, models in (before, after)]
    assert factors(grown(pytester, *suites)) == expected


def test_the_message_names_every_factor(pytester):
    """16 times the pixels and 180 instead of 116 multiply-adds at each: 24.83 in all."""
    suite(pytester, EIGHT)
    record(pytester)
    suite(pytester, TEST.format(arguments="batch=1, res=32"), WIDER)
    result = check(pytester)
    result.stdout.fnmatch_lines(
        [
            "above its baseline: flops 184 k, was 7.42 k (+2383 %, tolerance 0 %)  test_cost.py:7",
            "why    24.83x since the baseline = architecture 1.55x [*] batch 1.00x [*] resolution 16.00x (8 -> 32)",
            "what            module * flops was * is * difference",
            "       changed  body.0    Conv2d(4, 8, 1) -> Conv2d(4, 16, 1) * 2.05 k * 4.1* k * +2.05 k  models.py:9",
            "       changed  body.2    Conv2d(8, 4, 1) -> Conv2d(16, 4, 1) * 2.05 k * 4.1* k * +2.05 k  models.py:9",
            "       both counted at batch 1, res 8, infer",
        ]
    )
    said(result)


def test_other_metrics_are_explained_where_they_are_what_the_verdict_is_about(pytester):
    """Parameters do not depend on the batch; the worst of what is over its limit is explained."""
    after = TEST.format(arguments="batch=4, res=8, params=10, flops='1M'")
    result = grown(pytester, (EIGHT, NET), (after, WIDER))
    assert result.comparison.growth.metric == "params"
    assert factors(result, "params") == [
        ("architecture", PIXEL, WIDER_PIXEL, "", ""),
        ("batch", WIDER_PIXEL, WIDER_PIXEL, "1", "4"),
    ]
    assert moved(result, "params") == [
        ("changed", "", "body.0", 4 * 8, 4 * 16),
        ("changed", "", "body.2", 8 * 4, 16 * 4),
    ]


def test_a_metric_that_was_zero_has_no_ratio(pytester):
    """A model of an activation, to which a convolution is added: told in numbers, since no factor can tell it."""
    nothing = "from torch import nn\ndef Net(): return nn.Sequential(nn.ReLU())\n"
    something = "from torch import nn\ndef Net(): return nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1))\n"
    suite(pytester, EIGHT, nothing)
    record(pytester)
    suite(pytester, EIGHT, something)
    result = check(pytester)
    assert only(result).comparison.growth.factors[0].after == 3 * 4 * 64
    result.stdout.fnmatch_lines(["why    flops 0 -> 768 since the baseline = architecture 0 -> 768 [*] batch 1.00x*"])


# -- modules -------------------------------------------------------------------------------------------------------

BASE = """
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(4, 8, 1, bias=False)
        self.act = nn.ReLU()
        self.two = nn.Conv2d(8, 4, 1, bias=False)

    def forward(self, x):
        return self.two(self.act(self.one(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.body = Block()
        self.head = nn.Conv2d(4, 10, 1, bias=False)

    def forward(self, x):
        return self.head(self.body(self.pool(self.stem(x))))
"""
# At 8 x 8, where the pooling leaves 4 x 4: the stem 12 * 64, the block's convolutions 32 * 16 each, the head 40 * 16.
STEM_AT_8, ONE, TWO, HEAD_AT_4 = 12 * 64, 32 * 16, 32 * 16, 40 * 16
ALL = STEM_AT_8 + ONE + TWO + HEAD_AT_4

WRAPPED = """

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Plain()

    def forward(self, x):
        return self.inner(x)


Net = Wrapped
"""

MODULES = {
    "renamed": (
        [("self.stem", "self.start")],
        [("renamed", "stem", "start", STEM_AT_8, STEM_AT_8)],
    ),
    "a block renamed, which is told once": (
        [("self.body", "self.trunk")],
        [("renamed", "body", "trunk", ONE + TWO, ONE + TWO)],
    ),
    "renamed, and another added under its old name": (
        [("self.head = ", "self.last = "), ("self.head(", "self.last(self.head("), ("(x))))", "(x)))))"),
         ("        self.pool", "        self.head = nn.Conv2d(4, 4, 1, bias=False)\n        self.pool")],
        [("added", "", "last", 0, HEAD_AT_4), ("changed", "", "head", HEAD_AT_4, 16 * 16)],
    ),
    "added": (
        [("        self.pool", "        self.more = nn.Conv2d(4, 4, 1)\n        self.pool"),
         ("self.stem(x)", "self.more(self.stem(x))")],
        [("added", "", "more", 0, 16 * 64)],
    ),
    "added below": (
        [("        self.act", "        self.more = nn.Conv2d(8, 8, 1)\n        self.act"),
         ("self.one(x)", "self.more(self.one(x))")],
        [("added", "", "body.more", 0, 64 * 16)],
    ),
    "a block added, which is told once": (
        [("        self.pool", "        self.more = Block()\n        self.pool"),
         ("self.stem(x)", "self.more(self.stem(x))")],
        [("added", "", "more", 0, 2 * 32 * 64)],
    ),
    "removed": (
        [("        self.two = nn.Conv2d(8, 4, 1, bias=False)\n", ""), ("self.two(self.act(self.one(x)))",
         "self.act(self.one(x))[:, :4]")],
        [("removed", "", "body.two", TWO, 0)],
    ),
    "a block removed, which is told once": (
        [("        self.body = Block()\n", ""), ("self.body(self.pool(self.stem(x)))", "self.pool(self.stem(x))")],
        [("removed", "", "body", ONE + TWO, 0)],
    ),
    "replaced by another class": (
        [("self.body = Block()", "self.body = nn.Conv2d(4, 4, 1, bias=False)")],
        [("changed", "", "body", ONE + TWO, 16 * 16)],
    ),
    "another configuration": (
        [("self.two = nn.Conv2d(8, 4, 1, bias=False)", "self.two = nn.Conv2d(8, 4, 1, bias=False, groups=4)")],
        [("changed", "", "body.two", TWO, TWO // 4)],
    ),
    "a stride, and what comes after it": (
        [("self.two = nn.Conv2d(8, 4, 1, bias=False)", "self.two = nn.Conv2d(8, 4, 1, stride=2, bias=False)")],
        [("changed", "", "body.two", TWO, TWO // 4)],
    ),
    "a pooling that costs nothing, and what comes after it": (
        [("nn.MaxPool2d(2)", "nn.MaxPool2d(1)")],
        [("changed", "", "pool", 0, 0)],
    ),
    "an activation that costs nothing and changes no other": (
        [("nn.ReLU", "nn.GELU"), ("self.head = nn.Conv2d(4, 10", "self.head = nn.Conv2d(4, 11")],
        [("changed", "", "head", HEAD_AT_4, 44 * 16)],
    ),
    "nested: a convolution gives way to a block": (
        [("self.head = nn.Conv2d(4, 10, 1, bias=False)", "self.head = nn.Sequential(Block(), Block())")],
        [("changed", "", "head", HEAD_AT_4, 4 * 32 * 16)],
    ),
    "put into a new container": (
        [("self.body = Block()", "self.trunk = nn.Sequential(Block(), nn.Conv2d(4, 4, 1, bias=False))"),
         ("self.body(", "self.trunk(")],
        [("added", "", "trunk.1", 0, 16 * 16), ("renamed", "body", "trunk.0", ONE + TWO, ONE + TWO)],
    ),
    "taken out of its container": (
        [("self.body = Block()", "self.one = nn.Conv2d(4, 8, 1, bias=False)\n"
          "        self.two = nn.Conv2d(8, 4, 1, bias=False)"), ("self.body(", "self.two(self.one("),
         ("(x))))", "(x)))))")],
        [("renamed", "body.one", "one", ONE, ONE), ("renamed", "body.two", "two", TWO, TWO)],
    ),
    "the whole model in a wrapper": (
        [("class Net", "class Plain"), ("    return self.head(self.body(self.pool(self.stem(x))))",
         "    return self.head(self.body(self.pool(self.stem(x))))" + WRAPPED)],
        [("renamed", "stem", "inner.stem", STEM_AT_8, STEM_AT_8),
         ("renamed", "body", "inner.body", ONE + TWO, ONE + TWO),
         ("renamed", "head", "inner.head", HEAD_AT_4, HEAD_AT_4)],
    ),
    "work in a forward that no child does": (
        [("        return self.two(self.act(self.one(x)))",
          "        x = self.two(self.act(self.one(x))).flatten(2)\n"
          "        return scaled_dot_product_attention(x, x, x).unflatten(2, (4, 4))")],
        [("changed", "", "body", 0, 4 * 4 * (16 + 16))],
    ),
    "a module used twice": (
        [("self.body(self.pool", "self.body(self.body(self.pool"), ("(x))))", "(x)))))")],
        [("changed", "", "body", 0, 0)],
    ),
    "a module put in a second time under another name": (
        [("        self.head = nn", "        self.again = self.body\n        self.head = nn"),
         ("self.body(self.pool", "self.again(self.body(self.pool"), ("(x))))", "(x)))))")],
        [("changed", "", "body", 0, 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), MODULES.values(), ids=MODULES)
def test_the_modules_are_compared_where_the_baseline_was_counted(pytester, edits, expected):
    """The batch is another one, which shows in the total and in no module."""
    models = BASE
    for old, new in edits:
        assert old in models
        models = models.replace(old, new)
    result = grown(pytester, (EIGHT, BASE), (TEST.format(arguments="batch=7, res=8"), models))
    assert moved(result) == expected
    architecture, batch = factors(result)
    assert architecture[:2] == ("architecture", ALL)
    assert batch[1:] == (architecture[2], 7 * architecture[2], "1", "7")


def test_modules_of_one_kind_are_paired_by_their_last_name(pytester):
    """Three equal convolutions, listed in another order in the container they were put into."""
    names = ("a", "b", "c")
    made = "".join(f"        self.{name} = nn.Conv2d(3, 3, 1, bias=False)\n" for name in names)
    models = f"""
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
{made}
    def forward(self, x):
        return self.a(self.b(self.c(x)))
"""
    inner = models.replace("class Net", "class Inner").replace(made, "".join(reversed(made.splitlines(keepends=True))))
    outer = "\nclass Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(Inner())\n"
    result = grown(pytester, (EIGHT, models), (TEST.format(arguments="batch=2, res=8"), inner + outer))
    assert [c for c in moved(result) if c[0] == "renamed"] == [
        ("renamed", name, f"0.{name}", 9 * 64, 9 * 64) for name in reversed(names)
    ]


def test_unshared_weights_are_told_of_the_module_that_shared_them(pytester):
    """One block twice has its parameters once: its second name costs nothing more, until it is a block of its own."""
    shared = """
from torch import nn

def Net():
    block = nn.Conv2d(3, 3, 1, bias=False)
    return nn.Sequential(nn.Sequential(block, block), nn.Conv2d(3, 4, 1, bias=False))
"""
    apart = shared.replace("(block, block)", "(block, nn.Conv2d(3, 3, 1, bias=False))")
    test = TEST.format(arguments="batch=1, res=8, params=1")
    result = grown(pytester, (EIGHT, shared), (test, apart))
    assert factors(result, "params") == [("architecture", 9 + 12, 9 + 9 + 12, "", "")]
    first = growth_of(result, "params").modules[0]
    assert (first.name, first.times, first.before, first.after) == ("0.1", 1, 0, 9)
    assert first.what[0] == "no longer shares weights with 0"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "nn.MaxPool2d(2)",
            "nn.MaxPool2d(1)",
            "changed  pool * MaxPool2d(*=2*) -> MaxPool2d(*=1*) * same  models.py:*",
        ),
        ("= Block()", "= nn.Conv2d(4, 4, 1)", "changed  body * Block -> Conv2d(4, 4, 1) * -176 B  models.py:*"),
        ("self.stem", "self.go", "renamed  go (was stem) * Conv2d(3, 4, 1) *768 * 768 * same  models.py:*"),
        ("(4, 10, 1", "(4, 10, 3", "changed  head * Conv2d(4, 10, 1) -> Conv2d(4, 10, 3) * 40 * 360 * +320  *"),
        ("class Net(nn.Module):", "class Net2(nn.Module):", "changed  the model * Net -> Net2 * same  models.py:*"),
    ],
)
def test_a_line_says_what_it_was_and_is(pytester, old, new, line):
    """The metric that grew most is told: memory, of which the block kept two weights of 32 and the convolution keeps
    16 + 4, or parameters, of which a 3x3 head has 9 * 40. The source is the new line.
    """
    models = BASE.replace(old, new) + "\nif 'Net' not in globals():\n    Net = Net2\n"
    suite(pytester, EIGHT, BASE)
    record(pytester)
    suite(pytester, TEST.format(arguments="batch=2, res=8"), models)
    result = check(pytester)
    result.stdout.fnmatch_lines([f"*{line}"])
    what = next(text for text in result.outlines if text.strip("what ").startswith(line.split(" *")[0]))
    text = models.splitlines()[int(what.rpartition(":")[2]) - 1]
    assert new in text or new.lstrip("= ") in text
    said(result)


def test_more_modules_than_fit_are_counted(pytester):
    models = """
from torch import nn

def Net():
    return nn.Sequential(*(nn.Conv2d(3, 3, 2 * i + 1, padding=i) for i in range({})))
"""
    suite(pytester, EIGHT, models.format(1))
    record(pytester)
    suite(pytester, EIGHT, models.format(9))
    result = check(pytester)
    result.stdout.fnmatch_lines(["what   *", "*added  8 * Conv2d(3, 3, 17) *", "*added  4 *", "       and 3 more"])
    assert len(only(result).comparison.growth.modules) == 8
    check(pytester, "-vv").stdout.fnmatch_lines(["*added  1 * Conv2d(3, 3, 3) *"])


# -- models that are built for their resolution ----------------------------------------------------------------------

VIT = """
import pytest
import torch
from torch import nn


class Vit(nn.Module):
    def __init__(self, res, width=8):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, stride=4, bias=False)
        self.position = nn.Parameter(torch.zeros(1, (res // 4) ** 2, width))
        self.head = nn.Linear(width, 5, bias=False)

    def forward(self, image):
        tokens = self.patch(image).flatten(2).transpose(1, 2) + self.position
        return self.head(tokens @ tokens.transpose(1, 2) @ tokens)
"""


def vit(res: int, width: int = 8) -> int:
    """For each of its tokens: a patch of 4 x 4 x 3, two products with all the tokens, and the head."""
    tokens = (res // 4) ** 2
    return tokens * (width * 48 + 2 * tokens * width + width * 5)


FACTORIES = {
    "the test takes res, which is a parameter": """
        @pytest.mark.parametrize("res", [{res}], ids=["r"])
        @budget(name="vit", batch=1)
        def test_vit(res):
            return Vit(res, width={width})
    """,
    "the test takes res, which is a fixture": """
        @pytest.fixture
        def res():
            return {res}

        @budget(name="vit", batch=1)
        def test_vit(res):
            return Vit(res, width={width})
    """,
    "the test takes res as height and width": """
        @pytest.mark.parametrize("res", [({res}, {res})], ids=["r"])
        @budget(name="vit", batch=1)
        def test_vit(res):
            height, width = res
            assert height == width
            return Vit(height, width={width})
    """,
    "model= is a factory that asks for res": """
        def make(res):
            return Vit(res, width={width})

        @budget(name="vit", model=make, batch=1, res={res})
        def test_vit(): ...
    """,
    "a fixture gives the factory": """
        @pytest.fixture
        def make():
            return lambda res: Vit(res, width={width})

        @budget(name="vit", model="make", batch=1, res={res})
        def test_vit(): ...
    """,
    "the fixture of the test measures a factory": """
        def test_vit(model_cost):
            model_cost(lambda res: Vit(res, width={width}), name="vit", batch=1, res={res})
    """,
}


@pytest.mark.parametrize("test", FACTORIES.values(), ids=FACTORIES)
def test_a_model_made_for_its_resolution_is_made_again_for_the_old_one(pytester, test):
    result = grown(pytester, (test.format(res=16, width=8), VIT), (test.format(res=32, width=12), VIT))
    assert factors(result) == [
        ("architecture", vit(16), vit(16, 12), "", ""),
        ("resolution", vit(16, 12), vit(32, 12), "16", "32"),
    ]
    tokens = 16
    assert moved(result) == [
        ("changed", "", "patch", tokens * 8 * 48, tokens * 12 * 48),
        ("changed", "", "", 2 * tokens**2 * 8, 2 * tokens**2 * 12),  # the products in its own forward
        ("changed", "", "head", tokens * 8 * 5, tokens * 12 * 5),  # as much more as it is given more
    ]


def test_a_fixture_that_the_test_does_not_take_is_not_given_to_it(pytester):
    """``res`` reaches the test through another fixture: it gives the point, and the model must run at the old one."""
    test = """
        @pytest.fixture
        def res():
            return {res}

        @pytest.fixture
        def width(res):
            return 10

        @budget(name="net", batch=1)
        def test_net(width):
            return nn.Conv2d(3, width, 1, bias=False)
    """
    result = grown(pytester, (test.format(res=8), NET), (test.format(res=16), NET))
    assert factors(result) == [("architecture", 30 * 64, 30 * 64, "", ""), ("resolution", 30 * 64, 30 * 256, "8", "16")]


def test_a_model_that_refuses_the_old_resolution_is_not_explained_wrongly(pytester):
    """A fixture made it before the test began: nobody can make it again. Not a word of what the factors may be."""
    test = """
        @pytest.fixture
        def vit():
            return Vit({res})

        @budget(name="vit", batch=1, res={res})
        def test_vit(vit): ...
    """
    suite(pytester, test.format(res=16), VIT)
    record(pytester)
    suite(pytester, test.format(res=32), VIT)
    result = check(pytester)
    growth = only(result).comparison.growth
    assert (growth.before, growth.after, growth.factors, growth.modules) == (vit(16), vit(32), (), ())
    result.stdout.fnmatch_lines(
        [
            "why    8.52x since the baseline",  # 92672 / 10880
            "       The model as it is now cannot be counted at batch 1, res 16, infer: "
            "The model raised RuntimeError: *",
        ]
    )
    said(result)


# -- what is not the model's doing -------------------------------------------------------------------------------------


def test_another_convention_is_not_comparable(pytester):
    suite(pytester, EIGHT)
    record(pytester)
    pytester.makeini("[pytest]\nbudget_flops = torch\n")
    result = check(pytester)
    assert only(result).comparison.status == "not comparable"
    assert not only(result).verdict.regressed
    result.stdout.fnmatch_lines(
        [
            "not comparable with its baseline *test_cost.py:7",
            "    Accept the numbers of this run with: pytest --budget-update",
            "why    not comparable: counted in the convention fvcore before, torch now",
        ]
    )


@pytest.mark.parametrize("flops", [1, 10**9])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"convention": "torch"}, "counted in the convention torch before, fvcore now"),
        ({"counter": "fvcore"}, "counted by the counter fvcore before, aten now"),
        (
            {"plugin_version": "0.0.1", "torch_version": "2.4.0"},
            "the model is the same, the counting is not: pytest-modelbudget 0.0.1 and torch 2.4.0 before, "
            "pytest-modelbudget ",
        ),
        ({"module": "body"}, "counted for the module body before, the whole model now"),
    ],
)
def test_what_was_counted_otherwise_is_not_comparable(pytester, flops, changed, reason):
    """Whether more or less is recorded than is measured: nothing regressed, nothing can be tightened."""
    suite(pytester, EIGHT)
    record(pytester)
    if "module" in changed:  # the rows of a baseline begin with what it is about
        body = tuple(row for row in entries(pytester)["net"].modules if row.name.startswith("body"))
        changed = {**changed, "modules": body}
    edit(pytester, "net", flops=flops, **changed)
    result = check(pytester)
    comparison = only(result).comparison
    assert (comparison.status, comparison.growth) == ("not comparable", None)
    assert comparison.reason.startswith(reason)
    assert result.parseoutcomes() == {"failed": 1}
    assert "above its baseline" not in said(result)
    assert "tighter" not in said(result)

    suite(pytester, TEST.format(arguments="batch=1, res=8, flops='1M'"))  # a limit is what judges, the rest is told
    result = check(pytester)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["net *not comparable", f"net: not comparable: {reason}*"])


def test_another_version_that_counts_the_same_is_the_same(pytester):
    suite(pytester, EIGHT)
    record(pytester)
    edit(pytester, "net", plugin_version="0.0.1", torch_version="2.4.0")
    result = check(pytester)
    assert result.ret == 0
    assert only(result).comparison.status == "same"


def test_a_version_that_counts_otherwise_is_a_factor_of_its_own(pytester):
    """100 were recorded for what is 116 multiply-adds at each pixel now, in the same model: not the architecture."""
    suite(pytester, EIGHT)
    record(pytester)
    edit(pytester, "net", flops=100 * 64, torch_version="2.4.0")
    suite(pytester, TEST.format(arguments="batch=3, res=8"))
    result = check(pytester)
    counting, batch = factors(only(result))
    assert counting[:3] == ("counting", 100 * 64, PIXEL * 64)
    assert "torch 2.4.0" in counting[3]
    assert batch == ("batch", PIXEL * 64, 3 * PIXEL * 64, "1", "3")
    result.stdout.fnmatch_lines(
        ["why    3.48x since the baseline = counting 1.16x (*torch 2.4.0 -> *) [*] batch 3.00x*"]
    )


def test_a_version_and_a_model_that_changed_together_are_said_to_be_inseparable(pytester):
    suite(pytester, EIGHT)
    record(pytester)
    edit(pytester, "net", torch_version="2.4.0")
    suite(pytester, EIGHT, WIDER)
    result = check(pytester)
    assert factors(only(result)) == [("architecture", PIXEL * 64, WIDER_PIXEL * 64, "", "")]
    result.stdout.fnmatch_lines(["       The baseline was counted with *torch 2.4.0, this run with *: part of the *"])


# -- entries -------------------------------------------------------------------------------------------------------


def test_a_new_entry_is_new_and_has_not_grown(pytester):
    suite(pytester, EIGHT)
    record(pytester)
    suite(pytester, EIGHT + TEST.format(arguments="res=8, flops='1M'").replace("net", "nut"))
    result = check(pytester)
    comparison = results(result)["nut"].comparison
    assert (comparison.status, comparison.growth) == ("new", None)
    assert result.parseoutcomes() == {"passed": 2}
    result.stdout.fnmatch_lines(["nut  *  new"])
    assert "+100 %" not in said(result)


def test_a_submodule_is_compared_by_its_own_totals_and_modules(pytester):
    """The head grows, too, but this budget is about the body."""
    test = TEST.format(arguments="batch=2, res=8, module='body'")
    models = WIDER.replace("4, 10", "4, 100")
    result = grown(pytester, (test.replace("batch=2", "batch=1"), NET), (test, models))
    assert factors(result) == [
        ("architecture", BODY * 64, WIDER_BODY * 64, "", ""),
        ("batch", WIDER_BODY * 64, 2 * WIDER_BODY * 64, "1", "2"),
    ]
    assert moved(result) == [
        ("changed", "", "body.0", 32 * 64, 64 * 64),
        ("changed", "", "body.2", 32 * 64, 64 * 64),
    ]


def test_a_submodule_that_is_gone_is_named(pytester):
    test = TEST.format(arguments="batch=1, res=8, module='body'")
    suite(pytester, test)
    record(pytester)
    suite(pytester, test, NET.replace("body", "trunk"))
    result = check(pytester)
    assert result.parseoutcomes() == {"failed": 1}
    assert "module='body' is not in the model. Its modules: stem, trunk, head." in said(result)


def test_every_operating_point_of_a_test_has_its_own_baseline(pytester):
    test = (
        '@budget(batch=1, res=8)\n@budget(batch=4, res=8)\n@budget(name="big", batch=1, res=64)\n'
        + EIGHT[EIGHT.index("def") :]
    )
    suite(pytester, test)
    record(pytester)
    suite(pytester, test, WIDER)
    result = check(pytester)
    assert {name: factors(one)[0][1:3] for name, one in results(result).items()} == {
        "test_cost.py::test_net @ batch 1, res 8, infer": (PIXEL * 64, WIDER_PIXEL * 64),
        "test_cost.py::test_net @ batch 4, res 8, infer": (4 * PIXEL * 64, 4 * WIDER_PIXEL * 64),
        "big": (PIXEL * 4096, WIDER_PIXEL * 4096),
    }


# -- any model at all --------------------------------------------------------------------------------------------------


@st.composite
def nets(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Convolutions in a row: their output channels, the side of their kernel, their stride."""
    sizes = st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 2))
    return draw(st.lists(sizes, min_size=1, max_size=4))


points = st.builds(
    OperatingPoint,
    batch=st.integers(1, 5),
    res=st.tuples(st.integers(40, 60), st.integers(40, 60)),  # large enough that something is left of them
)


def build(net: list[tuple[int, int, int]]) -> nn.Module:
    layers, channels = [], 3
    for out, kernel, stride in net:
        layers.append(nn.Conv2d(channels, out, kernel, stride, bias=False))
        channels = out
    return nn.Sequential(*layers)


def by_hand(net: list[tuple[int, int, int]], point: OperatingPoint) -> int:
    total, channels, sides = 0, 3, list(point.res)
    for out, kernel, stride in net:
        sides = [(side - kernel) // stride + 1 for side in sides]
        total += point.batch * out * channels * kernel**2 * prod(sides)
        channels = out
    return total


def recorded(net: list[tuple[int, int, int]], point: OperatingPoint) -> Entry:
    cost = measure(build(net), batch=point.batch, res=point.res)
    return entry_of(Result("net", "test_cost.py::test_net", "test_cost.py", 1, "", cost, look(cost)))


@settings(max_examples=60)
@given(before=nets(), after=nets(), old=points, new=points)
def test_factors_multiply_to_the_total_for_any_change_of_any_net(before, after, old, new):
    entry, model = recorded(before, old), build(after)
    cost = measure(model, batch=new.batch, res=new.res)
    assert (entry.totals["flops"], cost.flops) == (by_hand(before, old), by_hand(after, new))
    status = compare(entry, Entry.of(cost, "net")).status
    assert status in ("same", "changed")

    (growth,) = explain(cost, entry, lambda point: measure(model, batch=point.batch, res=point.res), ["flops"])
    assert prod(factor.ratio for factor in growth.factors) == Fraction(cost.flops, entry.totals["flops"])
    by_name = {factor.name: (factor.before, factor.after) for factor in growth.factors}
    assert by_name.pop("architecture") == (by_hand(before, old), by_hand(after, old))
    batch = OperatingPoint(batch=new.batch, res=old.res)
    expected = {}
    if old.batch != new.batch:
        expected["batch"] = (by_hand(after, old), by_hand(after, batch))
    if old.res != new.res:
        expected["resolution"] = (by_hand(after, batch), by_hand(after, new))
    assert by_name == expected
    told = sum(change.after - change.before for change in growth.modules)
    if growth.follows is not None:
        told += growth.follows.after - growth.follows.before
    assert told == by_hand(after, old) - by_hand(before, old)
    if growth.modules and before[0] == after[0]:  # what changed nothing itself is in no row
        assert growth.modules[0].name != "0"
