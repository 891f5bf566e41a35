"""PyTorch's caching allocator, simulated: how many bytes of a card it takes for the allocations of a step.

Its rules are those of ``c10/cuda/CUDACachingAllocator.cpp``: sizes are rounded up to 512 bytes; up to 1 MiB they come
from segments of 2 MiB, below 10 MiB from segments of 20 MiB, above from one of their own, rounded up to 2 MiB. A block
is the smallest free one that is large enough; what is left of it is split off, in the large pool if it is above 1 MiB.
Neighbours that are free are joined. Nothing is given back while there is room; then all segments that are free as a
whole are.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from .allocations import Allocations

_ROUND = 512
_SMALL, _SMALL_SEGMENT = 1 << 20, 2 << 20
_LARGE, _LARGE_SEGMENT = 10 << 20, 20 << 20
_ROUND_LARGE = 2 << 20
_APART = 1 << 60  # addresses between segments: no two of them are neighbours


class _Block:
    """A part of a segment, at an address, and its neighbours in the segment."""

    __slots__ = ("address", "after", "before", "free", "pool", "size")

    def __init__(self, address: int, size: int, pool: int, before: _Block | None, after: _Block | None) -> None:
        self.address, self.size, self.pool, self.before, self.after = address, size, pool, before, after
        self.free = True

    @property
    def is_segment(self) -> bool:
        """Whether it is a whole segment."""
        return self.before is None and self.after is None


class Full(Exception):
    """There is no room for a segment, also after those that are free were given back."""


class CachingAllocator:
    """``reserved`` are the bytes of all segments, ``room`` the most that they may be, if given."""

    def __init__(self, room: int | None = None) -> None:
        self.reserved, self.room = 0, room
        self._free: tuple[list[_Free], list[_Free]] = ([], [])  # in the order of sizes, then of addresses
        self._next = 0

    def allocate(self, size: int) -> _Block:
        """Take a block."""
        size = -(-size // _ROUND) * _ROUND or _ROUND
        pool = int(size > _SMALL)
        free = self._free[pool]
        place = bisect_left(free, (size,))
        block = free.pop(place)[2] if place < len(free) else self._segment(size, pool)
        block.free = False
        left = block.size - size
        if left > _SMALL if pool else left >= _ROUND:
            rest = _Block(block.address + size, left, pool, block, block.after)
            if block.after is not None:
                block.after.before = rest
            block.after, block.size = rest, size
            insort(free, (left, rest.address, rest))
        return block

    def _segment(self, size: int, pool: int) -> _Block:
        if not pool:
            whole = _SMALL_SEGMENT
        elif size < _LARGE:
            whole = _LARGE_SEGMENT
        else:
            whole = -(-size // _ROUND_LARGE) * _ROUND_LARGE
        if self.room is not None and self.reserved + whole > self.room:
            self._give_back()
            if self.reserved + whole > self.room:
                raise Full
        address, self._next = self._next, self._next + _APART
        self.reserved += whole
        return _Block(address, whole, pool, None, None)

    def _give_back(self) -> None:
        """Give back the segments of which no part is taken."""
        for free in self._free:
            self.reserved -= sum(size for size, _, block in free if block.is_segment)
            free[:] = [one for one in free if not one[2].is_segment]

    def release(self, block: _Block) -> None:
        """Give a block back, and join it with its neighbours that are free."""
        free = self._free[block.pool]
        if block.after is not None and block.after.free:
            _take(free, block.after)
            _join(block, block.after)
        if block.before is not None and block.before.free:
            _take(free, block.before)
            _join(block.before, block)
            block = block.before
        block.free = True
        insort(free, (block.size, block.address, block))


_Free = tuple[int, int, _Block]


def _take(free: list[_Free], block: _Block) -> None:
    del free[bisect_left(free, (block.size, block.address))]


def _join(block: _Block, after: _Block) -> None:
    block.size, block.after = block.size + after.size, after.after
    if after.after is not None:
        after.after.before = block


def reserved_bytes(allocations: Allocations) -> int:
    """The bytes that the allocator holds once the step has run twice on a card with room."""
    return _run_twice(CachingAllocator(), allocations).reserved


def tight_bytes(allocations: Allocations, least: int, most: int) -> int:
    """The fewest bytes of segments in which the step runs twice, to half a hundredth, from ``least`` to ``most``.

    ``most`` is what it takes with room (`reserved_bytes`). Blocks that lie beside others in a segment keep it.
    """
    while most - least > most // 200:
        middle = (least + most) // 2
        try:
            _run_twice(CachingAllocator(middle), allocations)
        except Full:
            least = middle
        else:
            most = middle
    return most


def _run_twice(allocator: CachingAllocator, allocations: Allocations) -> CachingAllocator:
    """Run the step twice.

    The second step finds the blocks of the first, which are cut otherwise where the optimizer took some for its state.
    Gradients are freed before it (``zero_grad(set_to_none=True)``, PyTorch's default).
    """
    for size in allocations.held:
        allocator.allocate(size)
    state = allocations.state()
    alive: dict[int, _Block] = {}
    for again in (False, True):
        for number in [number for number in alive if number not in state]:
            allocator.release(alive.pop(number))
        made = 0
        for event in allocations.events:
            if event < 0:
                if not (again and -1 - event in state):
                    allocator.release(alive.pop(-1 - event))
            else:
                if not (again and made in state):
                    alive[made] = allocator.allocate(event)
                made += 1
    return allocator
