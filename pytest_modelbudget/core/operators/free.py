"""Operators that are free by convention: moving data, element-wise arithmetic, reductions, and making tensors.

An operator is free when it is named here, when PyTorch tags it as pointwise or as a reduction, or when its
schema says that it only returns a view. An in-place operator is what its functional form is.
"""

from __future__ import annotations

from typing import Any

import torch

_VIEWS_AND_COPIES = """
    __getitem__ _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short
    _chunk_cat _coalesce _coalesced _conj_physical _copy_from _copy_from_and_resize _efficientzerotensor
    _has_compatible_shallow_copy_type _lazy_clone _mkldnn_reshape _mkldnn_transpose _nested_from_padded
    _nested_from_padded_tensor _nested_tensor_from_mask _nested_tensor_from_tensor_list _pack_padded_sequence
    _pad_circular _pad_enum _pad_packed_sequence _pack_sequence _padded_dense_to_jagged_forward
    _jagged_to_padded_dense_forward _pin_memory _reshape_copy _resize_output _set_item _shape_as_tensor _stack
    _to_copy _to_cpu _to_dense _to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr _unsafe_index
    _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate _unsafe_view adjoint as_strided_scatter
    atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cat channel_shuffle chunk clone coalesce column_stack
    combinations cartesian_prod complex concat concatenate constant_pad_nd contiguous copy copy_sparse_to_sparse data
    diag diag_embed diagflat diagonal_scatter dstack embedding embedding_renorm fill fill_diagonal_ flatten
    flatten_dense_tensors flip fliplr flipud gather hstack im2col index index_copy index_fill index_put
    _index_put_impl index_select item lift lift_fresh lift_fresh_copy masked_fill masked_scatter masked_select meshgrid
    movedim moveaxis narrow native_channel_shuffle nonzero nonzero_numpy nonzero_static one_hot pad pad_sequence
    pixel_shuffle pixel_unshuffle polar put reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave
    replication_pad1d replication_pad2d replication_pad3d requires_grad_ reshape resize resize_as resolve_conj
    resolve_neg roll rot90 row_stack scatter select_scatter set set_data slice_scatter sparse_mask split stack
    swapaxes swapdims squeeze take take_along_dim tensor_split tile to to_dense to_mkldnn to_padded_tensor to_sparse
    to_sparse_bsc to_sparse_bsr to_sparse_csc to_sparse_csr transpose tril triu t type_as unbind unflatten
    unflatten_dense_tensors unfold unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze vstack where zero
    _foreach_copy record_stream detach pin_memory
"""

_ELEMENT_WISE = """
    __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__
    _add_relu _amp_foreach_non_finite_check_and_unscale _amp_update_scale _fake_quantize_learnable_per_channel_affine
    _fake_quantize_learnable_per_tensor_affine _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    _fused_dropout _fused_rms_norm _masked_scale _masked_softmax _log_softmax _prelu_kernel _safe_softmax _softmax
    _thnn_fused_gru_cell _thnn_fused_lstm_cell _transform_bias_rescale_qkv _weight_norm _weight_norm_interface
    _sparse_softmax _sparse_log_softmax _nested_tensor_softmax_with_shape _saturate_weight_to_fp16
    abs absolute acos acosh add addcdiv addcmul addr alpha_dropout angle arccos arccosh arcsin arcsinh arctan arctan2
    arctanh asin asinh atan atan2 atanh binary_cross_entropy binary_cross_entropy_with_logits bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil celu clamp clamp_max clamp_min clip
    conj_physical copysign cos cosh cosine_embedding_loss cosine_similarity cross cross_entropy_loss ctc_loss _ctc_loss
    cumulative_trapezoid deg2rad digamma div divide dropout eq elu erf erfc erfinv exp exp2 expm1
    fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine
    fake_quantize_per_tensor_affine_cachemask feature_alpha_dropout feature_dropout fix float_power floor floor_divide
    fmax fmin fmod frac frexp gcd ge gelu ger glu greater greater_equal gt hardshrink hardsigmoid hardswish hardtanh
    heaviside hinge_embedding_loss huber_loss hypot i0 igamma igammac isclose isfinite isin isinf isnan isneginf
    isposinf isreal kl_div kron l1_loss lcm ldexp le leaky_relu lerp less less_equal lgamma linalg_cross
    local_response_norm log log10 log1p log2 log_sigmoid log_sigmoid_forward log_softmax logaddexp logaddexp2
    logical_and logical_not logical_or logical_xor logit lt margin_ranking_loss maximum minimum mish mse_loss mul
    multi_margin_loss multilabel_margin_loss multilabel_margin_loss_forward multiply mvlgamma nan_to_num native_dropout
    ne neg negative nextafter nll_loss nll_loss2d nll_loss2d_forward nll_loss_forward nll_loss_nd not_equal outer
    pairwise_distance poisson_nll_loss polygamma positive pow prelu rad2deg reciprocal relu relu6 remainder renorm
    rms_norm round rrelu rrelu_with_noise rrelu_with_noise_functional rsqrt rsub selu sgn sigmoid sign signbit silu sin
    sinc sinh smooth_l1_loss soft_margin_loss softmax softplus softshrink sqrt square sub subtract tan tanh threshold
    trapezoid trapz triplet_margin_loss true_divide trunc vander linalg_vander xlogy
"""

