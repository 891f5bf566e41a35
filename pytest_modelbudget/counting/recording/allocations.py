"""The allocations of a step in their order: what an allocator was asked for, and what it got back."""

from __future__ import annotations


class Allocations:
    """What a step asks of an allocator, as a list of whole numbers.

    ``events`` has the size of each allocation in bytes, and ``-1 - n`` where the one that is the n-th of them is freed.
    ``held`` are the sizes of what is there before the step, and stays; ``phases`` say at which event each one begins.
    """

    def __init__(self) -> None:
        self.held: list[int] = []
        self.events: list[int] = []
        self.phases: dict[str, int] = {"forward": 0}
        self._made = 0

    def hold(self, size: int) -> None:
        """Note what is allocated before anything runs, and until the end."""
        self.held.append(size)

    def allocate(self, size: int) -> int:
        """Note an allocation. Returns the number that frees it."""
        self.events.append(size)
        self._made += 1
        return self._made - 1

    def free(self, number: int) -> None:
        """Note the end of an allocation."""
        self.events.append(-1 - number)

    def phase(self, name: str) -> None:
        """Note that a phase of the step begins."""
        self.phases[name] = len(self.events)

    def state(self) -> set[int]:
        """The numbers of those that the first step of an optimizer made and that stay: its state."""
        first, end = self.phases.get(FIRST_STEP), self.phases.get("optimizer")
        if first is None:
            return set()
        made = sum(event >= 0 for event in self.events[:first])
        made_until = made + sum(event >= 0 for event in self.events[first:end])
        freed = {-1 - event for event in self.events if event < 0}
        return set(range(made, made_until)) - freed


FIRST_STEP = "first optimizer step"
"""The phase in which an optimizer makes its state."""
