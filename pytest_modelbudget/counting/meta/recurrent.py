"""Recurrent layers in the time steps that PyTorch runs on a CPU (``aten/src/ATen/native/RNN.cpp``), for their memory.

On the meta device PyTorch multiplies the input by its weight at each step, as on no device that people have; on a CPU
it multiplies all steps at once. Below, tensors are created and freed in the order of the C++ code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from .autocast import active_autocast

State = tuple[torch.Tensor, ...]


class _Weights(NamedTuple):
    """The weights of one layer and direction. ``w_hr`` projects the output of an LSTM."""

    w_ih: torch.Tensor
    w_hh: torch.Tensor
    b_ih: torch.Tensor | None = None
    b_hh: torch.Tensor | None = None
    w_hr: torch.Tensor | None = None


def _lstm_cell(gates: torch.Tensor, state: State, w: _Weights) -> State:
    hx, cx = state
    chunks = F.linear(hx, w.w_hh, w.b_hh).add_(gates).unsafe_chunk(4, 1)
    into, forget, cell, out = chunks[0].sigmoid_(), chunks[1].sigmoid_(), chunks[2].tanh_(), chunks[3].sigmoid_()
    cy = (forget * cx).add_(into * cell)
    hy = out * cy.tanh()
    return (hy if w.w_hr is None else hy.matmul(w.w_hr.t())), cy


def _gru_cell(gates: torch.Tensor, state: State, w: _Weights) -> State:
    (hx,) = state
    of_input, of_state = gates.unsafe_chunk(3, 1), F.linear(hx, w.w_hh, w.b_hh).unsafe_chunk(3, 1)
    reset = of_state[0].add_(of_input[0]).sigmoid_()
    update = of_state[1].add_(of_input[1]).sigmoid_()
    new = of_input[2].add(of_state[2].mul_(reset)).tanh_()
    return ((hx - new).mul_(update).add_(new),)


def _tanh_cell(gates: torch.Tensor, state: State, w: _Weights) -> State:
    return (F.linear(state[0], w.w_hh, w.b_hh).add_(gates).tanh(),)


def _relu_cell(gates: torch.Tensor, state: State, w: _Weights) -> State:
    return (F.linear(state[0], w.w_hh, w.b_hh).add_(gates).relu(),)


Cell = Callable[[torch.Tensor, State, _Weights], State]

_CELLS: dict[str, Cell] = {"lstm": _lstm_cell, "gru": _gru_cell, "rnn_tanh": _tanh_cell, "rnn_relu": _relu_cell}

RECURRENT: dict[Any, str] = {getattr(torch.ops.aten, name).input: name for name in _CELLS}
"""The operators of recurrent layers over dense inputs, and their names."""


def is_dense_call(args: Any) -> bool:
    """Whether a call is over a dense ``(T, B, C)`` on the meta device. PyTorch runs packed sequences."""
    return len(args) == 9 and isinstance(args[3], bool) and args[0].is_meta


_SAMPLED = (4, 6)  # steps that are run to extrapolate the temporaries of a longer sequence


def _length(args: Any) -> int:
    """The number of time steps of a call."""
    return int(args[0].shape[1 if args[8] else 0])


def is_long(args: Any) -> bool:
    """Whether a call has more steps than it takes to extrapolate its temporaries."""
    return _length(args) > 2 * sum(_SAMPLED)


def temporaries_of_long(args: Any, temporaries: Callable[[Any], Sequence[int]]) -> int:
    """The bytes of temporaries of a long call at its peak, extrapolated from two short calls.

    ``temporaries`` gives those of each part of a call. A part multiplies all steps at once, runs them one by one, or
    stacks their outputs. From the second step on, the bytes at its peak grow by the same number with every step, so
    that those of each part are a line in the number of steps.
    """
    cast_weights = _SAMPLED[:1] if active_autocast() is not None else ()  # which the first call does for all later ones
    calls = ((args[0].narrow(1 if args[8] else 0, 0, to), *args[1:]) for to in (*cast_weights, *_SAMPLED))
    few, more = [[*temporaries(call)] for call in calls][-2:]
    beyond, apart = _length(args) - _SAMPLED[1], _SAMPLED[1] - _SAMPLED[0]
    return max(at + beyond * (at - before) // apart for before, at in zip(few, more, strict=True))


def _nothing() -> None: ...


def run_in_steps(
    name: str,
    input: torch.Tensor,
    hx: Any,
    params: Sequence[torch.Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
    *,
    part_ends: Callable[[], None] = _nothing,
) -> tuple[torch.Tensor, ...]:
    """The result of ``torch.lstm(...)`` and the like: output ``(T, B, D·H)``, then ``h_n``, and ``c_n`` of an LSTM.

    ``part_ends`` is called where a part of the call ends: see `temporaries_of_long`.
    """
    cell = _CELLS[name]
    states = tuple(s.unbind(0) for s in (hx if isinstance(hx, (list, tuple)) else (hx,)))
    weights = _gather(params, has_biases, projected=name == "lstm" and hx[0].shape[2] != hx[1].shape[2])
    directions = 2 if bidirectional else 1
    current = input.transpose(0, 1) if batch_first else input
    final: list[State] = []
    for layer in range(layers):
        first = layer * directions
        here = [tuple(s[first + d] for s in states) for d in range(directions)]
        if bidirectional:
            current, ends = _both_ways(cell, current, here, weights[first : first + 2], part_ends)
        else:
            current, end = _one_way(cell, current, here[0], weights[first], part_ends)
            ends = [end]
        final += ends
        if dropout and train and layer < layers - 1:
            current = F.dropout(current, dropout)
    stacked = [torch.stack([state[i] for state in final], 0) for i in range(len(states))]
    return (current.transpose_(0, 1) if batch_first else current, *stacked)


def _gather(params: Sequence[torch.Tensor], has_biases: bool, *, projected: bool) -> list[_Weights]:
    size = (4 if has_biases else 2) + projected
    found = []
    for start in range(0, len(params), size):
        part: list[Any] = list(params[start : start + size])
        w_hr = part.pop() if projected else None
        found.append(_Weights(*part, *([None] * (4 - len(part))), w_hr))  # type: ignore[call-arg]
    return found


def _run(
    cell: Cell, step_inputs: Sequence[torch.Tensor], state: State, w: _Weights
) -> tuple[list[torch.Tensor], State]:
    outputs = []
    for step_input in step_inputs:
        state = cell(step_input, state, w)
        outputs.append(state[0])
    return outputs, state


def _one_way(
    cell: Cell, input: torch.Tensor, state: State, w: _Weights, part_ends: Callable[[], None]
) -> tuple[torch.Tensor, State]:
    multiplied = F.linear(input, w.w_ih, w.b_ih)
    part_ends()
    outputs, end = _run(cell, multiplied.unbind(0), state, w)
    part_ends()
    return torch.stack(outputs, 0), end


def _both_ways(
    cell: Cell,
    input: torch.Tensor,
    states: Sequence[State],
    weights: Sequence[_Weights],
    part_ends: Callable[[], None],
) -> tuple[torch.Tensor, list[State]]:
    multiplied = F.linear(input, weights[0].w_ih, weights[0].b_ih)
    part_ends()
    outputs, end = _run(cell, multiplied.unbind(0), states[0], weights[0])
    part_ends()
    forward = torch.stack(outputs, 0)
    part_ends()
    multiplied = F.linear(input, weights[1].w_ih, weights[1].b_ih)
    part_ends()
    reversed_outputs, reversed_end = _run(cell, multiplied.unbind(0)[::-1], states[1], weights[1])
    part_ends()
    backward = torch.stack(reversed_outputs[::-1], 0)
    return torch.cat([forward, backward], forward.dim() - 1), [end, reversed_end]
