"""Predicted time and memory of a card as people read them: always as an estimate, with how far off it is."""

from __future__ import annotations

from ...text import units
from ...text.line import one_line
from ...values.cost import Cost
from ...values.fits import Accuracy
from ...values.footprint import PARTS, Footprint
from ...values.metrics import show
from ...values.throughput import Throughput


def predictions(cost: Cost) -> list[str]:
    """A line for each estimate that there is."""
    lines = [] if cost.throughput is None else [prediction(cost.throughput)]
    if cost.device_memory is not None:
        lines.append(of_memory(cost.device_memory))
    return lines


def prediction(throughput: Throughput) -> str:
    """``Estimated for T4, not measured: 2.49 ms +- 9 % (T4, 1,400 models) a step, 401 samples/s; ...``."""
    step = f"{show(throughput.nanoseconds, 'latency')}{off_by(throughput.accuracy)} a step"
    speed = throughput.samples_per_second
    if speed is not None:
        step += f", {units.per_second(speed)} samples/s"
    how = "" if throughput.accuracy is not None else "by a roofline, "
    device, link = one_line(throughput.device), _sends(throughput)
    return f"Estimated for {device}, {how}not measured: {step}; {_binds(throughput)}.{link}"


def _sends(throughput: Throughput) -> str:
    """What the link between ranks takes, and what is assumed of it; empty where nothing is sent."""
    if not throughput.sent:
        return ""
    time, sent = show(throughput.sending, "latency"), show(throughput.sent, "communication")
    return f" {sent} over {throughput.link} take {time}, taken to run beside the rest."


def of_memory(footprint: Footprint) -> str:
    """``Estimated for T4, not measured: a footprint of 11.3 GiB +- 3 % (...) of its 16 GiB: live 9 GiB, ...``."""
    memory = show(footprint.memory, "footprint")
    whole = f"a footprint of {show(footprint.total, 'footprint')}{off_by(footprint.accuracy)}"
    parts = ", ".join(f"{name} {show(footprint.parts[name], 'footprint')}" for name in PARTS if footprint.parts[name])
    fits = f"of its {memory}" if footprint.fits else f"which its {memory} do not hold"
    return f"Estimated for {one_line(footprint.device)}, not measured: {whole} {fits}: {parts}."


def off_by(accuracy: Accuracy | None) -> str:
    """How far off an estimate is, behind it; empty where nobody knows."""
    return "" if accuracy is None else f" {one_line(str(accuracy))}"


def _binds(throughput: Throughput) -> str:
    """``bandwidth binds (42 %), then compute (30 %), launch (28 %)``: where the time goes, the most first."""
    whole = throughput.nanoseconds
    shares = sorted(((time, -i, name) for i, (name, time) in enumerate(throughput.bound.items())), reverse=True)
    first, *rest = [(name, units.share(time, whole)) for time, _, name in shares if time] or [("nothing", "-")]
    more = f", then {', '.join(f'{name} ({part})' for name, part in rest)}" if rest else ""
    return f"{first[0]} binds ({first[1]}){more}"
