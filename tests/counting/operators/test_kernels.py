"""Fused kernels, of this device and of others, count as the plain operator they stand for.

Most of them need a GPU to run. A formula needs the shapes only, so each is given what its operator would be given.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from counting.operators.kernels import count, meta

B, H, L, S, E, V = 2, 4, 6, 8, 16, 12
WIDTH = H * E


IMAGE, FILTERS, OUT = meta(2, 3, 9, 11), meta(6, 3, 3, 3), meta(2, 6, 7, 9)
CONVOLUTION = (2 * 6 * 7 * 9 * 3 * 9,) * 2 + (2 * 6 * 7 * 9,)


@pytest.mark.parametrize(
    "kernel",
    [
        "cudnn_convolution", "cudnn_convolution_relu", "cudnn_convolution_add_relu", "mkldnn_convolution",
        "miopen_convolution", "miopen_convolution_relu", "miopen_convolution_add_relu", "_mps_convolution",
        "miopen_depthwise_convolution", "thnn_conv2d", "_slow_conv2d_forward", "slow_conv_dilated2d",
        "_conv_depthwise2d",
    ],
)  # fmt: skip
def test_a_convolution_kernel(kernel: str) -> None:
    assert count(kernel, OUT, self=IMAGE, weight=FILTERS) == CONVOLUTION


@pytest.mark.parametrize("kernel", ["_nnpack_spatial_convolution", "_convolution_mode", "convolution_overrideable"])
def test_a_convolution_kernel_that_calls_its_image_input(kernel: str) -> None:
    assert count(kernel, OUT, input=IMAGE, weight=FILTERS) == CONVOLUTION


@pytest.mark.parametrize("kernel", ["slow_conv3d", "slow_conv3d_forward", "slow_conv_dilated3d", "conv_depthwise3d"])
def test_a_convolution_kernel_in_3d(kernel: str) -> None:
    assert count(kernel, meta(2, 6, 2, 3, 4), self=meta(2, 3, 4, 5, 6), weight=meta(6, 3, 3, 3, 3)) == (
        2 * 6 * 24 * 3 * 27, 2 * 6 * 24 * 3 * 27, 2 * 6 * 24
    )  # fmt: skip


@pytest.mark.parametrize(
    "kernel",
    [
        "cudnn_convolution_transpose",
        "miopen_convolution_transpose",
        "_mps_convolution_transpose",
        "slow_conv_transpose2d",
    ],
)
def test_a_transposed_convolution_kernel(kernel: str) -> None:
    expected = 2 * 4 * 9 * 11 * 6 * 9
    out = meta(2, 6, 11, 13)
    assert count(kernel, out, self=meta(2, 4, 9, 11), weight=meta(4, 6, 3, 3)) == (expected, expected, out.numel())


Q, KEYS, VALUES = meta(B, H, L, E), meta(B, H, S, E), meta(B, H, S, V)
ATTENTION = (B * H * L * S * (E + V),) * 2 + (B * H * L * (S + V),)


@pytest.mark.parametrize(
    "kernel",
    [
        "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention.quantized",
        "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_fused_attention_overrideable",
        "_scaled_dot_product_attention_math", "_scaled_dot_product_attention_math_for_mps",
        "_cudnn_attention_forward",
    ],
)  # fmt: skip
def test_an_attention_kernel(kernel: str) -> None:
    assert count(kernel, (meta(B, H, L, V),), query=Q, key=KEYS, value=VALUES) == ATTENTION


@pytest.mark.parametrize("kernel", ["_flash_attention_forward", "_efficient_attention_forward"])
def test_an_attention_kernel_with_the_heads_after_the_tokens(kernel: str) -> None:
    query, key, value = meta(B, L, H, E), meta(B, S, H, E), meta(B, S, H, V)
    assert count(kernel, (meta(B, L, H, V),), query=query, key=key, value=value) == ATTENTION


def test_efficient_attention_of_sequences_end_to_end() -> None:
    """Queries of 2 and 4 tokens with keys of 3 and 5."""
    queries, keys = torch.tensor([0, 2, 6]), torch.tensor([0, 3, 8])
    macs = H * (2 * 3 + 4 * 5) * (E + V)
    assert count(
        "_efficient_attention_forward", (meta(1, 6, H, V),), query=meta(1, 6, H, E), key=meta(1, 8, H, E),
        value=meta(1, 8, H, V), cu_seqlens_q=queries, cu_seqlens_k=keys,
    ) == (macs, macs, H * (2 * 3 + 4 * 5) + H * 6 * V)  # fmt: skip


def test_attention_on_amd_in_one_kernel() -> None:
    """Projections of queries, keys, values and the output, and attention of L tokens to S."""
    projections = B * (2 * L + 2 * S) * WIDTH * WIDTH
    query, source = meta(B, L, WIDTH), meta(B, S, WIDTH)
    macs, _, activations = count(
        "_triton_multi_head_attention", query, query=query, key=source, value=source, embed_dim=WIDTH, num_head=H,
        qkv_weight=meta(3 * WIDTH, WIDTH),
    )  # fmt: skip
    assert macs == projections + B * L * S * 2 * WIDTH
    assert activations == B * (2 * L + 2 * S) * WIDTH + B * H * L * S + B * L * WIDTH


# A bidirectional LSTM of one layer, 6 features to 8: 4·8·(6 + 8) multiply-adds a token and direction.
LSTM_WEIGHTS = [meta(32, 6), meta(32, 8), meta(32), meta(32)] * 2
TOKENS = 5 * B
LSTM = (TOKENS * 2 * 32 * (6 + 8),) * 2 + (TOKENS * 2 * 2 * 32,)


@pytest.mark.parametrize("kernel", ["_cudnn_rnn", "miopen_rnn"])
@pytest.mark.parametrize("input", [meta(5, B, 6), meta(TOKENS, 6)], ids=["padded", "packed"])
def test_a_recurrent_kernel(kernel: str, input: torch.Tensor) -> None:
    assert count(kernel, (meta(5, B, 16),), input=input, weight=LSTM_WEIGHTS) == LSTM


def test_a_recurrent_kernel_on_a_mac() -> None:
    assert count("_lstm_mps", (meta(5, B, 16),), input=meta(5, B, 6), params=LSTM_WEIGHTS) == LSTM


def test_a_recurrent_kernel_of_one_layer_and_direction() -> None:
    """As oneDNN has it on a CPU: the weights are four arguments."""
    weights = dict(zip(["weight0", "weight1", "weight2", "weight3"], LSTM_WEIGHTS, strict=False))
    assert count("mkldnn_rnn_layer", (meta(5, B, 8),), input=meta(5, B, 6), **weights) == tuple(n // 2 for n in LSTM)


M, K, N = 3, 16, 8
LEFT, RIGHT, PRODUCT = meta(M, K), meta(K, N), meta(M, N)
PRODUCTS = {
    "_scaled_mm": {"self": LEFT, "mat2": RIGHT},
    "_scaled_mm_v2": {"self": LEFT, "mat2": RIGHT},
    "_scaled_addmm": {"self": meta(N), "mat1": LEFT, "mat2": RIGHT},
    "_int_mm": {"self": LEFT, "mat2": RIGHT},
    "_addmm_activation": {"self": meta(N), "mat1": LEFT, "mat2": RIGHT},
    "_weight_int8pack_mm": {"self": LEFT, "mat2": meta(N, K), "scales": meta(N)},
    "_weight_int4pack_mm": {"self": LEFT, "mat2": meta(1, 1, 32, 4)},
    "_weight_int4pack_mm_for_cpu": {"self": LEFT, "mat2": meta(N, K // 2)},
    "_weight_int4pack_mm_with_scales_and_zeros": {"self": LEFT, "mat2": meta(N, K // 2)},
    "_mixed_dtypes_linear": {"input": LEFT, "weight": meta(K, N)},
    "_dyn_quant_matmul_4bit": {"inp": LEFT, "packed_weights": meta(99), "in_features": K, "out_features": N},
    "linalg_matmul": {"self": LEFT, "other": RIGHT},
    "_scaled_grouped_mm": {"self": LEFT, "mat2": meta(4, K, N)},
    "_scaled_grouped_mm_v2": {"self": LEFT, "mat2": meta(4, K, N)},
    "sspaddmm": {"self": PRODUCT, "mat1": LEFT, "mat2": RIGHT},
    "mkldnn_linear": {"self": LEFT, "weight": meta(N, K)},
}


@pytest.mark.parametrize("kernel", PRODUCTS)
def test_a_product_kernel(kernel: str) -> None:
    assert count(kernel, PRODUCT, **PRODUCTS[kernel]) == (M * N * K, M * N * K, M * N)


@pytest.mark.skipif(not hasattr(torch, "float4_e2m1fn_x2"), reason="an older PyTorch has no FP4")
def test_packed_fp4_has_two_numbers_an_element() -> None:
    packed = meta(M, K // 2, dtype=torch.float4_e2m1fn_x2)
    assert count("_scaled_mm", PRODUCT, self=packed, mat2=meta(K // 2, N)) == (M * N * K, M * N * K, M * N)


def test_a_list_of_products() -> None:
    assert count("_foreach_mm", [PRODUCT, PRODUCT], self=[LEFT, LEFT], mat2=[RIGHT, RIGHT]) == (
        2 * M * N * K, 2 * M * N * K, 2 * M * N
    )  # fmt: skip


X, WEIGHT = meta(2, 6, 4, 5), meta(6)
ELEMENTS = 2 * 6 * 4 * 5

# (kernel, its arguments, FLOPs an element): fvcore counts 2 with running statistics and 5 with those of the batch
NORMS = [
    ("cudnn_batch_norm", {"training": False}, 2),
    ("cudnn_batch_norm", {"training": True}, 5),
    ("miopen_batch_norm", {"training": False}, 2),
    ("_batch_norm_impl_index", {"training": False}, 2),
    ("_native_batch_norm_legit", {"training": False}, 2),
    ("_native_batch_norm_legit", {"training": True}, 5),
    ("_native_batch_norm_legit.no_stats", {"training": True}, 5),
    ("_native_batch_norm_legit_functional", {"training": True}, 5),
    ("_native_batch_norm_legit_no_training", {}, 2),
    ("_batch_norm_no_update", {}, 2),
    ("_batch_norm_with_update", {}, 5),
    ("_batch_norm_with_update_functional", {}, 5),
    ("native_group_norm", {}, 5),
    ("native_layer_norm", {}, 5),
]


@pytest.mark.parametrize(("kernel", "given", "each"), NORMS)
def test_a_norm_kernel(kernel: str, given: dict[str, Any], each: int) -> None:
    assert count(kernel, (X,), input=X, weight=WEIGHT, **given) == (0, each * ELEMENTS, 0)


POOLED = meta(2, 6, 8, 8)

# Taps of each output element; of adaptive pooling, one for each input element.
SAMPLING = [
    ("_upsample_nearest_exact1d", {"self": X}, 384 * 2),
    ("_upsample_nearest_exact3d", {"self": X}, 384 * 2),
    ("_upsample_bicubic2d_aa", {"self": X}, 16 * 384 * 2),
    ("_upsample_lanczos2d_aa", {"self": X}, 36 * 384 * 2),
    ("cudnn_grid_sampler", {"self": X}, 4 * 384 * 2),
    ("_grid_sampler_2d_cpu_fallback", {"input": X}, 4 * 384 * 2),
    ("adaptive_avg_pool2d", {"self": X}, ELEMENTS),
    ("_adaptive_avg_pool2d", {"self": X}, ELEMENTS),
    ("mkldnn_adaptive_avg_pool2d", {"self": X}, ELEMENTS),
]


@pytest.mark.parametrize(("kernel", "given", "flops"), SAMPLING, ids=[name for name, *_ in SAMPLING])
def test_a_sampling_kernel(kernel: str, given: dict[str, Any], flops: int) -> None:
    assert count(kernel, POOLED, **given) == (0, flops, 0)


def test_the_grid_of_a_spatial_transformer() -> None:
    assert count("cudnn_affine_grid_generator", meta(2, 5, 6, 2), theta=meta(2, 2, 3), N=2, C=1, H=5, W=6) == (
        2 * 5 * 6 * 6, 2 * 5 * 6 * 6, 2 * 5 * 6 * 2
    )  # fmt: skip


@pytest.mark.parametrize("kernel", ["_embedding_bag", "_embedding_bag_forward_only"])
@pytest.mark.parametrize(("weights", "macs"), [(None, 0), (meta(7), 7 * 8)], ids=["sum", "weighted"])
def test_an_embedding_bag(kernel: str, weights: Any, macs: int) -> None:
    indices = meta(7, dtype=torch.int64)
    bags = {"weight": meta(20, 8), "indices": indices, "offsets": indices[:3], "per_sample_weights": weights}
    assert count(kernel, (meta(3, 8),), **bags) == (macs, macs, 3 * 8 if macs else 0)


# Two matrices (6, 6) with three right-hand sides, in floating point operations: half of them are multiply-adds.
A, RHS, PIVOTS = meta(2, 6, 6), meta(2, 6, 3), meta(2, 6)
SOLVERS = [
    ("cholesky", {"self": A}, 2 * 6**3 / 3),
    ("_cholesky_solve_helper", {"self": RHS, "A": A}, 2 * 2 * 36 * 3),
    ("triangular_solve", {"self": RHS, "A": A}, 2 * 36 * 3),
    ("linalg_lu_solve", {"LU": A, "pivots": PIVOTS, "B": RHS}, 2 * 2 * 36 * 3),
    ("linalg_ldl_solve", {"LD": A, "pivots": PIVOTS, "B": RHS}, 2 * 2 * 36 * 3),
    # 2mn² - 2n³/3 for m = 8 and n = 6
    ("geqrf", {"self": meta(8, 6)}, 2 * 8 * 36 - 2 * 6**3 / 3),
]


@pytest.mark.parametrize(("kernel", "given", "flops"), SOLVERS, ids=[name for name, *_ in SOLVERS])
def test_a_solver(kernel: str, given: dict[str, Any], flops: float) -> None:
    assert count(kernel, (A,), **given) == (flops / 2, flops / 2, 0)


@pytest.mark.parametrize(("mask", "products"), [((1, 1, 1), 2), ((1, 0, 0), 1), ((0, 1, 1), 1), ((0, 0, 1), 0)])
def test_the_gradients_of_a_convolution_that_are_asked_for(mask: tuple[int, ...], products: int) -> None:
    """Each takes what the convolution took; a bias is summed."""
    out = tuple(tensor if asked else None for tensor, asked in zip((IMAGE, FILTERS, meta(6)), mask, strict=True))
    wanted = sum(tensor.numel() for tensor, asked in zip((IMAGE, FILTERS), mask, strict=False) if asked)
    given = {
        "grad_output": OUT,
        "input": IMAGE,
        "weight": FILTERS,
        "transposed": False,
        "groups": 1,
        "output_mask": mask,
    }
    assert count("convolution_backward", out, **given) == (*[products * CONVOLUTION[0]] * 2, wanted)
