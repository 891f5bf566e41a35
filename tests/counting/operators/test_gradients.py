"""Gradients that a kernel computes in one call, against counts derived by hand; and LSTMs that train for real."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from counting.operators.kernels import count, meta
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

T, B, IN, H = 7, 4, 6, 8


class Reads(nn.Module):
    """A model that reads a value of its output, so that it is run for real."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)[0]
        return y * (1 if float(y.sum()) < 1e9 else 2)


def lstm_step(layers: int = 1, directions: int = 1) -> int:
    """Multiply-adds of a training step of ``nn.LSTM(IN, H)`` over T steps of B, whose input needs no gradient.

    A layer and direction multiplies 4H rows by its input and by its state, for every token. Backward its weights' two
    gradients take as many, its input's as many from the second layer on, and its state's as many for all steps but
    the first, since no gradient is asked for of the zeros it begins with.
    """
    total = 0
    for layer in range(layers):
        of_input, of_state = 4 * H * (directions * H if layer else IN), 4 * H * H
        forward = T * B * (of_input + of_state)
        of_weights, of_states = forward, (T - 1) * B * of_state
        total += directions * (forward + of_weights + of_states + (T * B * of_input if layer else 0))
    return total


def with_frozen_layer() -> nn.Module:
    lstm = nn.LSTM(IN, H, 2)
    for name, weight in lstm.named_parameters():
        if name.endswith("_l0"):
            weight.requires_grad_(False)
    return lstm


def frozen_step() -> int:
    """Of two layers the first is frozen: nothing goes back beyond the second, whose input has no gradient then."""
    first, second = T * B * 4 * H * (IN + H), T * B * 4 * H * 2 * H
    return first + 2 * second + (T - 1) * B * 4 * H * H


LSTMS = [
    ("one layer", lambda: nn.LSTM(IN, H), lstm_step()),
    ("two layers", lambda: nn.LSTM(IN, H, 2), lstm_step(layers=2)),
    ("both directions", lambda: nn.LSTM(IN, H, bidirectional=True), lstm_step(directions=2)),
    ("both", lambda: nn.LSTM(IN, H, 2, bidirectional=True), lstm_step(layers=2, directions=2)),
    ("no bias", lambda: nn.LSTM(IN, H, bias=False), lstm_step()),
    ("frozen first layer", with_frozen_layer, frozen_step()),
]


@pytest.mark.parametrize(("build", "macs"), [case[1:] for case in LSTMS], ids=[case[0] for case in LSTMS])
def test_an_lstm_trains_for_real_at_the_cost_it_has_on_meta(build: Any, macs: int) -> None:
    given = {"inputs": (T, B, IN), "mode": "train", "optimizer": "none"}
    on_meta, real = measure(lambda: _First(build()), **given), measure(lambda: Reads(build()), **given)
    assert (on_meta.executed, real.executed) == ("meta", "real")
    assert (on_meta.macs, real.macs, real.uncounted) == (macs, macs, {})


class _First(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)[0]
        return out


def test_a_state_that_learns_has_a_gradient_of_its_first_step_too() -> None:
    class Learns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(IN, H)
            self.first = nn.Parameter(torch.zeros(1, 1, H))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            state = self.first.expand(1, x.shape[1], H).contiguous()
            out: torch.Tensor = self.layer(x, (state, torch.zeros_like(state)))[0]
            return out

    given = {"inputs": [(T, B, IN)], "grad": True, "mode": "train", "optimizer": "none"}
    assert attempt(Learns, real=True, **given).macs == lstm_step() + B * 4 * H * H
    assert attempt(Learns, real=False, **given).macs == lstm_step() + B * 4 * H * H


# A bidirectional LSTM of two layers: 4H rows of the input's width, and of the state's, for each token and direction.
WEIGHTS = [
    matrix
    for width in (IN, 2 * H)
    for _ in range(2)
    for matrix in (meta(4 * H, width), meta(4 * H, H), meta(4 * H), meta(4 * H))
]
FIRST, SECOND, STATES = 2 * 4 * H * IN, 2 * 4 * H * 2 * H, 2 * 2 * 4 * H * H


@pytest.mark.parametrize("kernel", ["_cudnn_rnn_backward", "miopen_rnn_backward"])
@pytest.mark.parametrize(
    ("mask", "products"),
    [
        # input, first hidden state, first cell state, weights
        ((1, 1, 1, 1), T * B * 2 * (FIRST + SECOND + STATES)),
        ((0, 0, 0, 1), T * B * (FIRST + SECOND + STATES) + T * B * SECOND + (T - 1) * B * STATES),
        ((1, 0, 0, 0), T * B * (FIRST + SECOND) + (T - 1) * B * STATES),
    ],
)
def test_the_gradients_of_a_recurrent_kernel(kernel: str, mask: tuple[int, ...], products: int) -> None:
    hx = meta(4, B, H)
    given = {
        "input": meta(T, B, IN), "weight": WEIGHTS, "hx": hx, "cx": hx, "num_layers": 2, "bidirectional": True,
        "batch_sizes": [], "output_mask": mask,
    }  # fmt: skip
    assert count(kernel, (hx,), **given)[0] == products


