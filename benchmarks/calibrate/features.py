"""Counts every model of the tables on the meta device, once, and keeps what the package records of each step.

    python -m benchmarks.calibrate.features TABLES FEATURES

One file of compressed JSON a model, under FEATURES. A model that has one is not counted again, so that this can be
stopped and goes on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from pytest_modelbudget.values.work import Work

from .tables import Row, Setting, rows


class Step(NamedTuple):
    """What the package records of one step: its work, what it asks of an allocator, and its peak in bytes.

    ``sequences`` are the most that one call of fused attention has.
    """

    work: tuple[Work, ...]
    held: list[int]
    events: list[int]
    phases: dict[str, int]
    peak: int
    kinds: dict[str, int]
    notes: tuple[str, ...]
    sequences: int = 0


class Key(NamedTuple):
    """Where a model was counted. Whether it is compiled changes nothing of what is recorded."""

    setting: Setting
    res: int
    seq: int
    batch: int


def save(path: Path, found: dict[Key, Step | str]) -> None:
    """Write the steps of one model, or why one could not be counted."""
    plain = []
    for key, step in found.items():
        one: dict[str, Any] = {"key": [list(key.setting), *key[1:]]}
        if isinstance(step, str):
            one["refused"] = step
        else:
            one["work"] = [list(work.to_dict().values()) for work in step.work]
            one["rest"] = list(step[1:])
        plain.append(one)
    path.with_suffix(".part").write_bytes(gzip.compress(json.dumps(plain).encode(), 3))
    path.with_suffix(".part").rename(path)


def load(path: Path) -> dict[Key, Step]:
    """Read the steps of one model, without those that could not be counted."""
    names = [one.name for one in fields(Work)]
    found = {}
    for one in json.loads(gzip.decompress(path.read_bytes())):
        setting, *rest = one["key"]
        if "work" in one:
            work = tuple(Work.from_dict(dict(zip(names, values, strict=False))) for values in one["work"])
            found[Key(Setting(*setting), *rest)] = Step(work, *one["rest"])
    return found


def keys_of(row: Row) -> Iterable[Key]:
    """The steps that a row needs: that at its batch, and at the next larger one."""
    setting = row.setting._replace(compiled=False)
    for batch in (row.batch, row.next_batch):
        if batch:
            yield Key(setting, row.res, row.seq, batch)


def count(model: torch.nn.Module, key: Key, loss: Any = None) -> Step:
    """Count one step of a model."""
    from pytest_modelbudget import measure
    from pytest_modelbudget.counting import counted_run

    kept: list[Any] = []

    class Kept(counted_run.Allocations):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            kept.append(self)

    plain, counted_run.Allocations = counted_run.Allocations, Kept  # type: ignore[misc]
    setting = key.setting
    options: dict[str, Any] = {"batch": key.batch, "device": "A100 40GB", "mode": setting.mode}
    if setting.amp:
        options["amp"] = setting.amp
    if setting.optimizer:
        options["optimizer"] = setting.optimizer
    if setting.written_attention:
        options["attention"] = "math"
    if loss is not None and setting.mode == "train":
        options["loss"] = loss
    if key.seq:
        options["seq"] = key.seq
    elif setting.channels_last:
        image = torch.empty(key.batch, 3, key.res, key.res, device="meta")
        options["inputs"] = (image.to(memory_format=torch.channels_last),)
    else:
        options["res"] = key.res
    try:
        with _Attention() as attention:
            cost = measure(model, **options)
    finally:
        counted_run.Allocations = plain  # type: ignore[misc]
    assert cost.throughput is not None
    assert cost.peak is not None
    work = tuple(replace(one, module="") for one in cost.throughput.work)
    allocations = kept[-1]
    return Step(work, allocations.held, allocations.events, allocations.phases, cost.peak.total,
                dict(cost.peak.kinds), cost.notes, attention.sequences)  # fmt: skip


class _Attention(TorchFunctionMode):
    """Notes the most sequences that one call of fused attention has."""

    sequences = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note a call, and run it."""
        if function is torch.nn.functional.scaled_dot_product_attention and args[0].dim() == 4:
            self.sequences = max(self.sequences, args[0].shape[0])
        return function(*args, **(kwargs or {}))


def main() -> None:
    """Count what is not there yet."""
    from .models import built  # timm and transformers take long to import, and reading needs neither

    tables, folder = map(Path, sys.argv[1:3])
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, dict[Key, None]] = {}
    for row in rows(tables):
        for key in keys_of(row):
            wanted.setdefault(row.model, {})[key] = None
    names = sorted(wanted, key=lambda name: (not any(k.seq for k in wanted[name]), hashlib.md5(name.encode()).digest()))
    start = time.time()
    for number, name in enumerate(names):
        path = folder / f"{name}.json.gz"
        if path.exists():
            continue
        found: dict[Key, Step | str] = {}
        for key in sorted(wanted[name]):
            try:
                with built(name, key.setting, key.res) as (model, loss):
                    found[key] = count(model, key, loss)
            except Exception as error:  # noqa: BLE001  one model that is refused must not stop the others
                found[key] = f"{type(error).__name__}: {error}"[:300]
        save(path, found)
        failed = [error for error in found.values() if isinstance(error, str)]
        print(
            f"{time.time() - start:6.0f}s {number + 1}/{len(names)} {name} {len(found)} {failed[:1] or ''}", flush=True
        )


if __name__ == "__main__":
    main()
