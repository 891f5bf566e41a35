"""The operators that autocast casts, and to which dtype, by device type.

The lists are those of ``ATen/autocast_mode.h`` (CUDA) and ``ATen/autocast_mode.cpp`` (CPU).
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

import torch

from ..pytorch.private import has_kernel, operator_names


class CastPolicy(Enum):
    """What an operator's floating arguments are cast to, by the names of ``at::autocast::CastPolicy``.

    ``LOWER_PRECISION`` is autocast's dtype, ``FP32`` float32, ``PROMOTE`` the widest dtype of the arguments. Operators
    of ``FP32_SET_OPT_DTYPE`` keep their arguments and compute in float32, by their argument ``dtype``.
    """

    LOWER_PRECISION = "lower_precision_fp"
    FP32 = "fp32"
    FP32_SET_OPT_DTYPE = "fp32_set_opt_dtype"
    PROMOTE = "promote"


_LOWER_PRECISION = {
    "cuda": """
        _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d convolution prelu
        addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm bmm chain_matmul linalg_multi_dot
        _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell
        _scaled_dot_product_flash_attention scaled_dot_product_attention cudnn_convolution cudnn_convolution_transpose
    """,
    "cpu": """
        conv1d conv2d conv3d bmm mm linalg_vecdot baddbmm addmm _addmm_activation addbmm linear _convolution
        matmul conv_tbc mkldnn_rnn_layer conv_transpose1d conv_transpose2d conv_transpose3d prelu
        scaled_dot_product_attention _native_multi_head_attention
    """,
}
_FP32 = {
    "cuda": """
        acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
        pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm.dim
        nuclear_norm nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d
        hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss
        multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits
        dist pdist cdist renorm logsumexp upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d
        _upsample_nearest_exact2d upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
        _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa
        linalg_matrix_sqrth norm.Scalar norm.ScalarOpt_dim norm.names_ScalarOpt_dim
    """,
    "cpu": """
        avg_pool3d binary_cross_entropy grid_sampler polar prod prod.dim_int quantile quantile.scalar nanquantile
        nanquantile.scalar stft stft.center cdist grid_sampler_2d _grid_sampler_2d_cpu_fallback grid_sampler_3d trace
        view_as_complex cholesky
        cholesky_inverse cholesky_solve inverse lu_solve orgqr ormqr pinverse max_pool3d max_unpool2d max_unpool3d
        adaptive_avg_pool3d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d
        mse_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss poisson_nll_loss smooth_l1_loss
        cross_entropy_loss l1_loss huber_loss margin_ranking_loss soft_margin_loss triplet_margin_loss
        multi_margin_loss ctc_loss.IntList ctc_loss.Tensor kl_div multilabel_margin_loss
        binary_cross_entropy_with_logits fft_fft fft_ifft fft_fft2 fft_ifft2 fft_fftn fft_ifftn fft_rfft fft_irfft
        fft_rfft2 fft_irfft2 fft_rfftn fft_irfftn fft_hfft fft_ihfft linalg_cond linalg_matrix_rank linalg_solve
        linalg_cholesky linalg_matrix_sqrth linalg_svdvals linalg_eigvals linalg_eigvalsh linalg_inv
        linalg_householder_product linalg_tensorinv linalg_tensorsolve fake_quantize_per_tensor_affine geqrf
        _lu_with_info qr svd triangular_solve fractional_max_pool2d fractional_max_pool3d adaptive_max_pool3d
        multilabel_margin_loss_forward linalg_qr linalg_cholesky_ex linalg_svd linalg_eig linalg_eigh
        linalg_lstsq linalg_inv_ex
    """,
}
_FP32_SET_OPT_DTYPE = {
    "cuda": """
        prod prod.dim_int softmax.int softmax.Dimname log_softmax.int log_softmax.Dimname cumprod cumsum
        linalg_vector_norm linalg_matrix_norm linalg_matrix_norm.str_ord sum sum.dim_IntList
    """,
    "cpu": "",
}
_PROMOTE = {
    "cuda": "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add",
    "cpu": "stack cat index_copy",
}

OPERATORS = {
    CastPolicy.LOWER_PRECISION: _LOWER_PRECISION,
    CastPolicy.FP32: _FP32,
    CastPolicy.FP32_SET_OPT_DTYPE: _FP32_SET_OPT_DTYPE,
    CastPolicy.PROMOTE: _PROMOTE,
}
"""The names of operators, or of one overload (``"pow.Scalar"``), by policy and device type."""


def cast_operators(device_type: str) -> dict[Any, CastPolicy]:
    """The policy of each overload that autocast casts on a device type."""
    return {
        operator: policy
        for policy, names in OPERATORS.items()
        for name in names[device_type].split()
        for operator in overloads(name, device_type)
    }


def overloads(name: str, device_type: str) -> list[Any]:
    """The overload of that name, or all of an operator, that PyTorch's autocast has a kernel for on a device type."""
    packet_name, _, overload = name.partition(".")
    packet: Any = getattr(torch.ops.aten, packet_name, None)
    if packet is None:
        return []
    names = [overload] if overload else packet.overloads()
    found = [getattr(packet, n) for n in names if n in packet.overloads()]
    return [op for op in found if op.name() in _with_autocast_kernel(device_type)]


@cache
def _with_autocast_kernel(device_type: str) -> frozenset[str]:
    key = f"Autocast{device_type.upper()}"
    names = [name for name in operator_names() if name.startswith("aten::")]
    return frozenset(name for name in names if has_kernel(name, key))