def test_the_gradients_of_packed_sequences_begin_with_the_first_step() -> None:
    """Sequences of 3 and 1 tokens: both begin in the first step."""
    weights = WEIGHTS[:4]
    given = {
        "input": meta(4, IN), "weight": weights, "hx": meta(1, 2, H), "num_layers": 1, "bidirectional": False,
        "batch_sizes": [2, 1, 1], "output_mask": (0, 0, 0, 1),
    }  # fmt: skip
    assert count("_cudnn_rnn_backward", (), **given)[0] == 4 * 4 * H * (IN + H) + 2 * 4 * H * H


def test_the_gradients_of_the_recurrent_kernel_of_a_mac() -> None:
    weights = [weight.requires_grad_() for weight in (meta(4 * H, IN), meta(4 * H, H))]
    states = [meta(1, B, H), meta(1, B, H)]
    given = {
        "input": meta(T, B, IN), "hx": states, "params": weights, "num_layers": 1, "bidirectional": False,
        "batch_first": False,
    }  # fmt: skip
    assert count("lstm_mps_backward", (), **given)[0] == T * B * 4 * H * (IN + H) + (T - 1) * B * 4 * H * H


M, K, N = 3, 5, 8
PRODUCT = M * K * N
IMAGE, FILTERS, OUT = meta(2, 3, 9, 11), meta(6, 3, 3, 3), meta(2, 6, 7, 9)
CONVOLUTION = 2 * 6 * 7 * 9 * 3 * 9
SPARSE = torch.eye(6).to_sparse_csr()
WORDS = meta(7, dtype=torch.int64)

KERNELS = [
    ("linear_backward", {"self": meta(M, K), "grad_output": meta(M, N), "weight": meta(N, K),
                         "output_mask": (1, 1, 1)}, 2 * PRODUCT),
    ("linear_backward", {"self": meta(M, K), "grad_output": meta(M, N), "weight": meta(N, K),
                         "output_mask": (0, 1, 1)}, PRODUCT),
    ("mkldnn_linear_backward", {"self": meta(M, K), "grad_output": meta(M, N), "weight": meta(N, K),
                                "output_mask": (1, 1, 0)}, 2 * PRODUCT),
    ("mkldnn_linear_backward_input", {"input_size": [M, K], "grad_output": meta(M, N), "weight": meta(N, K)}, PRODUCT),
    ("mkldnn_linear_backward_weights", {"grad_output": meta(M, N), "input": meta(M, K), "weight": meta(N, K),
                                        "bias_defined": True}, PRODUCT),
    ("matmul_backward", {"grad": meta(2, M, N), "self": meta(2, M, K), "other": meta(2, K, N), "mask": (1, 1)},
     2 * 2 * PRODUCT),
    ("convolution_backward_overrideable", {"grad_output": OUT, "input": IMAGE, "weight": FILTERS, "transposed": False,
                                           "groups": 1, "output_mask": (1, 1, 0)}, 2 * CONVOLUTION),
    ("mps_convolution_backward", {"self": IMAGE, "grad_output": OUT, "weight": FILTERS, "groups": 1,
                                  "output_mask": (0, 1, 0)}, CONVOLUTION),
    # a transposed one of (2, 6, 7, 9) by 6 filters of 3 channels: each input element meets 3·9
    ("mps_convolution_transpose_backward", {"self": OUT, "grad_output": IMAGE, "weight": FILTERS, "groups": 1,
                                            "output_mask": (1, 1)}, 2 * CONVOLUTION),
    ("_slow_conv2d_backward.output_mask", {"grad_output": OUT, "self": IMAGE, "weight": FILTERS,
                                           "output_mask": (1, 0, 0)}, CONVOLUTION),
    ("_slow_conv2d_backward.grad_input", {"grad_output": OUT, "self": IMAGE, "weight": FILTERS}, 2 * CONVOLUTION),
    # five points and six in K dimensions: the gradient of the five
    ("_cdist_backward", {"grad": meta(5, 6), "x1": meta(5, K), "x2": meta(6, K)}, 5 * 6 * K),
    ("_pdist_backward", {"grad": meta(10), "self": meta(5, K)}, 10 * K),
    ("_embedding_bag_per_sample_weights_backward", {"grad": meta(3, 8), "weight": meta(20, 8), "indices": WORDS},
     7 * 8),
    ("_embedding_bag_backward", {"grad": meta(3, 8), "indices": WORDS}, 0),
    ("_embedding_bag_backward", {"grad": meta(3, 8), "indices": WORDS, "per_sample_weights": meta(7)}, 7 * 8),
    ("_embedding_bag_dense_backward", {"grad": meta(3, 8), "indices": WORDS, "per_sample_weights": meta(7)}, 7 * 8),
    # six stored elements, each times three columns, for the matrix and for what it multiplied
    ("_sparse_mm_reduce_impl_backward", {"self": SPARSE, "grad_out": meta(6, 3), "weight": meta(6, 3),
                                         "output_mask": (1, 1)}, 2 * 6 * 3),
    ("cudnn_affine_grid_generator_backward", {"grad": meta(2, 5, 6, 2)}, 2 * 5 * 6 * 2 * 3),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "given", "macs"), KERNELS, ids=[name for name, *_ in KERNELS])
