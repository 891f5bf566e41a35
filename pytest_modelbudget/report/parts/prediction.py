"""A predicted time as people read it: always with the word that it is an estimate."""

from __future__ import annotations

from ...text import units
from ...values.metrics import show
from ...values.throughput import BOUNDS, Throughput


def prediction(throughput: Throughput) -> str:
    """``Estimated for T4, by a roofline, not measured: 2.49 ms a step, 401 samples/s; bandwidth binds (42 %), ...``."""
    step = f"{show(throughput.nanoseconds, 'latency')} a step"
    speed = throughput.samples_per_second
    if speed is not None:
        step += f", {per_second(speed)} samples/s"
    return f"Estimated for {throughput.device}, by a roofline, not measured: {step}; {_binds(throughput)}."


def per_second(speed: float) -> str:
    """Samples per second with three digits: ``0.0412``, ``7.3``, ``401``, ``8950``."""
    return f"{speed:.0f}" if speed >= 100 else f"{speed:.3g}"


def _binds(throughput: Throughput) -> str:
    """``bandwidth binds (42 %), then compute (30 %), launch (28 %)``: where the time goes, the most first."""
    whole = throughput.nanoseconds
    shares = sorted(((throughput.bound[name], -i, name) for i, name in enumerate(BOUNDS)), reverse=True)
    first, *rest = [(name, units.share(time, whole)) for time, _, name in shares if time] or [("nothing", "-")]
    more = f", then {', '.join(f'{name} ({part})' for name, part in rest)}" if rest else ""
    return f"{first[0]} binds ({first[1]}){more}"
