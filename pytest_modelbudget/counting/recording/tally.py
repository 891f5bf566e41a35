"""The sums of a count: what the operators cost by module, by operator and in the backward pass."""

from __future__ import annotations

from collections import Counter

from ..operators.count import Count


class Tally:
    """The running sums of the cost of some calls, and their number."""

    __slots__ = ("activations", "calls", "fvcore", "macs", "torch")

    def __init__(self) -> None:
        self.macs = self.fvcore = self.torch = self.activations = self.calls = 0

    def add(self, count: Count) -> None:
        """Add the cost of one operator call."""
        macs, fvcore, torch, activations = count
        self.macs += macs
        self.fvcore += fvcore
        self.torch += torch
        self.activations += activations

    def flops(self, convention: str) -> int:
        """FLOPs in the convention named."""
        return self.fvcore if convention == "fvcore" else self.torch


class Tallies:
    """All sums of one count.

    ``modules`` have the operators that each module calls itself, without its submodules, and how often the module is
    called; ``operators`` those of one name; ``backward`` those of the backward pass. ``uncounted`` are the calls of
    operators without a formula, ``uncounted_in`` the modules that made them, in order. What is added counts ``times``.
    """

    def __init__(self) -> None:
        self.times = 1
        self.clear()

    def clear(self) -> None:
        """Begin again with nothing."""
        self.modules: dict[str, Tally] = {"": Tally()}
        self.operators: dict[str, Tally] = {}
        self.backward = Tally()
        self.uncounted: Counter[str] = Counter()
        self.uncounted_in: dict[str, dict[str, None]] = {}

    def add(self, operator: str, module: str, count: Count, phase: str) -> Count:
        """Add one call, and return its cost as it was added: only outputs of the forward pass are activations."""
        if self.times > 1:
            count = Count(*[number * self.times for number in count])
        if phase != "forward":
            count = count._replace(activations=0)
            if phase == "backward":
                self.backward.add(count)
        self.modules[module].add(count)
        tally = self.operators.get(operator)
        if tally is None:
            tally = self.operators[operator] = Tally()
        tally.add(count)
        tally.calls += self.times
        return count

    def report(self, operator: str, module: str) -> None:
        """Add one call that cannot be counted."""
        self.uncounted[operator] += self.times
        self.uncounted_in.setdefault(operator, {})[module] = None
