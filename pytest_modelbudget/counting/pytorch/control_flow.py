"""PyTorch's operators of control flow (``cond``, ``while_loop``, ``map``, ``scan``), run as the Python they stand for.

PyTorch's own way with autograd on traces the functions that an operator is given and differentiates the graphs: what
these close over has no gradient where its compiler did not make operands of it, and its tracing is no part of a step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from .private import (
    COMPILER,
    CONTROL_FLOW,
    DIFFERENTIABLE_CONTROL_FLOW,
    SCAN,
    DelayedError,
    DispatchKey,
    tree_flatten,
    tree_leaves,
    tree_map_only,
    tree_unflatten,
    without_dispatch_modes,
)
from .replaced import replaced


def as_python(operator: Any) -> Callable[..., Any] | None:
    """What a call of an operator of control flow means in Python, ``None`` for any other operator.

    It runs the functions that it is given, and what is around them, as operators like any other.
    """
    name = operator.name()
    if name not in DIFFERENTIABLE_CONTROL_FLOW:
        return None
    return _OWN.get(name) or operator.py_kernels.get(DispatchKey.CompositeExplicitAutograd)


def differentiated(operator: Any, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run an operator as ``run``, what `as_python` says, where autograd sees it.

    Where this PyTorch has no gradient for the operator, its own error comes when backward gets there.
    """
    out = run(*args, **kwargs)
    if hasattr(sys.modules[type(operator).__module__], DIFFERENTIABLE_CONTROL_FLOW[operator.name()]):
        return out
    refuse = DelayedError(f"Autograd not implemented for {operator}", 1)
    return tree_map_only(torch.Tensor, lambda t: refuse(t) if t.requires_grad else t, out)


def _cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any) -> Any:
    return true_fn(*operands) if pred else false_fn(*operands)


def _scan(
    combine_fn: Callable[..., Any], init: Any, xs: Any, *rest: Any, additional_inputs: Any = None, **_: Any
) -> Any:
    """The operators of PyTorch's ``generic_scan``, which writes each row into all. Autograd is given a list of rows.

    Until 2.7 it also has a dimension, and may go backwards: what ``scan`` does around it in later releases.
    """
    *order, more = rest if additional_inputs is None else (*rest, additional_inputs)
    dim, reverse = order or (0, False)
    xs = [x.movedim(dim, 0) if dim else x for x in xs]
    if reverse:
        xs = [x.flip([0]) for x in xs]

    def run(carry: Any, i: int) -> tuple[list[Any], list[Any]]:
        result = list(combine_fn(*carry, *[x.select(0, i) for x in xs], *more))
        return result[: len(init)], result[len(init) :]

    carry, first = run(init, 0)
    together = _Listed(first) if torch.is_grad_enabled() else _Written(first, len(xs[0]))
    for i in range(1, len(xs[0])):
        carry, out = run(carry, i)
        together.add(out, i)
    outs = together.outs()
    return (*carry, *(out.flip([0]) if reverse and out is not None else out for out in outs))


class _Listed:
    """The rows of a scan in lists, stacked at the end. What is no tensor in the first row is none in the others."""

    def __init__(self, first: list[Any]) -> None:
        self._rows = [first]

    def add(self, out: list[Any], i: int) -> None:
        self._rows.append(out)

    def outs(self) -> list[Any]:
        return [None if column[0] is None else torch.stack(column) for column in zip(*self._rows, strict=True)]


class _Written:
    """The rows of a scan, each written into the whole when it is there. PyTorch keeps the first one as well."""

    def __init__(self, first: list[Any], length: int) -> None:
        self._first = first
        self._outs: list[Any] = [None if x is None else x.new_empty([length, *x.size()]) for x in first]
        self._places: list[Any] = [
            None if x is None else torch.ones_like(x, dtype=torch.int64).unsqueeze(0) for x in first
        ]
        self.add(first, 0)

    def add(self, out: list[Any], i: int) -> None:
        for whole, place, x in zip(self._outs, self._places, out, strict=True):
            if whole is not None:
                whole.scatter_(0, i * place, x.unsqueeze(0))

    def outs(self) -> list[Any]:
        return self._outs


