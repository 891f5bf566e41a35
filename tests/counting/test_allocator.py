"""The simulated allocator: sizes of blocks and segments by hand, by the rules of CUDACachingAllocator.cpp."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.counting.recording import allocator
from pytest_modelbudget.counting.recording.allocations import FIRST_STEP, Allocations
from pytest_modelbudget.counting.recording.allocator import CachingAllocator, Full, reserved_bytes, tight_bytes

MIB = 1 << 20


def reserved(*sizes: int) -> int:
    allocator = CachingAllocator()
    for size in sizes:
        allocator.allocate(size)
    return allocator.reserved


def test_segments_by_hand():
    assert reserved(1) == 2 * MIB  # of small blocks
    assert reserved(MIB) == 2 * MIB
    assert reserved(MIB, MIB) == 2 * MIB
    assert reserved(MIB, MIB, 1) == 4 * MIB
    assert reserved(MIB + 1) == 20 * MIB  # of large ones
    assert reserved(5 * MIB, 5 * MIB, 5 * MIB, 5 * MIB) == 20 * MIB
    assert reserved(10 * MIB) == 10 * MIB  # of its own
    assert reserved(11 * MIB - 1) == 12 * MIB


def test_what_is_left_of_a_large_block_is_split_off_above_one_mib():
    """Of a free block of 12 MiB, 11 MiB leave 1 MiB, which stays with it; 10 leave 2, which 2 more fill."""
    for size, more in ((11 * MIB, 20 * MIB), (10 * MIB, 0)):
        allocator = CachingAllocator()
        allocator.release(allocator.allocate(12 * MIB))
        allocator.allocate(size)
        allocator.allocate(2 * MIB)
        assert allocator.reserved == 12 * MIB + more


def test_neighbours_that_are_free_are_one_block():
    allocator = CachingAllocator()
    first, second, third = (allocator.allocate(5 * MIB) for _ in range(3))
    allocator.release(first)
    allocator.release(third)  # with the 5 MiB behind it
    allocator.release(second)
    allocator.allocate(20 * MIB)
    assert allocator.reserved == 20 * MIB


def test_the_smallest_free_block_is_taken():
    allocator = CachingAllocator()
    small, large = allocator.allocate(12 * MIB), allocator.allocate(40 * MIB)
    allocator.release(large)
    allocator.release(small)
    allocator.allocate(12 * MIB)
    allocator.allocate(40 * MIB)
    assert allocator.reserved == 52 * MIB


@given(st.lists(st.tuples(st.integers(0, 64 * MIB), st.booleans()), max_size=60))
def test_segments_hold_what_is_alive(steps):
    allocator, alive = CachingAllocator(), {}
    for size, freed in steps:
        alive[allocator.allocate(size)] = size
        if freed:
            block = min(alive, key=lambda block: block.address)
            allocator.release(block)
            del alive[block]
    assert allocator.reserved >= sum(alive.values())
    for block in alive:
        allocator.release(block)
    before = allocator.reserved
    assert reserved_bytes(Allocations()) == 0
    allocator.allocate(1)
    assert allocator.reserved in (before, before + 2 * MIB)


def test_a_second_step_keeps_the_state_of_the_optimizer():
    """Weights 20, activations 30, gradients 20 in the place of none, state 20: then all of it at once.

    The first step takes 20 + 30 + 20 MiB, and the state fits where the activations were (30, of which 10 are left); the
    second needs 30 more for its activations, and the gradients go where they were.
    """
    found = Allocations()
    found.hold(20 * MIB)
    activations = found.allocate(30 * MIB)
    found.phase("backward")
    gradients = found.allocate(20 * MIB)
    found.free(activations)
    found.phase(FIRST_STEP)
    state = found.allocate(20 * MIB)
    found.phase("optimizer")
    assert found.state() == {state}
    assert gradients not in found.state()
    assert reserved_bytes(found) == (20 + 30 + 20 + 30) * MIB


def test_free_segments_are_given_back_where_there_is_no_room():
    """12 MiB free and 30 asked of 40: the 12 go. A part of the 30 that is taken keeps all of them."""
    allocator = CachingAllocator(40 * MIB)
    allocator.release(allocator.allocate(12 * MIB))
    large = allocator.allocate(30 * MIB)
    assert allocator.reserved == 30 * MIB
    allocator.release(large)
    allocator.allocate(10 * MIB)
    with pytest.raises(Full):
        allocator.allocate(25 * MIB)


def test_the_fewest_bytes_by_hand():
    """Blocks of 100, then of 200 MiB, one after the other: 300 with room, and no more than the larger one without."""
    found = Allocations()
    for size in (100, 200):
        found.free(found.allocate(size * MIB))
    assert reserved_bytes(found) == 300 * MIB
    assert tight_bytes(found, 200 * MIB, 300 * MIB) == pytest.approx(200 * MIB, rel=0.02)
    assert tight_bytes(found, 300 * MIB, 300 * MIB) == 300 * MIB


@given(st.lists(st.tuples(st.integers(0, 64 * MIB), st.booleans()), max_size=40))
def test_the_fewest_bytes_are_between_what_is_alive_and_what_is_taken_with_room(steps):
    found, alive, highest, held = Allocations(), [], 0, {}
    for size, freed in steps:
        number = found.allocate(size)
        alive.append(number)
        held[number] = size
        highest = max(highest, sum(held[each] for each in alive))
        if freed:
            found.free(alive.pop(0))
    for number in alive:
        found.free(number)
    with_room = reserved_bytes(found)
    assert min(highest, with_room) <= tight_bytes(found, min(highest, with_room), with_room) <= with_room


def test_an_allocator_is_simulated_for_a_named_card_alone_and_a_few_times(monkeypatch):
    """Once with room, and by halves of what is between where a card may get full; without a card nothing is."""
    made = []

    class Noted(CachingAllocator):
        def __init__(self, room=None):
            made.append(room)
            super().__init__(room)

    monkeypatch.setattr(allocator, "CachingAllocator", Noted)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3))
    plain = measure(model, batch=64, res=64)
    assert made == []
    named = measure(model, batch=64, res=64, device="T4")
    assert made == [None]
    made.clear()
    growing = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 40, 3), nn.Conv2d(40, 90, 3))  # no block is used again
    measure(growing, batch=2048, res=64, device="T4")
    assert made[0] is None
    assert 1 < len(made) <= 1 + 6
    assert (named.flops, named.params, named.footprint is not None) == (plain.flops, plain.params, True)
    assert plain.footprint is None
