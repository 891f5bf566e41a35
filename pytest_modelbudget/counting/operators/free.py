"""Operators that are free by convention: moving data, element-wise arithmetic, reductions, and making tensors.

An operator is free when it is named here, when PyTorch tags it as pointwise or as a reduction, or when its
schema says that it only returns a view. An in-place operator is free when its functional form is. The derivatives of
free operators are free, and so are those of norms, interpolation and pooling, which no convention counts.
"""

from __future__ import annotations

from typing import Any

import torch

_VIEWS_AND_COPIES = """
    adjoint as_strided as_strided_scatter atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors
    cartesian_prod _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short cat
    channel_shuffle chunk _chunk_cat clone _coalesce coalesce _coalesced column_stack combinations complex concat
    concatenate _conj_physical constant_pad_nd contiguous _convert_indices_from_coo_to_csr
    _convert_indices_from_csr_to_coo _convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu copy
    _copy_from _copy_from_and_resize copy_sparse_to_sparse _cslt_compress _cudnn_rnn_flatten_weight data
    dequantize detach diag diag_embed diagflat diagonal_scatter dstack _dyn_quant_pack_4bit_weight
    _efficientzerotensor embedding embedding_renorm fill fill_diagonal_ flatten flatten_dense_tensors flip fliplr
    flipud _foreach_copy gather _has_compatible_shallow_copy_type hstack im2col index index_copy index_fill
    index_put _index_put_impl index_select int_repr item _jagged_to_padded_dense_forward _lazy_clone lift
    lift_fresh lift_fresh_copy lu_unpack _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor
    masked_fill masked_scatter masked_select meshgrid mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight
    _mkldnn_reshape _mkldnn_transpose moveaxis movedim narrow narrow_copy native_channel_shuffle
    _nested_from_padded _nested_from_padded_and_nested_example _nested_from_padded_tensor _nested_tensor_from_mask
    _nested_tensor_from_mask_left_aligned _nested_tensor_from_tensor_list nonzero nonzero_numpy nonzero_static
    one_hot _pack_padded_sequence pad _pad_circular _pad_enum _pad_packed_sequence pad_sequence
    _padded_dense_to_jagged_forward _pin_memory pin_memory pixel_shuffle pixel_unshuffle polar put record_stream
    reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d requires_grad_ reshape _reshape_copy resize resize_as resize_as_sparse
    _resize_output resolve_conj resolve_neg roll rot90 row_stack scatter select_scatter set set_data shallow_copy_data
    _shape_as_tensor slice_scatter sparse_mask _sparse_mask_projection sparse_resize sparse_resize_and_clear
    _sparse_semi_structured_apply _sparse_semi_structured_apply_dense _sparse_semi_structured_tile split
    split_copy split_with_sizes_copy squeeze _stack stack swapaxes swapdims t take take_along_dim tensor_split
    tile to _to_copy _to_cpu _to_dense to_dense to_mkldnn to_padded_tensor _to_sparse to_sparse _to_sparse_bsc
    to_sparse_bsc _to_sparse_bsr to_sparse_bsr _to_sparse_csc to_sparse_csc _to_sparse_csr to_sparse_csr
    _to_sparse_semi_structured transpose tril triu type_as unbind unbind_copy unflatten unflatten_dense_tensors
    unfold unsafe_chunk _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate
    unsafe_split unsafe_split_with_sizes _unsafe_view unsqueeze vstack where zero
"""

