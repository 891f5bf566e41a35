"""The bytes that are alive: every storage of a run, from its allocation by an operator to its last reference."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ...values.peak import KINDS, Peak
from .allocations import Allocations
from .tensors import storages_of

BLOCK = {"cpu": 1, "cuda": 512}
"""The bytes that allocations are rounded up to: none on a CPU, a block of CUDA's caching allocator (kMinBlockSize)."""


class _Block(weakref.ref[Any]):
    """One storage: its address, bytes, kind, the module that allocated it, and the clock at its start and end.

    An ``older`` one was there before: a tensor of the process that the model took a view of.
    """

    __slots__ = ("born", "died", "key", "kind", "module", "older", "place", "size")

    key: int
    size: int
    kind: str
    module: str
    born: int
    died: int | None
    older: bool
    place: int


class _Highest:
    """The most bytes that were alive at once in one phase, and the clock and the module at that moment.

    ``temporaries`` are those of the bytes that are in no block: they were freed before their operator returned.
    """

    __slots__ = ("at", "live", "module", "temporaries")

    def __init__(self, live: int, at: int) -> None:
        self.live, self.at, self.module, self.temporaries = live, at, "", 0


class Ledger:
    """The storages that are alive, by kind (`KINDS`), and the peak of each phase of a step.

    Views share a storage, operators in place allocate none, and a storage is freed with its last reference, such as
    one of autograd's saved tensors. ``device_type`` says whose allocator is followed: that of ``"cpu"`` takes exact
    bytes; that of ``"cuda"`` rounds them up, and leaves out single numbers that stay on the host, such as the step
    count of an optimizer. ``allocations`` gets each of them in order, if it is given.
    """

    def __init__(self, device_type: str, *, on_meta: bool, allocations: Allocations | None = None) -> None:
        self.device_type = device_type
        self._allocations = allocations
        self._round = BLOCK[device_type]
        self._host_size = 8 if device_type == "cuda" and on_meta else -1  # bytes: one real number beside meta tensors
        self._held: set[int] = set()
        self._kept_alive: list[torch.Tensor] = []
        self._base = dict.fromkeys(KINDS, 0)
        self._parts: list[int] = []
        self._on_host: list[weakref.ref[Any]] = []
        self._open: dict[int, _Block] = {}
        self._all: list[_Block] = []
        self._clock = 0
        self._live = 0
        self._kind = "activations"
        self._highest = _Highest(0, 0)
        self._phases: dict[str, _Highest] = {"forward": self._highest}

    # -- what is recorded ------------------------------------------------------------------------------------------

    def hold(self, tensors: Iterable[torch.Tensor], kind: str) -> None:
        """Add tensors that exist before anything runs, and until the end."""
        held = self._held
        for tensor in tensors:
            self._kept_alive.append(tensor)  # so that no new storage gets the address of its own
            for storage in storages_of(tensor):
                key = storage._cdata
                if key not in held:
                    held.add(key)
                    size = self._size(storage)
                    self._base[kind] += size
                    if self._allocations is not None:
                        self._allocations.hold(size)
        self._begin()

    def stands_for(self, storage: Any, copy: Any) -> None:
        """Take the storage ``copy``, as long as it is alive, for ``storage``: it takes no bytes beside it."""
        if storage._cdata in self._held or storage._cdata in self._open:
            key = copy._cdata
            self._held.add(key)
            weakref.finalize(copy, self._held.discard, key).atexit = False

    def hold_bytes(self, size: int, kind: str) -> None:
        """Add memory that exists before anything runs, and until the end, and is in no storage of PyTorch."""
        self._base[kind] += self.rounded(size)
        if size and self._allocations is not None:
            self._allocations.hold(self.rounded(size))
        self._begin()

    def _begin(self) -> None:
        self._live = sum(self._base.values())
        self._highest = self._phases["forward"] = _Highest(self._live, 0)

    def reassign(self, tensors: Iterable[torch.Tensor], kind: str, module: str = "") -> None:
        """Change the kind and module of tensors that operators made, once it is known what they are for."""
        for tensor in tensors:
            for storage in storages_of(tensor):
                block = self._open.get(storage._cdata)
                if block is not None:
                    block.kind, block.module = kind, module

    @contextmanager
    def made_as(self, kind: str) -> Iterator[None]:
        """Let what is allocated inside be of a kind, whatever the phase."""
        before, self._kind = self._kind, kind
        try:
            yield
        finally:
            self._kind = before

    def record(self, result: Any, module: str, args: Sequence[Any] = ()) -> None:
        """Add what an operator of ``module`` returned: each tensor with a new storage is an allocation.

        ``args`` are those of the operator, if its result may share their storage.
        """
        if isinstance(result, torch.Tensor):
            if type(result) is torch.Tensor and result.layout is torch.strided:
                self._record(result.untyped_storage(), module, args)
            else:
                for storage in storages_of(result):
                    self._record(storage, module, args)
        elif isinstance(result, (list, tuple)):
            for item in result:
                if isinstance(item, torch.Tensor):
                    for storage in storages_of(item):
                        self._record(storage, module, args)

    def _record(self, storage: Any, module: str, args: Sequence[Any]) -> None:
        key = storage._cdata
        block = self._open.get(key)
        if block is None:
            if key not in self._held:
                older = bool(args) and any(isinstance(arg, torch.Tensor) and key in _keys(arg) for arg in args)
                self._allocate(storage, key, self._kind, module, older=older)
        elif self._size(storage) != block.size:  # resized in place
            self._free(block)
            self._allocate(storage, key, block.kind, block.module, older=block.older)

    def resized(self, storage: Any) -> None:
        """Follow a storage that code resized without an operator, as FSDP frees and allocates parameters."""
        key = storage._cdata
        block = self._open.get(key)
        if block is not None and self._size(storage) != block.size:
            self._free(block)
            kind, module = block.kind, block.module
        elif block is None and key not in self._held:
            kind, module = self._kind, ""
        else:
            return
        if storage.nbytes():
            self._allocate(storage, key, kind, module, older=False)

    def _size(self, storage: Any) -> int:
        size: int = storage.nbytes()
        return size if self._round == 1 else self.rounded(size)

    def rounded(self, size: int) -> int:
        """The bytes that an allocation of ``size`` bytes takes."""
        return -(-size // self._round) * self._round

    def _allocate(self, storage: Any, key: int, kind: str, module: str, *, older: bool) -> None:
        size = self._size(storage)
        if self._host_size > 0 and storage.nbytes() <= self._host_size and storage.device.type == "cpu":
            if not older:
                self._on_host.append(weakref.ref(storage))
            return
        self._clock += 1
        block = _Block(storage, self._collected)
        block.key, block.size, block.kind = key, size, kind
        block.module, block.born, block.died, block.older = module, self._clock, None, older
        if self._allocations is not None:
            block.place = self._allocations.allocate(size)
        self._open[key] = block
        self._all.append(block)
        self._live += size
        if self._live > self._highest.live:
            self._reach(self._live, module, 0)

    def _collected(self, block: _Block) -> None:
        if self._open.get(block.key) is block:
            self._free(block)

    def _free(self, block: _Block) -> None:
        del self._open[block.key]
        block.died = self._clock
        self._live -= block.size
        if self._allocations is not None:
            self._allocations.free(block.place)

    def _reach(self, live: int, module: str, temporaries: int) -> None:
        highest = self._highest
        highest.live, highest.at, highest.module, highest.temporaries = live, self._clock, module, temporaries

    def release(self) -> list[weakref.ref[Any]]:
        """Let go of every tensor and storage at the end. Returns references to the new storages that are alive."""
        blocks = [block for block in self._open.values() if not block.older]
        left = [weakref.ref(storage) for block in blocks if (storage := block()) is not None]
        left += self._on_host
        for kept in (self._kept_alive, self._open, self._all, self._on_host):
            kept.clear()
        return left

    # -- composite operators ---------------------------------------------------------------------------------------

    @contextmanager
    def temporaries(self) -> Iterator[list[int]]:
        """Measure how many more bytes are alive at once inside than at the end.

        The list that it yields is filled at the end, with a number for each part (see `end_part`). None of them is a
        peak of the phase until `add_temporaries` makes it one.
        """
        outer, parts = self._highest, self._parts
        found: list[int] = []
        self._parts = found
        self._highest = _Highest(self._live, self._clock)
        try:
            yield found
        finally:
            self.end_part()
            found[:] = [live - self._live for live in found]
            self._highest, self._parts = outer, parts

    def end_part(self) -> None:
        """End one part of what runs inside `temporaries`, and begin another."""
        self._parts.append(self._highest.live)
        self._highest = _Highest(self._live, self._clock)

    def add_temporaries(self, size: int, module: str) -> None:
        """Add that an operator, whose result is recorded, had ``size`` bytes more alive at its peak."""
        if size and self._allocations is not None:
            self._allocations.free(self._allocations.allocate(size))
        if self._live + size > self._highest.live:
            self._clock += 1
            self._reach(self._live + size, module, size)

    # -- phases and peaks ------------------------------------------------------------------------------------------

    def phase(self, name: str) -> None:
        """Begin a phase with a peak of its own, or go on with it.

        After forward, new storages are temporaries, unless reassigned.
        """
        self._kind = "activations" if name == "forward" else "temporaries"
        self._clock += 1
        if self._allocations is not None:
            self._allocations.phase(name)
        known = self._phases.get(name)
        if known is None:
            known = self._phases[name] = _Highest(self._live, self._clock)
        self._highest = known

    def start_again(self) -> None:
        """Begin with the forward of another step. What is alive stays so; the peaks until now are forgotten."""
        self._phases.clear()
        self.phase("forward")

    def highest(self, phase: str) -> int:
        """The most bytes that were alive at once in a phase."""
        return self._phases[phase].live

    def highest_of_all(self) -> int:
        """The most bytes that were alive at once in any phase."""
        return max(highest.live for highest in self._phases.values())

    def held(self) -> int:
        """The bytes of what existed before anything ran."""
        return sum(self._base.values())

    def peak(self, phases: Iterable[str], later: Iterable[str] = ()) -> Peak:
        """The highest peak among ``phases`` that there were.

        Blocks of the kinds in ``later`` count as alive from the beginning.

        That gives the steady state from a single step: the optimizer's state is allocated at its end, and exists
        throughout every later step.
        """
        later = frozenset(later)
        alive = {name: self._alive(self._phases[name], later) for name in phases if name in self._phases}
        base = sum(self._base.values())
        totals = {
            name: base + sum(b.size for b in blocks) + self._phases[name].temporaries for name, blocks in alive.items()
        }
        phase = max(totals, key=lambda name: totals[name])
        highest = self._phases[phase]
        kinds = dict(self._base)
        kinds["temporaries"] += highest.temporaries
        kept: dict[str, int] = {highest.module: highest.temporaries} if highest.temporaries else {}
        for block in alive[phase]:
            kinds[block.kind] += block.size
            if block.kind != "optimizer":
                kept[block.module] = kept.get(block.module, 0) + block.size
        return Peak(phase=phase, module=highest.module, kinds=kinds, phases=totals, kept=kept)

    def _alive(self, highest: _Highest, later: frozenset[str]) -> list[_Block]:
        return [
            block
            for block in self._all
            if (block.born <= highest.at and (block.died is None or block.died >= highest.at))
            or (block.kind in later and block.died is None and block.born > highest.at)
        ]


def _keys(tensor: torch.Tensor) -> set[int]:
    return {storage._cdata for storage in storages_of(tensor)}
