"""What a real run took, beside what was predicted."""

from __future__ import annotations

from ...text import units
from ...text.line import one_line
from ...values.cost import Cost
from ...values.metrics import show
from ...values.peak import Measured


def measured_text(cost: Cost, measured: Measured) -> str:
    """``measured on cpu: peak 1.2 GiB (predicted 1.19 GiB, -0.8 %), 3.1 ms a step (median of 5)``."""
    error = ""
    if cost.memory is not None and measured.memory:
        error = f" (predicted {show(cost.memory, 'memory')}, {prediction_error(cost.memory, measured.memory)})"
    text = (
        f"measured on {one_line(measured.device)}: peak {show(measured.memory, 'memory')}{error}, "
        f"{show(measured.nanoseconds, 'latency')} a step (median of {measured.runs})"
    )
    if cost.throughput is not None:
        text += f"; {show(cost.throughput.nanoseconds, 'latency')} estimated for {cost.throughput.device}"
    return text


def prediction_error(predicted: int, measured: int) -> str:
    """The error of a prediction in percent of what was measured."""
    return "exactly" if predicted == measured else units.change(predicted, measured)