_ELEMENT_WISE = """
    abs absolute acos acosh add _add_relu addcdiv addcmul addr alpha_dropout
    _amp_foreach_non_finite_check_and_unscale _amp_update_scale __and__ angle arccos arccosh arcsin arcsinh arctan
    arctan2 arctanh asin asinh atan atan2 atanh binary_cross_entropy binary_cross_entropy_with_logits bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil celu clamp clamp_max clamp_min
    clip conj_physical copysign cos cosh cosine_embedding_loss cosine_similarity cross cross_entropy_loss ctc_loss
    _ctc_loss _cudnn_ctc_loss cumulative_trapezoid deg2rad digamma div divide dropout elu eq erf erfc erfinv exp
    exp2 expm1 _fake_quantize_learnable_per_channel_affine _fake_quantize_learnable_per_tensor_affine
    fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine
    fake_quantize_per_tensor_affine_cachemask _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    feature_alpha_dropout feature_dropout fix float_power floor floor_divide fmax fmin fmod frac frexp
    _fused_adagrad _fused_adam _fused_adamw _fused_dropout _fused_moving_avg_obs_fq_helper
    _fused_moving_avg_obs_fq_helper_functional _fused_rms_norm _fused_sgd gcd ge gelu ger glu glu_jvp greater
    greater_equal gt hardshrink hardsigmoid hardswish hardtanh heaviside hinge_embedding_loss huber_loss hypot i0
    __iand__ igamma igammac __ilshift__ __ior__ __irshift__ isclose isfinite isin isinf isnan isneginf isposinf
    isreal __ixor__ kl_div kron l1_loss lcm ldexp le leaky_relu lerp less less_equal lgamma linalg_cross
    linalg_vander log log10 log1p log2 log_sigmoid log_sigmoid_forward _log_softmax log_softmax logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor logit __lshift__ lt margin_ranking_loss
    _masked_scale _masked_softmax maximum minimum miopen_ctc_loss mish mse_loss mul multi_margin_loss
    multilabel_margin_loss multilabel_margin_loss_forward multiply mvlgamma nan_to_num native_dropout ne neg
    negative _nested_tensor_softmax_with_shape nextafter nll_loss nll_loss2d nll_loss2d_forward nll_loss_forward
    nll_loss_nd not_equal __or__ outer pairwise_distance poisson_nll_loss polygamma positive pow prelu
    _prelu_kernel quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic rad2deg reciprocal relu
    relu6 remainder renorm rms_norm round rrelu rrelu_with_noise rrelu_with_noise_functional __rshift__ rsqrt rsub
    _safe_softmax _saturate_weight_to_fp16 selu sgn sigmoid sign signbit silu sin sinc sinh smooth_l1_loss
    soft_margin_loss _softmax softmax softplus softshrink _sparse_log_softmax _sparse_softmax sqrt square sub
    subtract tan tanh _thnn_fused_gru_cell _thnn_fused_lstm_cell threshold _transform_bias_rescale_qkv trapezoid
    trapz triplet_margin_loss true_divide trunc vander _weight_norm _weight_norm_interface xlogy __xor__
"""

_REDUCTIONS = """
    adaptive_avg_pool1d adaptive_avg_pool3d _adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d all allclose amax amin _aminmax aminmax any argmax argmin argsort argwhere avg_pool1d
    avg_pool2d avg_pool3d batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_stats
    batch_norm_update_stats bincount bucketize col2im count_nonzero cummax _cummax_helper cummin _cummin_helper
    cumprod cumsum diff dist equal fractional_max_pool2d fractional_max_pool3d frobenius_norm gradient hash_tensor
    histc histogram histogramdd _histogramdd_bin_edges _histogramdd_from_bin_cts _histogramdd_from_bin_tensors
    index_add index_reduce _is_all_true _is_any_true is_nonzero kthvalue linalg__powsum linalg_vector_norm
    _logcumsumexp logcumsumexp logsumexp max max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices
    max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d mean median min mkldnn_max_pool2d
    mkldnn_max_pool3d mode msort multinomial nanmean nanmedian nanquantile nansum native_norm norm norm_except_dim
    prod quantile quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d scatter_add scatter_reduce
    searchsorted segment_reduce sort _sparse_csr_prod _sparse_csr_sum _sparse_sum std std_mean sum sum_to_size
    topk trace _unique _unique2 unique_consecutive unique_dim unique_dim_consecutive var var_mean
"""

