"""Which bytes are alive: every storage that a run makes, from the operator that made it to its last reference."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...values.peak import KINDS, Peak

BLOCK = {"cpu": 1, "cuda": 512}
"""Bytes that allocations are rounded up to: as they are, and as CUDA's caching allocator does (kMinBlockSize)."""


class _Block(weakref.ref[Any]):
    """One storage: its address, size, what it is for, the module that made it, and the clock when it came and went."""

    __slots__ = ("born", "died", "key", "kind", "module", "size")

    key: int
    size: int
    kind: str
    module: str
    born: int
    died: int | None


class _Top:
    """The most that was alive at once in one phase, when it was, and what of it nothing outlived its operator."""

    __slots__ = ("at", "live", "module", "passing")

    def __init__(self, live: int, at: int) -> None:
        self.live, self.at, self.module, self.passing = live, at, "", 0


class Ledger:
    """The storages alive, by what they are for, and the peak of each phase.

    Views share a storage, what is written in place needs none, and a storage is freed when its last reference goes:
    autograd's saved tensors are such references. ``rules`` are ``"cpu"`` (exact bytes) or ``"cuda"`` (sizes rounded
    as its allocator does; single numbers that stay on the host, such as an optimizer's step count, left out).
    """

    def __init__(self, rules: str, *, on_meta: bool) -> None:
        self.rules = rules
        self._round = BLOCK[rules]
        self._skip = 8 if rules == "cuda" and on_meta else -1  # bytes: a real number beside tensors on meta
        self._held: set[int] = set()
        self._kept: list[torch.Tensor] = []
        self._base = dict.fromkeys(KINDS, 0)
        self._parts: list[int] = []
        self._open: dict[int, _Block] = {}
        self._all: list[_Block] = []
        self._clock = 0
        self._live = 0
        self._kind = "activations"
        self._top = _Top(0, 0)
        self._tops: dict[str, _Top] = {"forward": self._top}

    # -- what is seen ----------------------------------------------------------------------------------------------

    def hold(self, tensors: Iterable[torch.Tensor], kind: str) -> None:
        """Tensors that are there before anything runs, and stay."""
        held = self._held
        for tensor in tensors:
            self._kept.append(tensor)  # so that nothing new gets its address
            for storage in _storages(tensor):
                key = storage._cdata
                if key not in held:
                    held.add(key)
                    self._base[kind] += self._size(storage)
        self._live = sum(self._base.values())
        self._top = self._tops["forward"] = _Top(self._live, 0)

    def turned_out(self, tensors: Iterable[torch.Tensor], kind: str, module: str = "") -> None:
        """Tensors that operators made, and that are for something else than they seemed to be."""
        for tensor in tensors:
            for storage in _storages(tensor):
                known = self._open.get(storage._cdata)
                if known is not None:
                    known.kind, known.module = kind, module

    def saw(self, result: Any, module: str) -> None:
        """What an operator returned: tensors with a new storage are new memory."""
        if isinstance(result, torch.Tensor):
            if result.layout is torch.strided:
                self._saw(result.untyped_storage(), module)
            else:
                for storage in _storages(result):
                    self._saw(storage, module)
        elif isinstance(result, (list, tuple)):
            for item in result:
                if isinstance(item, torch.Tensor):
                    for storage in _storages(item):
                        self._saw(storage, module)

    def _saw(self, storage: Any, module: str) -> None:
        key = storage._cdata
        known = self._open.get(key)
        if known is None:
            if key not in self._held:
                self._add(storage, key, self._kind, module)
        elif self._size(storage) != known.size:  # resized in place
            self._gone(known)
            self._add(storage, key, known.kind, known.module)

    def _size(self, storage: Any) -> int:
        size: int = storage.nbytes()
        return size if self._round == 1 else self.rounded(size)

    def rounded(self, size: int) -> int:
        """What an allocation of that many bytes takes."""
        return -(-size // self._round) * self._round

    def _add(self, storage: Any, key: int, kind: str, module: str) -> None:
        size = self._size(storage)
        if self._skip > 0 and storage.nbytes() <= self._skip and storage.device.type == "cpu":
            return
        self._clock += 1
        block = _Block(storage, self._freed)
        block.key, block.size, block.kind = key, size, kind
        block.module, block.born, block.died = module, self._clock, None
        self._open[key] = block
        self._all.append(block)
        self._live += size
        if self._live > self._top.live:
            self._reach(self._live, module, 0)

    def _freed(self, block: _Block) -> None:
        if self._open.get(block.key) is block:
            self._gone(block)

    def _gone(self, block: _Block) -> None:
        del self._open[block.key]
        block.died = self._clock
        self._live -= block.size

    def _reach(self, live: int, module: str, passing: int) -> None:
        top = self._top
        top.live, top.at, top.module, top.passing = live, self._clock, module, passing

    # -- operators made of others ----------------------------------------------------------------------------------

    @contextmanager
    def passing(self) -> Iterator[list[int]]:
        """How much more is alive at once inside than what is left of it: in the list that it gives, when it ends.

        There is a number for each part that `part` ends. It is no peak of the phase until `passed` says so.
        """
        outer, parts = self._top, self._parts
        found: list[int] = []
        self._parts = found
        self._top = _Top(self._live, self._clock)
        try:
            yield found
        finally:
            self.part()
            found[:] = [most - self._live for most in found]
            self._top, self._parts = outer, parts

    def part(self) -> None:
        """Inside `passing`, a part ends and another begins."""
        self._parts.append(self._top.live)
        self._top = _Top(self._live, self._clock)

    def passed(self, size: int, module: str) -> None:
        """An operator whose result is there had ``size`` bytes more alive at once while it ran."""
        if self._live + size > self._top.live:
            self._clock += 1
            self._reach(self._live + size, module, size)

    # -- phases and peaks ------------------------------------------------------------------------------------------

    def phase(self, name: str) -> None:
        """A new phase begins: its peak is its own. What is made after the forward pass is temporary until `hold`."""
        self._kind = "activations" if name == "forward" else "temporaries"
        self._clock += 1
        self._top = self._tops[name] = _Top(self._live, self._clock)

    def highest(self, phase: str) -> int:
        """The most that was alive at once in a phase."""
        return self._tops[phase].live

    def peak(self, phases: Iterable[str], later: Iterable[str] = ()) -> Peak:
        """The highest of ``phases``. Blocks of the kinds in ``later`` count as there from the beginning.

        That is how the steady state is found from one step: an optimizer's state is made at its end, and is there in
        every later step.
        """
        later = frozenset(later)
        alive = {name: self._alive(self._tops[name], later) for name in phases}
        base = sum(self._base.values())
        totals = {name: base + sum(b.size for b in blocks) + self._tops[name].passing for name, blocks in alive.items()}
        phase = max(totals, key=lambda name: totals[name])
        top = self._tops[phase]
        kinds = dict(self._base)
        kinds["temporaries"] += top.passing
        kept: dict[str, int] = {top.module: top.passing} if top.passing else {}
        for block in alive[phase]:
            kinds[block.kind] += block.size
            if block.kind != "optimizer":
                kept[block.module] = kept.get(block.module, 0) + block.size
        return Peak(phase=phase, module=top.module, kinds=kinds, phases=totals, kept=kept)

    def _alive(self, top: _Top, later: frozenset[str]) -> list[_Block]:
        return [
            block
            for block in self._all
            if (block.born <= top.at and (block.died is None or block.died >= top.at))
            or (block.kind in later and block.died is None and block.born > top.at)
        ]


def _storages(tensor: torch.Tensor) -> tuple[Any, ...]:
    if tensor.layout is torch.strided:
        return (tensor.untyped_storage(),)
    return tuple(part.untyped_storage() for part in dense_parts(tensor))


def dense_parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The dense tensors that hold a tensor: of a sparse one its indices and values; none of an opaque layout."""
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
    return ()  # oneDNN's own layout has no storage to look at


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python's cycle collector still: when it runs depends on everything the process did before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
