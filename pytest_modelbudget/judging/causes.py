"""What a module's own change is, in the words that reviewers use: dropout on, no longer in place, checkpointing off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from ..values.metrics import metric_names
from ..values.rows import ModuleRow
from .alignment import Pair, Part


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


PRODUCTS = _names("linear matmul mm bmm addmm baddbmm addbmm einsum dot mv addmv _trilinear")
"""Operators that multiply matrices: which of them a product is depends on the shapes, and on autograd."""

_UNTOLD = _names("""
    add sub mul div rsub neg pow sqrt rsqrt reciprocal exp log sum mean eq ne lt gt le ge where arange zeros ones full
    empty zeros_like ones_like empty_like full_like new_zeros new_ones new_full new_empty clone copy_ _to_copy to
    contiguous scalar_tensor lift_fresh detach _unsafe_view cat stack index bitwise_not bitwise_and logical_not
    masked_fill tril triu ones_ zero_ fill_
""")
"""Operators that are free and tell nothing about a model, or come and go with shapes and with autograd."""


class Sought(NamedTuple):
    """What of a module is looked for in the code: what makes it, or where it calls an ``operator`` (``again``: where it
    does so last, since it did before), or, with ``call``, where it is called.
    """

    operator: str = ""
    again: bool = False
    call: bool = False


@dataclass(frozen=True)
class Flow:
    """A pair with how its numbers changed: ``inputs`` is what a call is given now, in terms of what it was given.

    It is ``known`` where both were given tensors by position; where not, it is taken to be that of the module around.
    ``sought`` is what is looked for in the code: an operator that it did not call, or not as often. ``above`` is the
    flow of the innermost module around it that is called: a container is not.
    """

    pair: Pair
    above: Flow | None
    inputs: Fraction = Fraction(1)
    known: bool = False
    sought: Sought = field(default_factory=Sought)

    @classmethod
    def of(cls, pair: Pair, above: Flow | None) -> Flow:
        """The flow of a pair inside another."""
        while above is not None and not any(map(forward_calls, (above.pair.old, above.pair.new))):
            above = above.above
        given = [_per_call(part) for part in (pair.old, pair.new)]
        inputs = above.inputs if above is not None else Fraction(1)
        return cls(pair, above, given[1] / given[0] if all(given) else inputs, all(given), _more_often(pair))


def _per_call(part: Part) -> Fraction:
    row = part.node.row
    forward = row.calls - row.recomputed
    return Fraction(row.inputs, forward) if forward > 0 else Fraction(0)


def own_changes(flow: Flow, *, free_operators: bool = True) -> tuple[str, ...]:
    """What changed in a module itself, in words; class and configuration are said only where they have a name.

    ``free_operators`` says whether operators that cost nothing are compared, too.
    """
    old, new = flow.pair.old.node.row, flow.pair.new.node.row
    words = [*_configured(old, new), *_shared(old, new)]
    if old.kind == new.kind and old.config == new.config and not words:
        words += _parameters(old, new)
    words += _recomputed(flow)
    words += _called(flow)
    if old.kind == new.kind:
        words += _operators(flow.pair, free=free_operators)
    return tuple(words)


def sought_of(flow: Flow, words: Iterable[str]) -> Sought:
    """Where in the code a change is: if what changed is how the module is called, in its caller's."""
    return flow.sought._replace(call=any(word.startswith(("called ", "checkpointing ")) for word in words))


def passes_more(flow: Flow, child: Flow) -> bool:
    """Whether a module that is given as much as before gives a child of it more, or less."""
    return flow.known and child.known and flow.inputs == 1 and child.inputs != 1


# -- class and configuration -------------------------------------------------------------------------------------------


def _configured(old: ModuleRow, new: ModuleRow) -> Iterator[str]:
    was, now = _probability(old), _probability(new)
    if new.kind.endswith("Dropout") or "Drop" in new.kind or "Drop" in old.kind:
        if now and not was:
            yield "dropout is on"
        elif was and not now:
            yield "dropout is off"
    if old.kind == new.kind and ("inplace=True" in old.config) != ("inplace=True" in new.config):
        yield "no longer in place" if "inplace=True" in old.config else "in place now"


def _probability(row: ModuleRow) -> float:
    match = re.search(r"\b(?:p|drop_prob)=([\d.]+(?:e-?\d+)?)", row.config)
    return float(match[1]) if match and "Drop" in row.kind else 0.0


def _shared(old: ModuleRow, new: ModuleRow) -> Iterator[str]:
    if old.shares and not new.shares:
        yield f"no longer shares weights with {old.shares}"
    elif new.shares and not old.shares:
        yield f"shares weights with {new.shares} now"


