"""Recurrent layers: every weight matrix is applied once to every token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .count import Count, multiply_adds
from .registry import formula


def _layers(tokens: int, weights: Iterable[Any]) -> Count:
    matrices = [weight for weight in weights if weight.dim() == 2]
    return multiply_adds(tokens * sum(m.numel() for m in matrices), tokens * sum(m.shape[0] for m in matrices))


@formula("lstm", "gru", "rnn_tanh", "rnn_relu")
def rnn_flop(input: Any, second: Any, third: Any, fourth: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """An RNN over ``(T, B, C)``, or over packed ``data`` of one row a token.

    A step of an LSTM is ``4H·C + 4H·H`` multiply-adds (GRU 3H, plain H), by layer and direction; an LSTM with
    ``proj_size`` multiplies by its projection as well. Called as (input, hx, params, has_biases, ...) or, packed,
    as (data, batch_sizes, hx, params, ...).
    """
    packed = not isinstance(fourth, bool)
    tokens = input.shape[0] if packed else input.shape[0] * input.shape[1]
    return _layers(tokens, fourth if packed else third)


@formula("_lstm_mps")
def mps_lstm_flop(input: Any, hx: Any, params: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The fused kernel of all layers on a Mac over ``(T, B, C)``."""
    return _layers(input.shape[0] * input.shape[1], params)


@formula("mkldnn_rnn_layer")
def mkldnn_rnn_layer_flop(input: Any, weight0: Any, weight1: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The fused CPU kernel of one layer and direction over ``(T, B, C)``."""
    return _layers(input.shape[0] * input.shape[1], (weight0, weight1))


@formula("_cudnn_rnn", "miopen_rnn")
def cudnn_rnn_flop(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The fused GPU kernel of all layers over ``(T, B, C)``, or over packed ``(tokens, C)``."""
    tokens = input.shape[0] if input.dim() == 2 else input.shape[0] * input.shape[1]
    return _layers(tokens, weight)
