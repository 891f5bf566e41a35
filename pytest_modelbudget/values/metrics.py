"""The table of metrics: one row for each, with everything that any room needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..text import units
from ..text.units import BYTES, NANOSECONDS, Unit


@dataclass(frozen=True)
class Metric:
    """One metric of a `Cost`, whose attribute ``name`` has its value.

    ``title`` heads a column, ``help`` is a sentence. What a metric is:

    - ``compute``: work of the model, so that a limit on it means nothing where it is zero;
    - ``estimate``: predicted for a named device, not counted, and so never in a baseline;
    - ``recorded``: kept by a baseline; ``always`` by every one, since every count has it;
    - ``on_request``: judged and reported only where it has a limit;
    - ``in_modules``: a module has it, so that a limit may be on a module; ``why_whole`` says why not;
    - ``in_rows``: a baseline keeps it for modules, so that they are compared by it; if not, by their FLOPs;
    - ``built``: it is the model's as it is built, and the same at every operating point;
    - ``grows``: a smaller batch, resolution or sequence makes it smaller;
    - ``line``: in the batch, it is a straight line wherever the model does the same at every batch;
    - ``per_sample``: worth dividing by the batch;
    - ``headline``: among the first things to know of a model, so that tables have a column for it without a limit;
    - ``by_convention``: two conventions give two values of it;
    - ``where``: the metric whose modules say where it is, if modules do not have it;
    - ``measured``: the attribute of `peak.Measured` that has what a real run took of it;
    - ``why_missing``: why a cost has none of it, and what to do, where that is not the counter's doing;
    - ``aliases``: what people also call it, for hints.
    """

    name: str
    unit: Unit
    title: str
    help: str
    compute: bool = False
    estimate: bool = False
    recorded: bool = True
    always: bool = True
    on_request: bool = False
    in_modules: bool = True
    why_whole: str = ""
    in_rows: bool = False
    built: bool = False
    grows: bool = False
    line: bool = False
    per_sample: bool = False
    headline: bool = False
    by_convention: bool = False
    where: str = ""
    measured: str = ""
    why_missing: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The metric as sentences name it: what is predicted says so."""
        return f"estimated {self.name}" if self.estimate else self.name


_FLOPS = units.counts("FLOPs", "FLOP", "FLOPS", example='"4.2G" or "4.2 GFLOPs"', long=True)
_MACS = units.counts("MACs", "MAC", "MAdds", "MAdd", example='"4.2G" or "4.2 GMACs"', long=True)
_PARAMS = units.counts("params", "param", "parameters", billions="B")  # "a 7B model"
_ACTIVATIONS = units.counts("activations", "acts", "elements")

