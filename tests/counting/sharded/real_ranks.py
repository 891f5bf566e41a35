"""The ranks of real groups of processes (gloo) that run steps: live bytes, collectives and FLOPs of each, as JSON.

Run as ``python real_ranks.py CASES OUT``: ``CASES`` has those of each size of a group, ``OUT`` is a folder. It knows
nothing of the package.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from counting.live_bytes import LiveBytes, as_written, summed
from counting.sharded.models import INPUTS, built, scheduled
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_MOMENT = 0.002
"""Seconds in which gloo's thread lets go of the tensors of a collective, which it has until after it has told those who
wait: without, a few of a hundred are alive when the wait is over, with it none."""


def is_wrapped(types: Any) -> bool:
    """Whether an operator is called with a DTensor, or one that is waited for: it calls operators on what is inside."""
    return any(issubclass(kind, (DTensor, AsyncCollectiveTensor)) for kind in types)


class Live(LiveBytes):
    """Live bytes of the tensors inside of others, without the copy in which gloo sums up what it scatters."""

    waits = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_wrapped(types):
            return NotImplemented
        if self.waits:
            return func(*args, **(kwargs or {}))
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is torch.ops._c10d_functional.wait_tensor.default:
            time.sleep(_MOMENT)
        return out


@contextmanager
def waits_a_moment(mode: Live) -> Iterator[None]:
    """FSDP and DDP wait for the handle of a collective, which is no operator."""
    wait = dist.Work.wait

    def waiting(work: Any, *args: Any) -> Any:
        mode.waits = True
        done = wait(work, *args)
        mode.waits = False
        time.sleep(_MOMENT)
        return done

    dist.Work.wait = waiting
    try:
        yield
    finally:
        dist.Work.wait = wait


@contextmanager
def resizes(mode: LiveBytes) -> Iterator[None]:
    """FSDP frees and allocates parameters by resizing their storages, which is no operator."""
    resize = torch.UntypedStorage.resize_

    def resizing(storage: Any, size: int) -> Any:
        out = resize(storage, size)
        mode.resized(storage)
        return out

    torch.UntypedStorage.resize_ = resizing
    try:
        yield
    finally:
        torch.UntypedStorage.resize_ = resize


class Calls(TorchDispatchMode):
    """Counts the collectives that reach the process group, with the bytes they are given, and FLOPs."""

    def __init__(self) -> None:
        super().__init__()
        self.collectives: dict[str, list[int]] = {}
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_wrapped(types):
            return NotImplemented
        out = func(*args, **(kwargs or {}))
        if func.namespace in ("c10d", "_c10d_functional"):
            name = func._schema.name.partition("::")[2]
            if name != "wait_tensor":
                total = self.collectives.setdefault(name, [0, 0])
                total[0] += 1
                total[1] += size(args[0])
        elif func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def size(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.nbytes
    return sum(map(size, value)) if isinstance(value, (list, tuple)) else 0


def held(model: torch.nn.Module) -> list[torch.Tensor]:
    tensors = [*model.parameters(), *model.buffers()]
    return [t._local_tensor if hasattr(t, "_local_tensor") else t for t in tensors]


def measured(name: str, way: str, world: int, mode: str) -> dict[str, Any]:
    """A step of one case, after another that settles what is allocated once."""
    torch.manual_seed(0)
    x = INPUTS[name]()
    model = built(name, way, world)
    if mode == "bfloat16":
        model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train(mode != "infer")

    def step() -> None:
        if mode == "infer":
            with torch.no_grad():
                model(x)
            return
        optimizer.zero_grad()
        if name == "stage":
            scheduled(model, x)
        else:
            with torch.autocast("cpu", torch.bfloat16, enabled=mode == "amp"):
                loss = summed(model(x))
            loss.backward()
            del loss
        optimizer.step()

    live = Live(x, *held(model))
    if way.startswith("ddp"):
        parameters, sparse = model._build_params_for_reducer()
    with as_written(), resizes(live), waits_a_moment(live), live:
        if way.startswith("ddp"):  # a reducer whose buckets are seen
            model._ddp_init_helper(parameters, sparse, {}, False)
        step()
        step()
        if mode != "infer":
            optimizer.zero_grad()
        live.peak = live.live
        with Calls() as calls:
            step()
    return {"peak": live.peak, "collectives": calls.collectives, "flops": calls.flops}


def run(rank: int, world: int, cases: list[list[str]], out: Path) -> None:
    """The cases of one rank of a group."""
    dist.init_process_group("gloo", init_method=f"file://{out}/{world}", rank=rank, world_size=world)
    found = {" / ".join(case): measured(case[0], case[1], world, case[2]) for case in cases}
    (out / f"{world}-{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


def main() -> None:
    """Fork the ranks of each group: PyTorch is imported once."""
    cases, out = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    forks = multiprocessing.get_context("fork")
    for world in map(int, cases):
        ranks = [forks.Process(target=run, args=(rank, world, cases[str(world)], out)) for rank in range(world)]
        for one in ranks:
            one.start()
        for one in ranks:
            one.join()
        if any(one.exitcode for one in ranks):
            sys.exit(f"a rank of {world} failed")


if __name__ == "__main__":
    main()
