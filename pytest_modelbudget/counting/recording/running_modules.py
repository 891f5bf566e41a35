"""The module that is running: the one whose forward it is, or in backward the one that made the node of autograd."""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import Any

import torch

from ..operators.torchscript import unseen_kernels
from .tally import Tallies, Tally


class RunningModules:
    """Follows the calls of the modules in ``names`` by their hooks, and adds them to ``tallies``.

    ``names`` has all names of each module by its ``id``. ``stack`` has the modules that are running, the innermost
    last, each under the name that it is called by. ``differentiates`` says that autograd records what runs, so that
    backward has to find the module of each node. With ``real``, a scripted module is searched for kernels that run
    without an operator.
    """

    def __init__(self, names: dict[int, tuple[str, ...]], tallies: Tallies, *, real: bool) -> None:
        self.stack: list[tuple[str, Any]] = [("", None)]
        self.differentiates = False
        self._names = names
        self._tallies = tallies
        self._real = real
        self._thread = threading.get_ident()
        self._borders: tuple[list[int], list[str]] = ([0], [""])  # a sequence number of autograd: whose nodes begin

    def enter(self, module: torch.nn.Module, args: Any) -> None:
        """A module is called. It is the hook before forward."""
        names = self._names.get(id(module))
        if names is None:
            return
        if threading.get_ident() != self._thread:
            self._tallies.report("a module called in another thread", names[0])
            return
        inside = self.stack[-1][0]
        name = names[0]
        if len(names) > 1:
            name = next((n for n in names if not inside or n.startswith(inside + ".")), name)
        tally = self._tallies.modules.get(name)
        if tally is None:
            tally = self._tallies.modules[name] = Tally()
        tally.calls += 1
        self.stack.append((name, module))
        if self.differentiates:
            self._begin_nodes()

    def leave(self, module: torch.nn.Module, args: Any, out: Any) -> None:
        """A module returned, or raised. It is the hook after forward."""
        if id(module) not in self._names or threading.get_ident() != self._thread:
            return
        if self._real and out is not None and isinstance(module, torch.jit.ScriptModule):
            for kernel in unseen_kernels():
                self._tallies.report(kernel, self.stack[-1][0])
        while len(self.stack) > 1 and self.stack.pop()[1] is not module:
            pass
        if self.differentiates:
            self._begin_nodes()

    def _begin_nodes(self) -> None:
        """Note that the nodes that autograd makes from here on belong to the module that is running."""
        numbers, names = self._borders
        number = torch._C._autograd._get_sequence_nr()
        name = self.stack[-1][0]
        if numbers[-1] == number:
            names[-1] = name
        else:
            numbers.append(number)
            names.append(name)

    def running(self, phase: str) -> str:
        """The name of the module that is running.

        Autograd numbers its nodes in the order they are made, so those of a module are the numbers from its call to
        its return. What a checkpoint recomputes in backward is the forward of its module.
        """
        name: str = self.stack[-1][0]
        if phase != "backward" or len(self.stack) > 1:
            return name
        node = torch._C._current_autograd_node()
        if node is None:
            return name
        numbers, names = self._borders
        return names[bisect_right(numbers, node._sequence_nr()) - 1]
