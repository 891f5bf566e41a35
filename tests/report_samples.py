"""Results with round numbers, made by hand, that every report format is tested with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_modelbudget.values.cost import Cost, ModuleCost
from pytest_modelbudget.values.growth import Comparison, Factor, Growth, ModuleChange
from pytest_modelbudget.values.point import OperatingPoint, operating_point
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.rows import ModuleRow, rows_of
from pytest_modelbudget.values.run import Report
from pytest_modelbudget.values.verdict import Judged, Regressed, Verdict

K, M, G = 10**3, 10**6, 10**9


def module(name: str, kind: str, flops: int, params: int, config: str = "", activations: int = 0) -> ModuleCost:
    """A module; multiply-adds are its FLOPs, a parameter is 4 bytes."""
    return ModuleCost(name, kind, flops, flops, params, params, activations, 4 * params, 1, config)


def cost(point: OperatingPoint, model: str, *modules: ModuleCost, **changed: Any) -> Cost:
    """A cost whose totals are those of its first module."""
    top = modules[0]
    made = Cost(
        flops=top.flops,
        macs=top.macs,
        params=top.params,
        trainable_params=top.trainable_params,
        activations=top.activations,
        weights=top.weights,
        memory=None,
        point=point,
        inputs="",
        convention="fvcore",
        counter="aten",
        executed="meta",
        torch_version="2.9.0",
        model=model,
        modules={row.name: row for row in modules},
        operators={"aten.convolution": top.flops},
    )
    return replace(made, **changed)


def rows(*modules: ModuleCost) -> tuple[ModuleRow, ...]:
    """Modules as the baseline keeps them: each without what is below it."""
    return rows_of({row.name: row for row in modules}, modules[0].name)


def verdict(cost: Cost, limits: dict[str, int] | None = None, **more: Any) -> Verdict:
    """The metrics of a cost with these limits."""
    metrics = ("flops", "macs", "params", "trainable_params", "activations", "weights")
    judged = tuple(Judged(metric, getattr(cost, metric), (limits or {}).get(metric)) for metric in metrics)
    return Verdict(judged, **more)


def result(entry: str, cost: Cost, verdict: Verdict, comparison: Comparison | None = None, line: int = 7) -> Result:
    """A result of the test of the same name."""
    return Result(entry, entry, entry.split("::")[0], line, "", cost, verdict, comparison)


def totals(cost: Cost, **changed: int) -> dict[str, int]:
    """The totals a baseline has for a cost, but for some."""
    metrics = ("flops", "macs", "params", "trainable_params", "activations", "weights")
    return {**{metric: getattr(cost, metric) for metric in metrics}, **changed}


CONV = "kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)"
BIG, SMALL = operating_point(batch=1, res=448, channels=3), operating_point(batch=1, res=224, channels=3)

# Net at 224 was 4 G: stem 0.5, layer1 1.5, layer2 1.75, head 0.25. Twice the resolution is four times that, and
# layer2, twice as wide, holds 2.75 instead of 1.75: 5 G at 224 (1.25x), 20 G at 448 (4x): 5x in all.
NET = cost(
    BIG,
    "Net",
    module("", "Net", 20 * G, 30 * M),
    module("stem", "Conv2d", 2 * G, 1 * M, f"3, 64, {CONV}"),
    module("layer1", "Sequential", 6 * G, 4 * M),
    module("layer1.0", "Conv2d", 2 * G, 1 * M, f"64, 64, {CONV}"),
    module("layer1.1", "Conv2d", 4 * G, 3 * M, f"64, 512, {CONV}"),
    module("layer2", "Conv2d", 11 * G, 20 * M, f"512, 768, {CONV}"),
    module("classifier", "Linear", 1 * G, 5 * M, "in_features=768, out_features=1000, bias=True"),
)
NET_BEFORE = rows(
    module("", "Net", 4 * G, 20 * M),
    module("stem", "Conv2d", 500 * M, 1 * M, f"3, 64, {CONV}"),
    module("layer1", "Sequential", 1500 * M, 4 * M),
    module("layer1.0", "Conv2d", 500 * M, 1 * M, f"64, 64, {CONV}"),
    module("layer1.1", "Conv2d", 1000 * M, 3 * M, f"64, 512, {CONV}"),
    module("layer2", "Conv2d", 1750 * M, 10 * M, f"512, 512, {CONV}"),
    module("head", "Linear", 250 * M, 5 * M, "in_features=768, out_features=1000, bias=True"),
)
NET_GROWTH = Growth(
    "flops",
    4 * G,
    20 * G,
    (Factor("architecture", 4 * G, 5 * G), Factor("resolution", 5 * G, 20 * G, "224", "448")),
    (
        ModuleChange(
            "changed", "layer2", "Conv2d", f"512, 768, {CONV}", 1750 * M, 2750 * M,
            "layer2", "Conv2d", f"512, 512, {CONV}", "models/net.py:21", own=1000 * M,
        ),
        ModuleChange(
            "renamed", "classifier", "Linear", "in_features=768, out_features=1000, bias=True", 250 * M, 250 * M,
            "head", "Linear", "in_features=768, out_features=1000, bias=True", "models/net.py:30",
        ),
    ),
)  # fmt: skip
OVER = result(
    "tests/test_cost.py::test_net",
    NET,
    verdict(NET, {"flops": 8 * G, "params": 40 * M}),
    Comparison("changed", before=totals(NET, flops=4 * G, macs=4 * G, params=20 * M), point=SMALL, growth=NET_GROWTH),
)

# A token model of 1.1 G that was 1 G: an added adapter holds the 0.1 G.
TOKENS = operating_point(batch=1, seq=128)
TEXT = cost(
    TOKENS,
    "TextNet",
    module("", "TextNet", 1100 * M, 12 * M),
    module("embed", "Embedding", 0, 8 * M, "8000, 1000"),
    module("body", "Linear", 1000 * M, 3 * M, "in_features=1000, out_features=3000, bias=True"),
    module("adapter", "Linear", 100 * M, 1 * M, "in_features=1000, out_features=1000, bias=True"),
)
REGRESSED = result(
    "tests/test_cost.py::test_text",
    TEXT,
    verdict(
        TEXT,
        regressed=(Regressed("flops", 1100 * M, 1000 * M, "0"), Regressed("params", 12 * M, 11 * M, "0")),
    ),
    Comparison(
        "changed",
        before=totals(TEXT, flops=1000 * M, macs=1000 * M, params=11 * M),
        point=TOKENS,
        growth=Growth(
            "flops",
            1000 * M,
            1100 * M,
            (Factor("architecture", 1000 * M, 1100 * M),),
            (
                ModuleChange(
                    "added", "adapter", "Linear", "in_features=1000, out_features=1000, bias=True", 0, 100 * M,
                    source="models/text.py:40", own=100 * M,
                ),
            ),
        ),
    ),
    line=19,
)  # fmt: skip
TEXT_BEFORE = rows(
    module("", "TextNet", 1000 * M, 11 * M),
    module("embed", "Embedding", 0, 8 * M, "8000, 1000"),
    module("body", "Linear", 1000 * M, 3 * M, "in_features=1000, out_features=3000, bias=True"),
)


def small(flops: int, params: int = 2 * M, **changed: Any) -> Cost:
    """A model of two modules, which hold half each."""
    half = module("a", "Linear", flops // 2, params // 2), module("b", "Linear", flops // 2, params // 2)
    return cost(SMALL, "Small", module("", "Small", flops, params), *half, **changed)


UNCOUNTED = result(
    "tests/test_cost.py::test_custom",
    small(2 * G),
    verdict(
        small(2 * G),
        {"flops": 4 * G},
        problems=(
            "not counted: 1 operator has no formula, so the numbers are too low\n"
            "    mylib.scan: 3 calls, in a\n"
            "Teach it with torch.utils.flop_counter.register_flop_formula, or set budget_unknown_ops = warn.",
        ),
    ),
    Comparison("new"),
    line=31,
)
GREW = result(
    "tests/test_cost.py::test_grew",
    small(3 * G),
    verdict(small(3 * G), {"flops": 4 * G}),
    Comparison(
        "changed",
        before=totals(small(3 * G), flops=2 * G, macs=2 * G),
        point=SMALL,
        growth=Growth("flops", 2 * G, 3 * G, note="The model as it is now cannot be counted at batch 1, res 224."),
    ),
)
OTHER = result(
    "tests/test_cost.py::test_other_convention",
    small(2 * G),
    verdict(small(2 * G), {"flops": 4 * G}),
    Comparison(
        "not comparable",
        "counted in the convention torch before, fvcore now",
        totals(small(2 * G), flops=4 * G),
        SMALL,
    ),
)
NEW = result("tests/test_cost.py::test_new", small(1 * G), verdict(small(1 * G), {"flops": 1 * G}), Comparison("new"))
TIGHTER = result(
    "tests/test_cost.py::test_tighter",
    small(3 * G),
    verdict(small(3 * G), {"flops": 4 * G}),
    Comparison(
        "changed",
        before=totals(small(3 * G), flops=3500 * M, macs=3500 * M),
        point=SMALL,
        growth=Growth("flops", 3500 * M, 3 * G, (Factor("architecture", 3500 * M, 3 * G),)),
    ),
)
SAME = result(
    "tests/test_cost.py::test_same",
    small(2 * G),
    verdict(small(2 * G), {"flops": 4 * G}),
    Comparison("same", before=totals(small(2 * G)), point=SMALL),
)
ALONE = result("tests/test_cost.py::test_no_baseline", small(2 * G), verdict(small(2 * G), {"flops": 4 * G}))

RESULTS = (ALONE, SAME, TIGHTER, NEW, OTHER, GREW, UNCOUNTED, REGRESSED, OVER)
"""One of each standing, in the opposite of the order they are shown in."""

REPORT = Report("1.2.3", "2.9.0", "fvcore", RESULTS, before={OVER.entry: NET_BEFORE, REGRESSED.entry: TEXT_BEFORE})
EMPTY = Report("1.2.3", "2.9.0", "fvcore")
