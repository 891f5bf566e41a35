"""The module that is running: the one whose forward it is, or in backward the one that made the node of autograd."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..operators.torchscript import unseen_kernels
from ..pytorch.private import autograd_node, sequence_number
from .tally import Tallies, Tally
from .tensors import elements_in


class _Thread(threading.local):
    """What is of one thread: the modules that are running in it, and whether it is counted."""

    def __init__(self) -> None:
        self.stack: list[tuple[str, Any]] = [("", None)]
        self.is_counted = False


class RunningModules:
    """Follows the calls of the modules in ``names`` by their hooks, and adds them to ``tallies``.

    ``names`` has all names of each module by its ``id``. ``differentiates`` says that autograd records what runs, so
    that backward has to find the module of each node; ``recomputes`` that modules called now are those of a checkpoint
    in the backward pass. With ``real``, a scripted module is searched for kernels that run
    without an operator.
    """

    def __init__(self, names: dict[int, tuple[str, ...]], tallies: Tallies, *, real: bool) -> None:
        self.differentiates = False
        self.recomputes = False
        self._names = names
        self._tallies = tallies
        self._real = real
        self._thread = _Thread()
        self._thread.is_counted = True
        self._borders: tuple[list[int], list[str]] = ([0], [""])  # a sequence number of autograd: whose nodes begin

    def innermost(self) -> str:
        """The name of the module that is running in this thread, under which it is called."""
        name: str = self._thread.stack[-1][0]
        return name

    def runs_own_code(self) -> bool:
        """Whether the module that is running in this thread is none of PyTorch's."""
        return not type(self._thread.stack[-1][1]).__module__.startswith("torch.nn.")

    def is_counted(self) -> bool:
        """Whether this thread is counted."""
        return self._thread.is_counted

    @contextmanager
    def thread(self, module: str) -> Iterator[None]:
        """Count this thread, which works for ``module``."""
        thread = self._thread
        before, thread.stack, thread.is_counted = thread.stack, [(module, None)], True
        try:
            yield
        finally:
            thread.stack, thread.is_counted = before, False

    def enter(self, module: torch.nn.Module, args: Any) -> None:
        """A module is called. It is the hook before forward."""
        names = self._names.get(id(module))
        if names is None:
            return
        if not self._thread.is_counted:
            self._tallies.report("a module called in another thread", names[0])
            return
        stack = self._thread.stack
        inside = stack[-1][0]
        name = names[0]
        if len(names) > 1:
            name = next((n for n in names if not inside or n.startswith(inside + ".")), name)
        tally = self._tallies.modules.get(name)
        if tally is None:
            tally = self._tallies.modules[name] = Tally()
        times = self._tallies.times
        tally.calls += times
        if self.recomputes:
            tally.recomputed += times
        else:
            tally.inputs += elements_in(args) * times
        stack.append((name, module))
        if self.differentiates:
            self._begin_nodes()

    def leave(self, module: torch.nn.Module, args: Any, out: Any) -> None:
        """A module returned, or raised. It is the hook after forward."""
        if id(module) not in self._names or not self._thread.is_counted:
            return
        stack = self._thread.stack
        if self._real and out is not None and isinstance(module, torch.jit.ScriptModule):
            for kernel in unseen_kernels():
                self._tallies.report(kernel, stack[-1][0])
        while len(stack) > 1 and stack.pop()[1] is not module:
            pass
        if self.differentiates:
            self._begin_nodes()

    def _begin_nodes(self) -> None:
        """Note that the nodes that autograd makes from here on belong to the module that is running."""
        numbers, names = self._borders
        number = sequence_number()
        name = self.innermost()
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
        stack = self._thread.stack
        name: str = stack[-1][0]
        if phase != "backward" or len(stack) > 1:
            return name
        node = autograd_node()
        if node is None:
            return name
        numbers, names = self._borders
        return names[bisect_right(numbers, node._sequence_nr()) - 1]