TABLE = (
    Metric(
        "flops", _FLOPS, "FLOPs",
        "Floating-point operations of the model at its operating point, by the convention named.",
        compute=True, in_rows=True, grows=True, line=True, per_sample=True, headline=True, by_convention=True,
        aliases=("flop", "gflops", "mflops", "tflops", "compute", "operations"),
    ),
    Metric(
        "forward_flops", _FLOPS, "forward FLOPs", "FLOPs of the forward pass.",
        compute=True, recorded=False, always=False, on_request=True, in_modules=False, grows=True, by_convention=True,
        why_whole="the passes of a step are told apart for the whole model", where="flops",
        aliases=("fwd_flops",),
    ),
    Metric(
        "backward_flops", _FLOPS, "backward FLOPs", "FLOPs of the backward pass of a training step.",
        compute=True, recorded=False, always=False, on_request=True, in_modules=False, grows=True, by_convention=True,
        why_whole="the passes of a step are told apart for the whole model", where="flops",
        aliases=("bwd_flops",),
    ),
    Metric(
        "macs", _MACS, "MACs", "Multiply-adds of convolutions, matrix products and attention.",
        compute=True, grows=True, line=True, per_sample=True,
        aliases=("mac", "madds", "madd", "gmacs", "multiply_adds", "mult_adds", "mult_add"),
    ),
    Metric(
        "params", _PARAMS, "params", "Parameters, shared ones once.",
        in_rows=True, built=True, line=True, headline=True,
        aliases=("param", "parameters", "parameter", "nparams"),
    ),
    Metric(
        "trainable_params", _PARAMS, "trainable", "Parameters that require a gradient.",
        in_rows=True, built=True, line=True,
        aliases=("trainable", "trainable_parameters"),
    ),
    Metric(
        "activations", _ACTIVATIONS, "activations", "Elements output by convolutions and matrix products.",
        compute=True, in_rows=True, grows=True, line=True, per_sample=True,
        aliases=("activation", "acts"),
    ),
    Metric(
        "weights", BYTES, "weights", "Bytes of parameters and buffers.", in_rows=True, built=True, line=True,
        aliases=("weight", "model_size", "weight_memory"),
    ),
    Metric(
        "memory", BYTES, "memory", "Peak bytes alive at once.",
        always=False, in_modules=False, why_whole="a peak has no parts", in_rows=True, grows=True, per_sample=True,
        headline=True, measured="memory",
        aliases=("mem", "peak_memory", "peak_mem", "peak", "memory_peak", "vram", "ram", "gpu_memory"),
    ),
    Metric(
        "communication", BYTES, "communication",
        "Bytes that this rank of a sharded model sends in a step, by the ring algorithms of its collectives.",
        always=False, in_rows=True, per_sample=True,
        why_missing="the model is on one rank, which sends nothing. Say how many there are (ranks=8), or leave it out",
        aliases=("comm", "traffic", "collectives", "comms", "bytes_sent"),
    ),
    Metric(
        "latency", NANOSECONDS, "estimated latency",
        "Time of a step on the device named: an estimate by a calibrated roofline, not a measurement.",
        compute=True, estimate=True, recorded=False, always=False, measured="nanoseconds",
        aliases=("time", "runtime", "inference_time", "step_time", "speed", "ms"),
    ),
    Metric(
        "footprint", BYTES, "estimated footprint",
        "Memory of the device named that a step takes, as nvidia-smi shows it: an estimate, not a measurement.",
        estimate=True, recorded=False, always=False, in_modules=False, why_whole="a peak has no parts", grows=True,
        where="memory",
    ),
)  # fmt: skip
"""In the order in which reports show them."""


def all_metrics() -> Iterator[Metric]:
    """Every metric, in order."""
    return iter(TABLE)


def find_metric(name: str) -> Metric:
    """The metric of that name, which must be one."""
    return next(metric for metric in all_metrics() if metric.name == name)


def metric_names(**wanted: bool) -> tuple[str, ...]:
    """The names of the metrics whose attributes are as ``wanted``: ``metric_names(recorded=True)``."""
    return tuple(m.name for m in all_metrics() if all(getattr(m, name) is value for name, value in wanted.items()))


def title_of(name: str) -> str:
    """The heading of a metric's column."""
    return find_metric(name).title


def parse_limit(value: Any, name: str) -> int:
    """Read a limit for the metric ``name``, as `text.units.parse` does. Raises `UsageError`."""
    return units.parse(value, find_metric(name).unit, name)


def show(value: int, name: str, *, digits: int = 3, unit: bool = False) -> str:
    """Write a value of the metric ``name``: ``4.11 G``, or ``4.11 GFLOPs`` with ``unit``."""
    return units.show(value, find_metric(name).unit, digits=digits, long=unit)


def show_limit(value: int, name: str) -> str:
    """Write the smallest limit of three digits that ``value`` passes: ``4.12G``."""
    return units.show_limit(value, find_metric(name).unit)


def with_headroom(value: int, name: str, percent: Decimal) -> str:
    """Write a limit of ``percent`` above a value, rounded up to what people write: ``4.2G``."""
    return units.with_headroom(value, find_metric(name).unit, percent)


def show_apart(value: int, other: int, name: str) -> tuple[str, str]:
    """Write two values with as many digits as it takes to tell them apart."""
    return units.show_apart(value, other, find_metric(name).unit)
