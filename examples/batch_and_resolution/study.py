"""What batch and resolution cost five networks: one command makes every table and picture of README.md again.

    python examples/batch_and_resolution/study.py [FOLDER]

Needs torchvision and matplotlib, and no GPU: everything is counted, and times are predicted.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
import torchvision_ops  # noqa: E402

torchvision_ops.install()  # with builds of torch and torchvision that belong together, delete these lines

import exceptions  # noqa: E402
import pictures  # noqa: E402
import tables  # noqa: E402
from networks import STUDIED  # noqa: E402
from tqdm import tqdm  # noqa: E402

from pytest_modelbudget import Cost, ModelError, measure  # noqa: E402

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RESOLUTIONS = (64, 96, 128, 192, 224, 256, 384, 512, 768, 1024)
TRAINED = (64, 128, 224, 512, 1024)
"""The resolutions at which training is counted, too."""

DEVICES = ("T4", "RTX 4090", "A100", "H100")


@dataclass(frozen=True)
class Cell:
    """One network at one batch and resolution: in inference, in training where that was counted, or why it refuses."""

    model: str
    batch: int
    res: int
    infer: Cost | None
    train: Cost | None
    refused: str = ""


def study() -> list[Cell]:
    """Every cell of the grid, counted: inference in half precision, training with AdamW and autocast."""
    grid = [(model, batch, res) for model in STUDIED for res in RESOLUTIONS for batch in BATCHES]
    return [cell(*point) for point in tqdm(grid, desc="counting", unit="cell", disable=None)]


def cell(model: str, batch: int, res: int) -> Cell:
    where: dict[str, Any] = {"batch": batch, "res": res, "device": "T4"}
    try:
        infer = measure(STUDIED[model], dtype="fp16", **where)
        train = measure(STUDIED[model], mode="train", amp="fp16", **where) if res in TRAINED else None
    except ModelError as error:
        return Cell(model, batch, res, None, None, str(error).splitlines()[0])
    return Cell(model, batch, res, infer, train)


def main(folder: Path = HERE / "results") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    cells = study()
    rows = [tables.row(cell, DEVICES) for cell in cells]
    with (folder / "cells.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = "\n\n".join([*tables.sections(cells, DEVICES), *exceptions.sections()])
    (folder / "tables.md").write_text(text + "\n", encoding="utf-8")
    pictures.draw(cells, DEVICES, folder)
    print(f"{len(cells)} cells in {time.perf_counter() - start:.0f} s: {folder}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