_OWN: dict[str, Callable[..., Any]] = {"cond": _cond, "scan": _scan}
"""PyTorch's own kernels of these refuse to run under a mode, or are not what is written."""


@contextmanager
def control_flow_uncompiled() -> Iterator[None]:
    """Let PyTorch's functions of control flow call their operators at once, where they call its compiler to do so.

    ``scan`` and ``associative_scan`` of PyTorch 2.6 first try the function that they are given: they do not here.
    """
    compile = torch.compile

    def compiling(model: Any = None, **options: Any) -> Any:
        if not str(getattr(model, "__module__", "")).startswith(CONTROL_FLOW):
            return compile(model, **options)
        if model.__name__ == "associative_scan":  # it calls itself, until it is told that it is compiled
            return partial(_associative_scan_untried, sys.modules[model.__module__], model)
        return model

    with ExitStack() as stack:
        stack.enter_context(replaced(torch, "compile", compiling))
        scan = sys.modules[SCAN]
        if "dim" in type(scan.scan_op).__call__.__code__.co_varnames:
            stack.enter_context(_with_code(scan.scan, _call_scan, partial(_scan_untried, scan.scan_op)))
        yield


@contextmanager
def _with_code(function: Any, caller: Any, run: Callable[..., Any]) -> Iterator[None]:
    """Let ``function``, which models have imported by name, be ``run``, by the code of ``caller`` that is given it."""
    keywords = {**(function.__kwdefaults__ or {}), "_run": run}
    with replaced(function, "__kwdefaults__", keywords), replaced(function, "__code__", caller.__code__):
        yield


def _call_scan(combine_fn: Any, init: Any, xs: Any, *, dim: Any, reverse: Any, _run: Any) -> Any:
    return _run(combine_fn, init, xs, dim, reverse)


def _scan_untried(operator: Any, combine_fn: Any, init: Any, xs: Any, dim: int, reverse: bool) -> Any:
    carried, carried_spec = tree_flatten(init)
    leaves, spec = tree_flatten(xs)
    if not leaves:
        return init, xs
    specs = []

    def run(*args: Any) -> list[Any]:
        split = len(carried)
        carry, out = combine_fn(tree_unflatten(args[:split], carried_spec), tree_unflatten(args[split:], spec))
        flat, out_spec = tree_flatten(out)
        specs.append(out_spec)
        return [*tree_leaves(carry), *flat]

    result = operator(run, carried, leaves, dim % leaves[0].dim(), reverse, additional_inputs=[])
    split = len(carried)
    return tree_unflatten(result[:split], carried_spec), tree_unflatten(result[split:], specs[0])


def _associative_scan_untried(module: Any, scan: Any, combine_fn: Any, *args: Any, **options: Any) -> Any:
    """``scan`` where it asks once if it is compiled, and goes on if so. What it tries is not seen."""
    compiler = sys.modules[COMPILER]  # it is loaded: the scan asked it
    is_compiling, asked, tried = compiler.is_compiling, False, False

    def is_compiling_now() -> bool:
        nonlocal asked
        before, asked = asked, True
        return is_compiling() if before else True

    def combine(*operands: Any) -> Any:
        nonlocal tried
        before, tried = tried, True
        return combine_fn(*operands) if before else _unseen(combine_fn)(*operands)

    with (
        replaced(compiler, "is_compiling", is_compiling_now),
        replaced(module, "first_slice_copy", _unseen(module.first_slice_copy)),  # what is tried
    ):
        return scan(combine, *args, **options)


def _unseen(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any) -> Any:
        with without_dispatch_modes():
            return function(*args)

    return called