_MAKING_AND_ASKING = """
    arange _assert_async _assert_scalar _assert_tensor_metadata bartlett_window bernoulli binomial blackman_window
    can_cast cauchy _cudnn_init_dropout_state dense_dim dim _dimI _dimV empty _empty_affine_quantized empty_like
    _empty_per_channel_affine_quantized empty_permuted empty_quantized empty_strided exponential eye fft_fftfreq
    fft_fftshift fft_ifftshift fft_rfftfreq _fill_mem_eff_dropout_mask_ from_file full full_like
    _functional_assert_async _functional_assert_scalar _functional_sym_constrain_range
    _functional_sym_constrain_range_for_size _fused_sdp_choice geometric get_device hamming_window hann_window
    _has_same_storage_numel is_coalesced is_complex is_conj is_contiguous is_distributed is_floating_point
    is_inference is_leaf is_neg is_pinned is_same_size is_set_to is_signed _is_zerotensor kaiser_window
    _linalg_check_errors linspace _local_scalar_dense log_normal logspace _make_dep_token
    _nested_compute_contiguous_strides_offsets _nested_get_jagged_dummy _nested_get_lengths _nested_get_max_seqlen
    _nested_get_min_seqlen _nested_get_offsets _nested_get_ragged_idx _nested_tensor_size
    _nested_tensor_storage_offsets _nested_tensor_strides new_empty new_empty_strided new_full new_ones new_zeros
    _new_zeros_with_same_feature_meta _nnz normal normal_functional numel ones ones_like output_nr
    _philox_key_fold_in _philox_key_split _philox_normal _philox_randint _philox_uniform poisson _print
    q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme rand rand_like
    randint randint_like randn randn_like random randperm range result_type retain_grad retains_grad
    _sample_dirichlet scalar_tensor size sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor
    _sparse_compressed_tensor_unsafe _sparse_compressed_tensor_with_dims sparse_coo_tensor
    _sparse_coo_tensor_unsafe _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    sparse_csc_tensor sparse_csr_tensor sparse_dim _spdiags _standard_gamma storage_offset stride
    sym_constrain_range sym_constrain_range_for_size sym_is_contiguous sym_numel sym_size sym_storage_offset
    sym_stride tril_indices triu_indices uniform _use_cudnn_ctc_loss _use_miopen_ctc_loss
    _validate_compressed_sparse_indices _validate_sparse_coo_tensor_args _validate_sparse_csr_tensor_args _version
    zeros zeros_like
"""

_BACKWARDS = """
    _adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward adaptive_avg_pool3d_backward
    adaptive_max_pool2d_backward adaptive_max_pool3d_backward avg_pool2d_backward avg_pool3d_backward
    batch_norm_backward batch_norm_backward_elemt batch_norm_backward_reduce binary_cross_entropy_backward
    _ctc_loss_backward cudnn_batch_norm_backward cudnn_grid_sampler_backward diagonal_backward _dirichlet_grad
    elu_backward embedding_dense_backward _fake_quantize_learnable_per_channel_affine_backward
    _fake_quantize_learnable_per_tensor_affine_backward fractional_max_pool2d_backward
    fractional_max_pool3d_backward _fused_rms_norm_backward gelu_backward glu_backward glu_backward_jvp
    grid_sampler_2d_backward _grid_sampler_2d_cpu_fallback_backward grid_sampler_3d_backward hardshrink_backward
    hardsigmoid_backward hardswish_backward hardtanh_backward huber_loss_backward leaky_relu_backward
    log_sigmoid_backward _log_softmax_backward_data logit_backward masked_scatter_backward
    _masked_softmax_backward max_pool2d_backward max_pool2d_with_indices_backward max_pool3d_with_indices_backward
    miopen_batch_norm_backward mish_backward mkldnn_adaptive_avg_pool2d_backward mkldnn_max_pool2d_backward
    mkldnn_max_pool3d_backward mse_loss_backward multi_margin_loss_backward multilabel_margin_loss_backward
    native_batch_norm_backward native_dropout_backward native_group_norm_backward native_layer_norm_backward
    _nested_select_backward _nested_sum_backward nll_loss2d_backward nll_loss_backward _prelu_kernel_backward
    reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward
    replication_pad2d_backward replication_pad3d_backward rrelu_with_noise_backward _segment_reduce_backward
    select_backward sigmoid_backward silu_backward slice_backward smooth_l1_loss_backward
    soft_margin_loss_backward _softmax_backward_data softplus_backward softshrink_backward
    _sparse_log_softmax_backward_data _sparse_softmax_backward_data _sparse_sum_backward _standard_gamma_grad
    tanh_backward _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell_backward_impl threshold_backward
    unfold_backward _upsample_bicubic2d_aa_backward upsample_bicubic2d_backward _upsample_bilinear2d_aa_backward
    upsample_bilinear2d_backward _upsample_lanczos2d_aa_backward upsample_linear1d_backward
    upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward
    _upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward _upsample_nearest_exact3d_backward
    upsample_trilinear3d_backward _weight_norm_interface_backward
"""

