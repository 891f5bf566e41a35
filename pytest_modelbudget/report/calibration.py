"""What ``modelbudget calibrate`` prints: each small model, predicted and measured, and how far off the whole is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..text import units
from ..text.line import one_line
from ..text.tables import plain_table
from ..values.device import Device
from ..values.metrics import show
from ..values.work import Measurement


def calibration_text(device: Device, steps: Sequence[Measurement], path: str) -> str:
    """The table, the median error by mode, and how the file is used."""
    rows = []
    for one in steps:
        predicted, measured = round(one.predicted * 1e9), round(one.measured * 1e9)
        what = f"{one.way.mode}{', half' if one.way.half else ''}"
        rows.append(
            [one.model, what, str(one.batch), show(predicted, "latency"), show(measured, "latency"),
             units.change(predicted, measured)]
        )  # fmt: skip
    errors = [abs(one.predicted / one.measured - 1) for one in steps]
    return "\n\n".join(
        [
            plain_table(rows, ["model", "step", "batch", "predicted", "measured", "error"], right=(2, 3, 4, 5)),
            f"{one_line(device.name)}: each model as predicted by the others, median error "
            f"{100 * statistics.median(errors):.0f} %. Written: {one_line(path)}. It is taken by device={path!r}.",
        ]
    )
