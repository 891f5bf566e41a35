"""Where a cost is: which modules are named, in which order, and with which shares."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_samples as samples
import torch
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.report.parts.where import costliest, every_module, module_values, where_lines
from pytest_modelbudget.values import calibration
from pytest_modelbudget.values.cost import Cost
from pytest_modelbudget.values.fits import Calibration
from pytest_modelbudget.values.result import Result
from pytest_modelbudget.values.throughput import Throughput
from pytest_modelbudget.values.verdict import Judged, Verdict
from pytest_modelbudget.values.work import Work


def tree(**flops: int) -> Cost:
    """A cost of modules by their FLOPs; two underscores are the dot of a name, and the model is the one without."""
    names = {name.replace("__", ".").replace("model", ""): value for name, value in flops.items()}
    return samples.cost(samples.SMALL, "Net", *(samples.module(n, "Block", value, 1) for n, value in names.items()))


def names(cost: Cost, **options: object) -> list[str]:
    return [row.name for row in costliest(cost, "flops", **options)]  # type: ignore[arg-type]


def over(cost: Cost, metric: str, **changed: object) -> Result:
    """A result whose limit on the metric is broken."""
    return replace(samples.OVER, cost=cost, verdict=Verdict((Judged(metric, 2, 1),)), **changed)  # type: ignore[arg-type]


def test_a_wrapper_does_not_hide_what_is_inside() -> None:
    """``body`` is all of it, and 90 of its 100 are ``body.b``, whose parts are smaller than the half."""
    cost = tree(model=100, body=100, body__a=10, body__b=90, body__b__x=45, body__b__y=45)
    assert names(cost) == ["body.b.x", "body.b.y", "body.a"]


def test_a_module_that_is_costly_itself_stays() -> None:
    """60 of its 100 are its own, which is more than any child's."""
    assert names(tree(model=100, body=100, body__a=40)) == ["body"]


def test_so_many_and_from_a_module_down() -> None:
    cost = tree(model=100, a=50, a__x=30, a__y=20, b=30, c=20, d=0)
    assert names(cost) == ["a", "b", "c"]
    assert names(cost, most=2) == ["a", "b"]
    assert names(cost, below="a") == ["a.x", "a.y"]


def test_lines_of_the_sample() -> None:
    """Of 20 G: 11 G are 55 %. layer1 with 6 G is less than the half, and stays whole."""
    assert where_lines(samples.OVER) == [
        "where  layer2      Conv2d      11 G  55 %",
        "       layer1      Sequential   6 G  30 %",
        "       stem        Conv2d       2 G  10 %",
        "       classifier  Linear       1 G   5 %",
    ]


def test_every_module_stands_in_the_models_order_with_its_source() -> None:
    inside = every_module(replace(samples.OVER, module="layer1"), source=lambda name: f"net.py:{name[-1]}")
    assert inside == [
        "where  layer1.0  Conv2d  2 G  33 %  net.py:0",
        "       layer1.1  Conv2d  4 G  67 %  net.py:1",
    ]
    assert len(every_module(samples.OVER)) == 6


def test_a_peak_of_memory_belongs_to_no_module() -> None:
    assert where_lines(over(samples.NET, "memory")) == []
    assert every_module(over(samples.NET, "memory")) == []


@pytest.mark.parametrize("metric", ["forward_flops", "backward_flops"])
def test_a_pass_is_told_by_the_flops_of_modules(metric: str) -> None:
    cost = tree(model=100, a=75, b=25)
    assert module_values(cost, metric) == {}
    assert where_lines(over(cost, metric)) == [
        "where  a  Block  75  75 %",
        "       b  Block  25  25 %",
        f"       told by flops: modules do not have {metric}",
    ]


def test_a_predicted_time_is_that_of_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no card was measured, a T4 takes 4 us a launch: three of them are 12 of 16 us."""
    monkeypatch.setattr(calibration, "packaged", lambda: Calibration("", (), ()))
    work = (Work("a", "aten.relu", "float32", 0, 0, 3, 1), Work("b", "aten.relu", "float32", 0, 0, 1, 1))
    step = Throughput("T4", 1, {"compute": 0, "bandwidth": 0, "launch": 16_000}, work)
    assert where_lines(over(replace(tree(model=100, a=1, b=99), throughput=step), "latency")) == [
        "where  a  Block  12 us  75 %",
        "       b  Block   4 us  25 %",
    ]


def test_shares_of_tied_weights_add_up():
    """6 * 4 of the 6 * 4 + 5 * 4 parameters are those of two layers: the first has them."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(6, 4)
            self.body = nn.Linear(4, 5, bias=False)
            self.head = nn.Sequential(nn.Linear(4, 6, bias=False), nn.Linear(5, 4, bias=False))
            self.head[0].weight = self.embed.weight

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head[0](self.embed(ids))

    result = over(measure(Tied, seq=3), "params")
    assert every_module(result) == [
        "where  embed   Embedding   24  38 %",
        "       body    Linear      20  31 %",
        "       head    Sequential  20  31 %",
        "       head.0  Linear       0  tied",
        "       head.1  Linear      20  31 %",
    ]
    assert where_lines(result) == [
        "where  embed  Embedding   24  38 %",
        "       body   Linear      20  31 %",
        "       head   Sequential  20  31 %",
    ]
