"""The tables of measurements: what was run on which card, and what was measured. They are no part of the repository."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LADDER = (1024, 768, 512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""The batches that timm's benchmarks try, from the largest that is asked for, until one fits."""


class Setting(NamedTuple):
    """How a step ran: what `measure` is asked for, beside batch and resolution, and timm's own switches."""

    mode: str
    amp: str = ""
    channels_last: bool = False
    compiled: bool = False
    fast_norm: bool = False
    written_attention: bool = False
    optimizer: str = ""

    @property
    def keeps_gradients(self) -> bool:
        """Whether gradients are zeroed in place, as ``zero_grad`` did in torch 1.12, which the momentum runs had."""
        return self.optimizer == "momentum"


class Row(NamedTuple):
    """One measurement: seconds of a step and bytes of memory, zero where not measured.

    ``next_batch`` went out of memory, if it is not zero. ``seq`` is zero for images.
    """

    table: str
    card: str
    model: str
    setting: Setting
    res: int
    seq: int
    batch: int
    next_batch: int
    seconds: float
    memory: float


def rows(folder: Path) -> Iterator[Row]:
    """All rows of the tables that are in ``folder``."""
    for name, read in _READERS.items():
        if (folder / name).exists():
            with (folder / name).open(newline="", encoding="utf-8") as file:
                for data in csv.DictReader(file):
                    yield from read(data)


def _inference(data: dict[str, str]) -> Iterator[Row]:
    words, batch = data["table"].split(), int(data["batch"])
    setting = Setting("infer", "fp16", "nhwc" in words, "compiled" in words, fast_norm=True)
    top = 512 if words[:2] == ["4090", "nhwc"] else 1024
    speed = float(data["measured_samples_per_s"])
    yield Row(data["table"], data["card"], data["model"], setting, int(data["res"]), 0, batch,
              0 if batch >= top else larger(batch), batch / speed, 0)  # fmt: skip


def larger(batch: int) -> int:
    """The next larger batch of the ladder."""
    return min(step for step in LADDER if step > batch)


def _training(data: dict[str, str]) -> Iterator[Row]:
    setting = Setting(
        "train", "fp16", data["layout"] == "nhwc", written_attention=True, optimizer="momentum"
    )  # fmt: skip
    yield Row(f"3090 train {data['layout']}", "RTX 3090", data["model"], setting, int(data["res"]), 0,
              int(data["batch"]), int(data["next_batch"] or 0), float(data["step_ms"]) / 1e3, 0)  # fmt: skip


def _memory(data: dict[str, str]) -> Iterator[Row]:
    setting = Setting("train", optimizer="sgd")
    yield Row("A100 memory", "A100 40GB", data["model"], setting, int(data["res"]), 0, int(data["batch"]), 0, 0,
              float(data["measured_mib"]) * 2**20)  # fmt: skip


def _transformers(data: dict[str, str]) -> Iterator[Row]:
    training = data["mode"] == "train"
    setting = Setting("train" if training else "infer", written_attention=True, optimizer="none" if training else "")
    yield Row("transformers", data["card"], data["model"], setting, 0, int(data["seq"]), int(data["batch"]), 0,
              float(data["measured_ms"]) / 1e3, 0)  # fmt: skip


_READERS = {
    "transformers_time.csv": _transformers,
    "train_rtx3090.csv": _training,
    "train_a100_memory.csv": _memory,
    "infer_speed.csv": _inference,
}