_QUANTIZED = """
    add add_out add_relu add_relu_out add_scalar add_scalar_out add_scalar_relu add_scalar_relu_out cat cat_out
    cat_relu cat_relu_out celu clamp conv1d_prepack conv2d_prepack conv3d_prepack conv_prepack
    conv_transpose1d_prepack conv_transpose2d_prepack conv_transpose3d_prepack dropout elu embedding_4bit
    embedding_bag_2bit_prepack embedding_bag_2bit_prepack_with_rowwise_min_max embedding_bag_2bit_unpack
    embedding_bag_4bit_prepack embedding_bag_4bit_prepack_with_rowwise_min_max embedding_bag_4bit_unpack
    embedding_bag_byte_prepack embedding_bag_byte_prepack_with_rowwise_min_max embedding_bag_byte_unpack
    embedding_bag_prepack embedding_byte hardswish leaky_relu linear_prepack linear_prepack_fp16
    linear_prepack_fp16_legacy linear_prepack_legacy linear_unpack linear_unpack_fp16 make_quantized_cell_params
    make_quantized_cell_params_dynamic max_pool1d max_pool2d mul mul_out mul_relu mul_relu_out mul_scalar
    mul_scalar_out mul_scalar_relu mul_scalar_relu_out prelu relu6 sigmoid softmax threshold _wrapped_linear_prepack
    wrapped_fbgemm_pack_gemm_matrix_fp16
"""

_ELSEWHERE = {
    "torchvision": "nms roi_pool ps_roi_pool",
    "quantized": _QUANTIZED,
    "_quantized": _QUANTIZED,
    "onednn": "linear_prepack_fp16 qadd qadd_relu qconv_prepack qlinear_prepack qmul",
    "mkldnn": """
        data_ptr _get_mkldnn_serialized_md _nbytes _reorder_convolution_transpose_weight _reorder_convolution_weight
        _reorder_linear_weight _reorder_mkldnn_rnn_layer_weight
    """,
    "mkl": "_mkl_reorder_linear_weight",
    "sparse": "qlinear_prepack",
}

FREE: frozenset[str] = frozenset(
    [f"aten::{name}" for group in (_VIEWS_AND_COPIES, _ELEMENT_WISE, _REDUCTIONS, _MAKING_AND_ASKING, _BACKWARDS)
     for name in group.split()]
    + [f"{namespace}::{name}" for namespace, names in _ELSEWHERE.items() for name in names.split()]
)  # fmt: skip

_FREE_NAMESPACES = frozenset(
    {"prim", "prims", "debugprims", "profiler", "_guards", "quantization", "quantized_decomposed"}
)
_NOT_FREE = frozenset({"prims::fft_c2c", "prims::fft_c2r", "prims::fft_r2c", "prims::svd"})
_FREE_TAGS = frozenset(
    getattr(torch.Tag, name) for name in ("pointwise", "reduction", "view_copy") if hasattr(torch.Tag, name)
)


def is_free(operator: Any) -> bool:
    """Whether a ``torch._ops.OpOverload`` is free by convention."""
    name = operator._schema.name
    if name in FREE or (name.split("::")[0] in _FREE_NAMESPACES and name not in _NOT_FREE):
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
