"""Predicted step times beside measured ones, as a Markdown table: how far off the roofline is on the device at hand.

    python benchmarks/validate_throughput.py --device H100 --out validation.md
    python benchmarks/validate_throughput.py --device "laptop CPU" --models resnet18 --batches 1 8

The device named is the one that is predicted; on a CPU it is measured with all threads of this process. A measured time
is the median of many steps after a warm-up, each waited for. Needs torchvision.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import torchvision_ops

torchvision_ops.install()  # with builds of torch and torchvision that belong together, delete these lines

import torch  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torchvision import models  # noqa: E402

from pytest_modelbudget import measure  # noqa: E402
from pytest_modelbudget.errors import UsageError  # noqa: E402
from pytest_modelbudget.values.device import Device  # noqa: E402
from pytest_modelbudget.values.devices import find_device  # noqa: E402
from pytest_modelbudget.values.metrics import show  # noqa: E402

MODELS = ("resnet18", "resnet50", "mobilenet_v3_large", "vit_b_16", "swin_t")
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
RES = 224


class Row(NamedTuple):
    """One model at one batch: the prediction and the median of ``steps`` measured steps, in nanoseconds."""

    model: str
    dtype: str
    batch: int
    binds: str
    predicted: int
    measured: int
    steps: int

    @property
    def ratio(self) -> float:
        """Measured over predicted: how many times slower than the roofline it is."""
        return self.measured / self.predicted


def rows(
    device: Device, names: Sequence[str], batches: Sequence[int], dtypes: Sequence[str], seconds: float
) -> Iterator[Row]:
    """Every model at every batch and dtype."""
    for name in names:
        factory = getattr(models, name)
        for dtype in dtypes:
            for batch in batches:
                found = measure(factory, batch=batch, res=RES, dtype=dtype, device=device.name).throughput
                assert found is not None  # a named device was asked for
                median, steps = timed(_step(factory, batch, DTYPES[dtype], device.kind), device.kind, seconds)
                yield Row(name, dtype, batch, found.binds, found.nanoseconds, median, steps)


def _step(factory: Callable[[], torch.nn.Module], batch: int, dtype: torch.dtype, kind: str) -> Callable[[], Any]:
    model = factory().eval().to(kind, dtype)
    images = torch.randn(batch, 3, RES, RES, device=kind, dtype=dtype)
    return lambda: model(images)


def timed(step: Callable[[], Any], kind: str, seconds: float) -> tuple[int, int]:
    """The median time of a step in nanoseconds, and of how many: for so many seconds, but five at the least."""
    wait = torch.cuda.synchronize if kind == "cuda" else (lambda: None)
    with torch.inference_mode():
        for _ in range(3):
            step()
        wait()
        times: list[int] = []
        end = time.perf_counter() + seconds
        while len(times) < 5 or time.perf_counter() < end:
            start = time.perf_counter_ns()
            step()
            wait()
            times.append(time.perf_counter_ns() - start)
    return round(statistics.median(times)), len(times)


def markdown(found: Sequence[Row], device: Device) -> str:
    """The table, with the machine it was made on and how far off the whole is."""
    lines = [
        [
            row.model,
            row.dtype,
            str(row.batch),
            row.binds,
            show(row.predicted, "latency"),
            show(row.measured, "latency"),
            f"{row.ratio:.2f}x",
        ]
        for row in found
    ]
    headers = [
        "model",
        "dtype",
        "batch",
        "binds",
        "estimated",
        "measured (median)",
        "measured / estimated",
    ]
    ratios = [row.ratio for row in found]
    return "\n\n".join(
        [
            f"Estimated for {device.name}; measured on {machine(device.kind)}, torch {torch.__version__}, eager.",
            str(tabulate(lines, headers, tablefmt="github", disable_numparse=True)),
            f"Measured over estimated: median {statistics.median(ratios):.2f}x, from {min(ratios):.2f}x to "
            f"{max(ratios):.2f}x, {len(ratios)} rows of {min(row.steps for row in found)} steps and more.",
        ]
    )


def machine(kind: str) -> str:
    """What this runs on, in words."""
    if kind == "cuda":
        return str(torch.cuda.get_device_name())
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"


def main() -> None:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description="Predicted step times beside measured ones.")
    parser.add_argument("--device", required=True, help="the named device that this machine has, such as H100")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help="models of torchvision")
    parser.add_argument("--batches", nargs="+", type=int, default=(1, 8, 64, 256), metavar="N")
    parser.add_argument("--dtypes", nargs="+", choices=tuple(DTYPES), default=("fp32",))
    parser.add_argument("--seconds", type=float, default=3.0, help="to measure each row for (default 3)")
    parser.add_argument("--out", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    try:
        device = find_device(arguments.device)
    except UsageError as error:
        parser.error(str(error))
    if not device.has_speed:
        parser.error(f"--device {arguments.device} names no card, so its speed is not known")
    if device.kind == "cuda" and not torch.cuda.is_available():
        parser.error(f"{device.name} is a GPU, and this machine has none that torch sees")
    found = list(rows(device, arguments.models, arguments.batches, arguments.dtypes, arguments.seconds))
    text = markdown(found, device)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
