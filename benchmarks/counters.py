"""The counters that are compared, each called as its own documentation shows it, on a model in eval mode."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

OURS = "pytest-modelbudget"


@dataclass(frozen=True)
class Counter:
    """One counter. ``count`` takes a model, an input tensor and an operating point, and gives multiply-adds."""

    name: str
    distribution: str
    imports: str
    count: Callable[[Any, torch.Tensor | None, dict[str, Any]], float]
    note: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is this package, which takes a factory and an operating point and needs no tensor."""
        return self.name == OURS

    def load(self) -> None:
        """Import it."""
        importlib.import_module(self.imports)


def _ours(target: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from pytest_modelbudget import measure

    return measure(target, **point).macs


def forget() -> None:
    """Empty the cache of what operators returned in earlier counts."""
    from pytest_modelbudget.counting.meta import cache

    cache.clear()


def _fvcore(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(model, example).total()


def _flop_counter_mode(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(example)
    return counter.get_total_flops() / 2


def _ptflops(backend: str) -> Callable[[Any, torch.Tensor | None, dict[str, Any]], float]:
    def count(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
        from ptflops import get_model_complexity_info

        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            macs, _ = get_model_complexity_info(
                model, (1,), print_per_layer_stat=False, as_strings=False, backend=backend,
                input_constructor=lambda _: example,
            )  # fmt: skip
        if macs is None:
            raise RuntimeError(said.getvalue().strip().splitlines()[-1])  # it prints what went wrong
        return macs

    return count


def _calflops(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from calflops import calculate_flops

    _, macs, _ = calculate_flops(model, args=[example], print_results=False, output_as_string=False)
    return macs


def _thop(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from thop import profile

    return profile(model, inputs=(example,), verbose=False)[0]


def _torchinfo(model: Any, example: torch.Tensor | None, point: dict[str, Any]) -> float:
    from torchinfo import summary

    return summary(model, input_data=example, verbose=0).total_mult_adds


COUNTERS = (
    Counter(OURS, "pytest-modelbudget", "pytest_modelbudget.counting.measure", _ours),
    Counter("fvcore", "fvcore", "fvcore.nn", _fvcore, "its FLOPs, a multiply-add as one, count norms too"),
    Counter("FlopCounterMode", "torch", "torch.utils.flop_counter", _flop_counter_mode, "its FLOPs by two"),
    Counter("ptflops pytorch", "ptflops", "ptflops", _ptflops("pytorch"), "counts norms and activations too"),
    Counter("ptflops aten", "ptflops", "ptflops", _ptflops("aten")),
    Counter("calflops", "calflops", "calflops", _calflops),
    Counter("thop", "thop", "thop", _thop, "counts norms too"),
    Counter("torchinfo", "torchinfo", "torchinfo", _torchinfo),
)
BY_NAME = {counter.name: counter for counter in COUNTERS}


def quiet() -> None:
    """Keep the counters' own warnings out of the output: what they get wrong is seen in their numbers."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