_REDUCTIONS = """
    _aminmax _cummax_helper _cummin_helper _is_all_true _is_any_true _logcumsumexp _sparse_sum _unique _unique2
    adaptive_avg_pool1d adaptive_avg_pool3d _adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d all allclose amax amin aminmax any argmax argmin argsort argwhere avg_pool1d avg_pool2d avg_pool3d
    bincount bucketize col2im count_nonzero cummax cummin cumprod cumsum diff dist equal fractional_max_pool2d
    fractional_max_pool3d frobenius_norm gradient histc histogram histogramdd _histogramdd_bin_edges
    _histogramdd_from_bin_cts _histogramdd_from_bin_tensors index_add index_reduce is_nonzero kthvalue
    linalg_vector_norm linalg__powsum logcumsumexp logsumexp max max_pool1d max_pool1d_with_indices max_pool2d
    max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d mean median min
    mkldnn_max_pool2d mkldnn_max_pool3d mode msort multinomial nanmean nanmedian nanquantile nansum native_norm norm
    norm_except_dim prod quantile scatter_add scatter_reduce searchsorted segment_reduce sort std std_mean sum
    sum_to_size topk trace unique_consecutive unique_dim unique_dim_consecutive var var_mean
"""

_MAKING_AND_ASKING = """
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async _functional_assert_scalar
    _fused_sdp_choice _has_same_storage_numel _is_zerotensor _linalg_check_errors _local_scalar_dense _nnz
    _nested_tensor_size _nested_tensor_storage_offsets _nested_tensor_strides _new_zeros_with_same_feature_meta
    _no_grad_fill_ _no_grad_normal_ _no_grad_uniform_ _no_grad_zero_ _philox_normal _philox_uniform
    _sparse_coo_tensor_unsafe _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _sparse_compressed_tensor_unsafe _spdiags _validate_compressed_sparse_indices _validate_sparse_coo_tensor_args
    _validate_sparse_csr_tensor_args _version arange bartlett_window bernoulli binomial blackman_window can_cast cauchy
    dense_dim dim empty empty_like empty_permuted empty_quantized empty_strided exponential eye fft_fftfreq fft_fftshift
    fft_ifftshift fft_rfftfreq full full_like geometric get_device hamming_window hann_window is_coalesced is_complex
    is_conj is_contiguous is_distributed is_floating_point is_inference is_leaf is_neg is_non_overlapping_and_dense
    is_pinned is_same_size is_set_to is_signed is_strides_like_format kaiser_window linspace log_normal logspace
    new_empty new_empty_strided new_full new_ones new_zeros normal normal_functional numel ones ones_like output_nr
    poisson rand rand_like randint randint_like randn randn_like random randperm result_type retain_grad retains_grad
    scalar_tensor size sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
    sparse_csr_tensor sparse_dim storage_offset stride sym_constrain_range sym_constrain_range_for_size
    sym_is_contiguous sym_numel sym_size sym_storage_offset sym_stride tensor tril_indices triu_indices uniform zeros
    zeros_like
"""

_TORCHVISION = "nms roi_pool ps_roi_pool"

FREE: frozenset[str] = frozenset(
    [f"aten::{name}" for group in (_VIEWS_AND_COPIES, _ELEMENT_WISE, _REDUCTIONS, _MAKING_AND_ASKING)
     for name in group.split()]
    + [f"torchvision::{name}" for name in _TORCHVISION.split()]
)  # fmt: skip

_FREE_NAMESPACES = frozenset({"prim", "prims", "debugprims", "profiler", "_guards"})
_FREE_TAGS = frozenset(
    getattr(torch.Tag, name) for name in ("pointwise", "reduction", "view_copy") if hasattr(torch.Tag, name)
)


def is_free(operator: Any) -> bool:
    """Whether a ``torch._ops.OpOverload`` is free by convention."""
    name = operator._schema.name
    if name in FREE or name.split("::")[0] in _FREE_NAMESPACES:
        return True
    if name.endswith("_") and name[:-1] in FREE:
        return True
    if name.startswith("aten::") and (_FREE_TAGS.intersection(operator.tags) or _foreach_of_free(name)):
        return True
    return _is_view(operator)


def _foreach_of_free(name: str) -> bool:
    stem = name.removeprefix("aten::_foreach_").removesuffix("_")
    return (name.startswith("aten::_foreach_") and f"aten::{stem}" in FREE) or stem == "powsum"


def _is_view(operator: Any) -> bool:
    returns = operator._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)
