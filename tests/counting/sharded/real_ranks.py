"""One rank of a real group of processes (gloo) that runs a step: its live bytes, collectives and FLOPs, as JSON.

Run as ``python real_ranks.py RANK WORLD STORE CASES OUT``. It knows nothing of the package.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from counting.live_bytes import LiveBytes, as_written, summed
from counting.sharded.models import INPUTS, built
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_TIMES = 3
"""Steps of which the least peak is taken: gloo's thread keeps the tensor of a collective a moment longer than the step
that waited for it."""


def is_wrapped(types: Any) -> bool:
    """Whether an operator is called with a DTensor, or one that is waited for: it calls operators on what is inside."""
    return any(issubclass(kind, (DTensor, AsyncCollectiveTensor)) for kind in types)


class Live(LiveBytes):
    """Live bytes of a step that gives gloo's thread that moment, of the tensors inside of others."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_wrapped(types):
            return NotImplemented
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if func is torch.ops._c10d_functional.wait_tensor.default:
            time.sleep(0.002)
        return out


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
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train(mode == "train")

    def step() -> None:
        if mode == "infer":
            with torch.no_grad():
                model(x)
            return
        optimizer.zero_grad()
        summed(model(x)).backward()
        optimizer.step()

    live = Live(x, *held(model))
    if way.startswith("ddp"):
        parameters, sparse = model._build_params_for_reducer()
    with as_written():
        with resizes(live), live:
            if way.startswith("ddp"):  # a reducer whose buckets are seen
                model._ddp_init_helper(parameters, sparse, {}, False)
            step()
            step()
            peaks = []
            for _ in range(_TIMES):
                if mode == "train":
                    optimizer.zero_grad()
                live.peak = live.live
                step()
                peaks.append(live.peak)
        calls = Calls()
        with calls:
            step()
    return {"peak": min(peaks), "collectives": calls.collectives, "flops": calls.flops}


def main() -> None:
    rank, world, store, cases, out = sys.argv[1:]
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=int(rank), world_size=int(world))
    torch.set_num_threads(1)
    found = {" / ".join(case): measured(case[0], case[1], int(world), case[2]) for case in json.loads(cases)}
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
