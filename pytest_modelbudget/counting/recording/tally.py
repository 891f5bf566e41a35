"""The sums of a count: what the operators cost by module, by operator and in the backward pass."""

from __future__ import annotations

from collections import Counter

from ...values.communication import Collective, Sent
from ..operators.count import Count


class Tally:
    """The running sums of the cost of some calls, and their number.

    ``recomputed`` are the calls in the backward pass, ``inputs`` the elements of the tensors given to the others.
    """

    __slots__ = ("activations", "calls", "fvcore", "inputs", "macs", "recomputed", "torch")

    def __init__(self) -> None:
        self.macs = self.fvcore = self.torch = self.activations = self.calls = self.recomputed = self.inputs = 0

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
    called; ``operators`` those of one name; ``backward`` those of the backward pass. ``called`` are the operators that
    each module calls in the forward pass, views left out, and how often; ``lines`` has the file and the lines of the
    first and last call, by module and operator. ``uncounted`` are the calls of operators without a formula,
    ``uncounted_in`` the modules that made them, in order; ``sent`` the collectives, by module, kind and
    ranks. What is added counts ``times``.
    """

    def __init__(self) -> None:
        self.times = 1
        self.clear()

    def clear(self) -> None:
        """Begin again with nothing."""
        self.modules: dict[str, Tally] = {"": Tally()}
        self.operators: dict[str, Tally] = {}
        self.backward = Tally()
        self.called: dict[str, Counter[str]] = {}
        self.lines: dict[tuple[str, str], tuple[str, int, int]] = {}
        self.sent: dict[tuple[str, str, int], list[int]] = {}
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

    def note_call(self, operator: str, module: str, place: tuple[str, int] | None) -> None:
        """Note that a module called an operator in the forward pass, and where in the code."""
        if place is not None:
            _, first, _ = self.lines.get((module, operator), (*place, 0))
            self.lines[module, operator] = place[0], first, place[1]
        calls = self.called.get(module)
        if calls is None:
            calls = self.called[module] = Counter()
        calls[operator] += self.times

    def send(self, module: str, sent: Sent) -> None:
        """Add one call of a collective."""
        total = self.sent.setdefault((module, sent.kind, sent.ranks), [0, 0, 0])
        for place, value in enumerate((1, sent.payload, sent.sends)):
            total[place] += value * self.times

    def communication(self) -> int:
        """The bytes sent."""
        return sum(total[-1] for total in self.sent.values())

    def collectives(self) -> tuple[Collective, ...]:
        """What was sent, by module and kind."""
        return tuple(Collective(kind, ranks, module, *total) for (module, kind, ranks), total in self.sent.items())

    def report(self, operator: str, module: str) -> None:
        """Add one call that cannot be counted."""
        self.uncounted[operator] += self.times
        self.uncounted_in.setdefault(operator, {})[module] = None