def _parameters(old: ModuleRow, new: ModuleRow) -> Iterator[str]:
    """Parameters of a module's own, of which the configuration says nothing."""
    was, now = (
        {m: Fraction(getattr(row, m), row.times) for m in metric_names(in_rows=True, built=True)} for row in (old, new)
    )
    if was["params"] != now["params"]:
        yield "own parameters"
    elif was["trainable_params"] != now["trainable_params"]:
        yield "is trained now" if now["trainable_params"] > was["trainable_params"] else "is not trained any more"
    elif was["weights"] != now["weights"]:
        yield "weights of another dtype, or other buffers"


# -- calls ---------------------------------------------------------------------------------------------------------


def _recomputed(flow: Flow) -> Iterator[str]:
    """Checkpointing: the outermost module that backward calls again, or no longer."""
    was, now = bool(flow.pair.old.node.row.recomputed), bool(flow.pair.new.node.row.recomputed)
    if was == now:
        return
    if flow.above is not None:
        above = tuple(bool(part.node.row.recomputed) for part in (flow.above.pair.old, flow.above.pair.new))
        if above == (was, now):
            return
    yield (
        "checkpointing is off: backward no longer recomputes it"
        if was
        else "checkpointing is on: backward recomputes it"
    )


def _called(flow: Flow) -> Iterator[str]:
    """How often a module is called for each call of the one around it."""
    above = flow.above.pair if flow.above is not None else None
    was = _calls(flow.pair.old, above.old if above is not None else None)
    now = _calls(flow.pair.new, above.new if above is not None else None)
    if was != now and was is not None and now is not None:
        yield f"called {_times(now)}, was {_times(was)}"


def forward_calls(part: Part) -> Fraction:
    """How often each of the modules is called in the forward pass."""
    row = part.node.row
    return Fraction(row.calls - row.recomputed, row.times)


def _calls(part: Part, above: Part | None) -> Fraction | None:
    around = forward_calls(above) if above is not None else Fraction(1)
    return forward_calls(part) / around if around else None


def _times(number: Fraction) -> str:
    return "once" if number == 1 else "never" if not number else f"{float(number):g} times"


# -- operators ---------------------------------------------------------------------------------------------------------


def _each(row: ModuleRow) -> dict[str, Fraction]:
    """The calls of each operator for a call of the module."""
    forward = row.calls - row.recomputed or row.times
    return {name: Fraction(calls, forward) for name, calls in row.operators.items()}


def _more_often(pair: Pair) -> Sought:
    was, now = _each(pair.old.node.row), _each(pair.new.node.row)
    more = [name for name in now if now[name] > was.get(name, 0) and name not in _UNTOLD]
    found = min(more, key=lambda name: (name not in PRODUCTS, "attention" not in name, name), default="")
    return Sought(found, again=found in was)


def _operators(pair: Pair, *, free: bool) -> Iterator[str]:
    """Operators that the module's own forward calls more or less often than before."""
    was, now = _each(pair.old.node.row), _each(pair.new.node.row)
    if _families(was, free=free) == _families(now, free=free):
        return
    gone = {name: was[name] - now.get(name, 0) for name in was if was[name] > now.get(name, 0)}
    come = {name: now[name] - was.get(name, 0) for name in now if now[name] > was.get(name, 0)}
    gone, come = _told(gone, free=free), _told(come, free=free)
    if any("attention" in name for name in gone) and any(name in PRODUCTS for name in come):
        yield f"attention by hand: {_listed(come)} instead of {_listed(gone)}"
    elif gone and come:
        yield f"calls {_listed(come)} instead of {_listed(gone)}"
    elif come:
        yield f"calls {_listed(come)} more"
    elif gone:
        yield f"calls {_listed(gone)} less"


def _families(calls: Mapping[str, Fraction], *, free: bool) -> dict[str, Fraction]:
    """Calls by what they are: any product of matrices is one, attention is, whatever kernel runs it."""
    found: dict[str, Fraction] = {}
    for name, number in _told(calls, free=free).items():
        family = "product" if name in PRODUCTS else name
        found[family] = found.get(family, Fraction(0)) + number
    return found


def _told(calls: Mapping[str, Fraction], *, free: bool) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for name, number in calls.items():
        if name in _UNTOLD:
            continue
        shown = _plain(name)
        if free or shown in PRODUCTS or "attention" in shown or "conv" in shown:
            found[shown] = found.get(shown, Fraction(0)) + number
    return found


def _plain(name: str) -> str:
    """The name of an operator as people write it: ``scaled_dot_product_attention`` for any of its kernels."""
    if name.startswith("_scaled_dot_product"):
        return "scaled_dot_product_attention"
    return name.removeprefix("_").removeprefix("native_").removeprefix("safe_")


def _listed(calls: Mapping[str, Fraction]) -> str:
    """``2 bmm and softmax``: products first."""
    names = sorted(calls, key=lambda name: (name not in PRODUCTS, name))
    texts = [f"{float(calls[name]):g} {name}" if calls[name] != 1 else name for name in names[:3]]
    return " and ".join(text for text in (", ".join(texts[:-1]), texts[-1]) if text)
