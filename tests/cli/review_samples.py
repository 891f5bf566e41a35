"""Baselines with round numbers, made by hand, that ``modelbudget diff`` and ``history`` are tested with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from report_samples import CONV, G, M, module, rows

from pytest_modelbudget.baseline.schema import Baseline, to_json
from pytest_modelbudget.values.cost import ModuleCost
from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.point import operating_point

POINT = operating_point(batch=1, res=224, channels=3)
CONFIG_512, CONFIG_768 = f"512, 512, {CONV}", f"512, 768, {CONV}"


def entry(name: str, flops: int, params: int, *modules: ModuleCost, **changed: Any) -> Entry:
    """An entry of the test of the same name: a multiply-add is a FLOP, a parameter 4 bytes."""
    totals = {
        "flops": flops,
        "macs": flops,
        "params": params,
        "trainable_params": params,
        "activations": flops // 1000,
        "weights": 4 * params,
    }
    made = Entry(
        name=name,
        test=name,
        model="Net",
        point=POINT,
        inputs="float32 (1, 3, 224, 224)",
        module="",
        convention="fvcore",
        counter="aten",
        executed="meta",
        plugin_version="1.2.3",
        torch_version="2.9.0",
        totals=totals,
        modules=rows(module("", "Net", flops, params), *modules),
    )
    return replace(made, **changed)


def at(res: int) -> dict[str, Any]:
    """The operating point and the inputs at another resolution."""
    return {"point": replace(POINT, res=(res, res)), "inputs": f"float32 (1, 3, {res}, {res})"}


def layer2(flops: int, params: int, config: str) -> ModuleCost:
    return module("layer2", "Conv2d", flops, params, config)


def head(name: str) -> ModuleCost:
    return module(name, "Linear", 1 * G, 1 * M, "in_features=1, out_features=2, bias=True")


A = "tests/test_cost.py::test_"
BEFORE = (
    # 4 G, of which layer2 has 3 G; twice as wide, and with an adapter, it is 4 + 1.5 + 0.5 = 6 G: 1.5 times
    entry(f"{A}grew", 4 * G, 10 * M, layer2(3 * G, 9 * M, CONFIG_512)),
    entry(f"{A}shrank", 4 * G, 10 * M, layer2(3 * G, 9 * M, CONFIG_768)),
    entry(f"{A}moved", 4 * G, 10 * M, layer2(3 * G, 9 * M, CONFIG_512)),
    entry(f"{A}gone", 2 * G, 1 * M),
    entry(f"{A}other_convention", 2 * G, 1 * M),
    entry(f"{A}renamed_head", 4 * G, 10 * M, head("head")),
    entry(f"{A}same", 4 * G, 10 * M),
    entry(f"{A}activations", 4 * G, 10 * M),
)
ADAPTER = module("adapter", "Linear", 500 * M, 1 * M, "in_features=1, out_features=2, bias=True")
ACTIVATIONS = entry(f"{A}activations", 4 * G, 10 * M)
AFTER = (
    entry(f"{A}grew", 6 * G, 12 * M, layer2(4500 * M, 10 * M, CONFIG_768), ADAPTER),
    entry(f"{A}shrank", 3 * G, 10 * M, layer2(2 * G, 9 * M, CONFIG_512)),
    entry(f"{A}moved", 16 * G, 10 * M, layer2(12 * G, 9 * M, CONFIG_512), **at(448)),
    entry(f"{A}new", 1 * G, 1 * M),
    entry(f"{A}other_convention", 4 * G, 1 * M, convention="torch"),
    entry(f"{A}renamed_head", 4 * G, 10 * M, head("classifier")),
    entry(f"{A}same", 4 * G, 10 * M),
    replace(ACTIVATIONS, totals={**ACTIVATIONS.totals, "activations": 5 * M}),
)


def text(*entries: Entry) -> str:
    """A baseline of these entries."""
    return to_json(Baseline.of(entries))


def write(path: Path, *entries: Entry) -> Path:
    """Write a baseline of these entries."""
    path.write_text(text(*entries), encoding="utf-8")
    return path