def test_a_gradient_kernel(kernel: str, given: dict[str, Any], macs: int) -> None:
    assert count(kernel, meta(2, 2, 3), **given)[0] == macs


class Distances(nn.Module):
    """Distances of five points that a layer makes to six that are learned, by a kernel of their own for p = 1."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.layer = nn.Linear(K, K, bias=False)
        self.centres = nn.Parameter(torch.ones(6, K))
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cdist(self.layer(x), self.centres, p=self.p)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_distances_train(p: float, real: bool) -> None:
    """The gradients of both sets of points, and of the layer's weight."""
    given = {"inputs": [(5, K)], "grad": True, "mode": "train", "optimizer": "none"}
    cost = attempt(lambda: Distances(p), real=real, **given)
    assert (cost.macs, cost.uncounted) == (3 * 5 * 6 * K + 2 * 5 * K * K, {})


@pytest.mark.parametrize("real", [False, True])
def test_bags_of_weighted_words_train(real: bool) -> None:
    """A layer weights six words for each of four bags: its weight, those weights and the rows have gradients."""

    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bags = nn.EmbeddingBag(20, 8, mode="sum")
            self.weights = nn.Linear(6, 6, bias=False)

        def forward(self, words: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.bags(words, per_sample_weights=self.weights(x))
            return out

    inputs = (torch.zeros(4, 6, dtype=torch.int64), torch.ones(4, 6))
    cost = attempt(Bags, inputs=inputs, real=real, grad=True, mode="train", optimizer="none")
    assert (cost.macs, cost.uncounted) == (3 * 4 * 6 * 8 + 2 * 4 * 6 * 6, {})


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("size", [8, 12])
def test_an_orthogonal_layer_trains(size: int, real: bool) -> None:
    """Forward: the exponential (5n³), its product with what the weight was, and the layer.

    Backward: what is learned of the product and the layer has a gradient; the exponential's is one of twice its size.
    """
    given = {"inputs": [(5, size)], "grad": True, "mode": "train", "optimizer": "none"}

    def build() -> nn.Module:
        return nn.utils.parametrizations.orthogonal(nn.Linear(size, size, bias=False), orthogonal_map="matrix_exp")

    cost = attempt(build, real=real, **given)
    assert cost.macs == 5 * size**3 + 5 * (2 * size) ** 3 + 2 * size**3 + 2 * 5 * size**2
    assert cost.uncounted == {}


@pytest.mark.parametrize("real", [False, True])
def test_a_batch_norm_spread_over_devices_counts_as_one(real: bool) -> None:
    """Statistics are reductions; the last part is the norm."""
    weight = meta(6)
    assert count("batch_norm_elemt", meta(2, 6, 4), input=meta(2, 6, 4), weight=weight) == (0, 5 * 48, 0)
    model = nn.SyncBatchNorm(6)
    assert attempt(model, inputs=[(2, 6, 4)], real=real, grad=False).flops == 2 * 48  # on one device, in eval


def test_a_weighted_sum_of_matrices() -> None:
    """A part of the exponential: 2 sums of 3 tensors of 4 · 4."""
    assert count("_compute_linear_combination", meta(2, 4, 4), input=meta(3, 4, 4), coefficients=meta(2, 3))[0] == 96


def test_the_backward_of_a_function_is_counted_with_it() -> None:
    """``pdist`` of five points that a layer makes: ten pairs."""
    model = nn.Sequential(nn.Linear(K, K, bias=False), _Pairs())
    cost = measure(model, inputs=(5, K), mode="train", optimizer="none")
    assert (cost.macs, cost.uncounted) == (2 * 10 * K + 2 * 5 * K * K, {})


class _Pairs(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pdist(x)
