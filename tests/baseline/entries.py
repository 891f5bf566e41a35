"""Entries of a baseline that differ in their name, one number, and how many modules they have."""

from __future__ import annotations

from pytest_modelbudget.values.entry import Entry
from pytest_modelbudget.values.metrics import metric_names
from pytest_modelbudget.values.point import OperatingPoint
from pytest_modelbudget.values.rows import ModuleRow


def entry(name: str, flops: int = 1, modules: int = 1) -> Entry:
    """An entry of ``test_<name>`` in which every total is ``flops``."""
    rows = [ModuleRow("", "Net", flops=flops, params=1)]
    rows += [ModuleRow(f"m{i}", "Linear", "8, 8", flops=flops, params=1) for i in range(modules - 1)]
    return Entry(
        name=name,
        test=f"test_{name}",
        model="Net",
        point=OperatingPoint(batch=1),
        inputs="float32[1, 8]",
        module="",
        convention="fvcore",
        counter="aten",
        executed="meta",
        plugin_version="0.1.0",
        torch_version="2.13.0",
        totals=dict.fromkeys(metric_names(always=True), flops),
        modules=tuple(rows),
    )
