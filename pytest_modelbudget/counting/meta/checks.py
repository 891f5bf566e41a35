"""Calls that the kernels of CPU and CUDA both refuse, and PyTorch's meta kernels accept: refused here in their words.

A check is given an operator's arguments before PyTorch is asked on meta what it returns, once for equal ones. What only
one kind of device refuses is let through: the budget may be for the other. Most of it is checked in C++ by what the
devices share (``TORCH_META_FUNC``, ``TensorIterator``), for which PyTorch has a meta kernel in Python that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

_NAMES = {
    torch.uint8: ("Byte", "unsigned char"),
    torch.int8: ("Char", "signed char"),
    torch.int16: ("Short", "short int"),
    torch.int32: ("Int", "int"),
    torch.int64: ("Long", "long int"),
    torch.float16: ("Half", "c10::Half"),
    torch.bfloat16: ("BFloat16", "c10::BFloat16"),
    torch.float32: ("Float", "float"),
    torch.float64: ("Double", "double"),
    torch.complex64: ("ComplexFloat", "c10::complex<float>"),
    torch.complex128: ("ComplexDouble", "c10::complex<double>"),
    torch.bool: ("Bool", "bool"),
}
"""How PyTorch's messages name a dtype: most by its scalar type, some by the type in C++."""

_REDUCED = frozenset({torch.float16, torch.bfloat16})
_INTEGERS = frozenset({torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_COMPLEX = frozenset({torch.complex64, torch.complex128})
_INDICES = frozenset({torch.int32, torch.int64})

Check = Callable[..., None]


def _name(dtype: torch.dtype) -> str:
    return _NAMES.get(dtype, (str(dtype),))[0]


def _in_cpp(dtype: torch.dtype) -> str:
    return _NAMES.get(dtype, (str(dtype),))[-1]


def _refuse(accepted: Any, message: str) -> None:
    if not accepted:
        raise RuntimeError(message)


def _implemented(kernel: str, has_dtype: bool, *operands: torch.Tensor) -> None:
    """Refuse a dtype that a kernel is not compiled for. With nothing to compute it is not asked."""
    if all(operand.numel() for operand in operands):
        _refuse(has_dtype, f"\"{kernel}\" not implemented for '{_name(operands[0].dtype)}'")


# Products (aten/src/ATen/native/LinearAlgebra.cpp, Blas.cpp, GroupedMMUtils.h)


def _mm(self: torch.Tensor, mat2: torch.Tensor, *rest: Any, **options: Any) -> None:
    one, other = self.dtype, mat2.dtype
    _refuse(
        one is other,
        f"expected m1 and m2 to have the same dtype, but got: {_in_cpp(one)} != {_in_cpp(other)}",
    )
    _implemented("addmm", one is not torch.bool, self, mat2)


def _addmm(self: torch.Tensor, mat1: torch.Tensor, mat2: torch.Tensor, *rest: Any, **options: Any) -> None:
    for name, dtype in (("self", self.dtype), ("mat1", mat1.dtype)):
        _refuse(
            dtype is mat2.dtype,
            f"{name} and mat2 must have the same dtype, but got {_name(dtype)} and {_name(mat2.dtype)}",
        )
    _implemented("addmm", mat2.dtype is not torch.bool, mat1, mat2)


def _mv(self: torch.Tensor, vec: torch.Tensor, *rest: Any, **options: Any) -> None:
    _addmv(vec, self, vec)


def _addmv(self: torch.Tensor, mat: torch.Tensor, vec: torch.Tensor, *rest: Any, **options: Any) -> None:
    _refuse(
        self.dtype is mat.dtype is vec.dtype or not mat.numel(),
        "addmv input tensors must have the same dtype, but got "
        f"{_name(self.dtype)}, {_name(mat.dtype)}, and {_name(vec.dtype)}",
    )


def _bmm(self: torch.Tensor, mat2: torch.Tensor, *rest: Any, **options: Any) -> None:
    _same_type(self, mat2)


def _baddbmm(self: torch.Tensor, batch1: torch.Tensor, batch2: torch.Tensor, *rest: Any, **options: Any) -> None:
    _same_type(batch1, batch2)


def grouped_mm(self: torch.Tensor, mat2: torch.Tensor, offs: torch.Tensor | None) -> None:
    """A product of groups, for which there is a rule: it is checked there."""
    _refuse(self.shape[-1] == mat2.shape[-2], "contraction dimension of mat_a and mat_b must match")
    if self.dim() == mat2.dim() == 3:
        _refuse(self.shape[0] == mat2.shape[0], "batched dimension has to match")
    elif offs is not None and (self.dim() == 3 or mat2.dim() == 3):
        stack = self if self.dim() == 3 else mat2
        _refuse(stack.shape[0] == offs.shape[0], "matrix batch sizes have to match")
    _mm(self, mat2)


# Convolutions (aten/src/ATen/native/Convolution.cpp)


def convolution(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, *rest: Any,
) -> None:  # fmt: skip
    """A convolution, for which there is a rule: it is checked there, too."""
    if input.dim() != weight.dim():
        return  # PyTorch says so
    size, shape = list(weight.shape), list(input.shape)
    given = f"Given transposed={int(transposed)}, weight of size {size}"
    _refuse(min(padding, default=0) >= 0, "negative padding is not supported")
    _refuse(min(stride, default=1) > 0, "non-positive stride is not supported")
    _refuse(min(dilation, default=1) > 0, "non-positive dilation is not supported")
    _refuse(
        groups > 0 and size[0] % groups == 0,
        f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
        f"but got weight of size [{size}] instead",
    )
    channels = size[0] if transposed else size[1] * groups
    _refuse(
        shape[1] == channels,
        f"{given}, expected input{shape} to have {channels} channels, but got {shape[1]} channels instead",
    )
    outputs = size[1] * groups if transposed else size[0]
    _refuse(
        bias is None or list(bias.shape) == [outputs],
        f"{given if transposed else f'Given weight of size {size}'}, expected bias to be 1-dimensional with {outputs} "
        f"elements, but got bias of size {list(bias.shape) if bias is not None else []} instead",
    )
    if input.numel():
        _same_dtype_as_input(input, "weight", weight)
        _same_dtype_as_input(input, "bias", bias)
    _implemented("convolution", input.dtype is not torch.bool, input)


def _same_dtype_as_input(input: torch.Tensor, name: str, parameter: torch.Tensor | None) -> None:
    if parameter is not None:
        _refuse(
            parameter.dtype is input.dtype,
            f"Input type ({_name(input.dtype)}) and {name} type ({_name(parameter.dtype)}) should be the same",
        )


# Attention (aten/src/ATen/native/transformers/attention.cpp, validate_sdpa_input)


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None, *rest: Any
) -> None:
    """Scaled dot-product attention by a fused kernel: by mathematics, its parts are checked."""
    dtypes = [_in_cpp(tensor.dtype) for tensor in (query, key, value)]
    _refuse(
        query.dtype is key.dtype is value.dtype,
        f"Expected query, key, and value to have the same dtype, but got query.dtype: {dtypes[0]} "
        f"key.dtype: {dtypes[1]} and value.dtype: {dtypes[2]} instead.",
    )
    if attn_mask is not None:
        _refuse(
            attn_mask.dtype in (torch.bool, torch.float32, query.dtype),
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{_in_cpp(attn_mask.dtype)} and  query.dtype: {dtypes[0]} instead.",
        )
    stacks, wide = query.shape[:-2].numel(), query.shape[-1]
    _refuse(
        key.shape[-1] == wide,
        f"Expected size for first two dimensions of batch2 tensor to be: [{stacks}, {wide}] "
        f"but got: [{stacks}, {key.shape[-1]}].",
    )


# Norms (aten/src/ATen/native/cpu/mixed_data_type.h; on CUDA their kernels take weights of the input's dtype at best)


def _mixed(input: torch.Tensor, *weights: Any) -> None:
    for weight in weights:
        if weight is None or weight.dtype is input.dtype:
            continue
        _refuse(weight.dtype is torch.float32, "mixed dtype: expect parameter to have scalar type of Float")
        _refuse(input.dtype in _REDUCED, "mixed dtype: all inputs must share same datatype.")


def _layer_norm(input: torch.Tensor, shape: Any, weight: Any, bias: Any, eps: float) -> None:
    _mixed(input, weight, bias)


def _group_norm(input: torch.Tensor, weight: Any, bias: Any, *sizes: Any) -> None:
    _implemented("GroupNorm", input.is_floating_point(), input)
    _mixed(input, weight, bias)


def _batch_norm(input: torch.Tensor, weight: Any, bias: Any, mean: Any = None, var: Any = None, *rest: Any) -> None:
    _implemented("batch_norm", input.is_floating_point(), input)
    given = [tensor for tensor in (weight, bias, mean, var) if isinstance(tensor, torch.Tensor)]
    _mixed(input, *(given if input.numel() else given[:1]))  # without anything to compute, the others are not looked at


# Recurrent layers (aten/src/ATen/native/RNN.cpp, check_attributes)


def recurrent(input: torch.Tensor, states: Iterable[torch.Tensor]) -> None:
    """A recurrent layer, for which there is a rule: it is checked there."""
    for state in states:
        _refuse(
            state.dtype is input.dtype,
            "Input and hidden tensors are not the same dtype, found input tensor with "
            f"{_name(input.dtype)} and hidden tensor with {_name(state.dtype)}",
        )


# Indices


def _index_add(self: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, **options: Any) -> None:
    _refuse(
        self.dtype is source.dtype,
        f"index_add_(): self ({_name(self.dtype)}) and source ({_name(source.dtype)}) must have the same scalar type",
    )
    _refuse(
        index.dtype in _INDICES, f"index_add_(): Expected dtype int32/int64 for index but got: {_name(index.dtype)}"
    )


def _index_copy(self: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor) -> None:
    _refuse(
        self.dtype is source.dtype,
        "index_copy_(): self and source expected to have the same dtype, but got (self) "
        f"{_name(self.dtype)} and (source) {_name(source.dtype)}",
    )


def _index_select(self: torch.Tensor, dim: int, index: torch.Tensor) -> None:
    if index.dim() > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    _refuse(index.dtype in _INDICES, "index_select(): Expected dtype int32 or int64 for index")


def _index_put(self: torch.Tensor, indices: Any, values: torch.Tensor, *rest: Any) -> None:
    _refuse(
        self.dtype is values.dtype,
        f"Index put requires the source and destination dtypes match, got {_name(self.dtype)} for the destination "
        f"and {_name(values.dtype)} for the source.",
    )


def _embedding(weight: torch.Tensor, indices: torch.Tensor, *rest: Any, **options: Any) -> None:
    _refuse(
        indices.dtype in _INDICES,
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
        f"but got {indices.dtype} instead",
    )


def _embedding_bag(
    weight: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor, by_frequency: bool = False, mode: int = 0,
    sparse: bool = False, per_sample_weights: torch.Tensor | None = None, *rest: Any,
) -> None:  # fmt: skip
    _refuse(
        per_sample_weights is None or per_sample_weights.dtype is weight.dtype,
        "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #2 'per_sample_weights' "
        "(while checking arguments for embedding_bag)",
    )


# Losses


def _nll_loss(self: torch.Tensor, target: torch.Tensor, *rest: Any) -> None:
    _refuse(
        target.dtype in (torch.int64, torch.uint8) or not target.numel(),
        f"expected target dtype to be Long or Byte, but got {_name(target.dtype)}",
    )


def _nll_loss2d(self: torch.Tensor, target: torch.Tensor, *rest: Any) -> None:
    _nll_loss(self, target)
    _refuse(
        self.dim() != 4 or (self.shape[0], *self.shape[2:]) == target.shape,
        f"size mismatch (got input: {list(self.shape)} , target: {list(target.shape)}",
    )


def _binary_cross_entropy(self: torch.Tensor, target: torch.Tensor, *rest: Any) -> None:
    _refuse(self.dtype is target.dtype, f"Found dtype {_name(target.dtype)} but expected {_name(self.dtype)}")


# What several operators share


def _same_type(self: torch.Tensor, other: torch.Tensor) -> None:
    if self.numel() and other.numel():
        _refuse(self.dtype is other.dtype, f"expected scalar type {_name(self.dtype)} but found {_name(other.dtype)}")


def _grid_sampler(input: torch.Tensor, grid: torch.Tensor, *rest: Any) -> None:
    _implemented("grid_sampler", input.is_floating_point(), input)
    _same_type(input, grid)


def _cdist(x1: torch.Tensor, x2: torch.Tensor, *rest: Any) -> None:
    _same_type(x1, x2)
    _implemented("cdist", x1.dtype not in _REDUCED, x1, x2)


def _complex(real: torch.Tensor, imag: torch.Tensor) -> None:
    allowed = (torch.float16, torch.float32, torch.float64)
    _refuse(
        real.dtype in allowed and imag.dtype in allowed,
        f"Expected both inputs to be Half, Float or Double tensors but got {_name(real.dtype)} and {_name(imag.dtype)}",
    )
    _refuse(
        real.dtype is imag.dtype,
        f"Expected object of scalar type {_name(real.dtype)} but got scalar type {_name(imag.dtype)} "
        "for second argument",
    )


def _in_place(self: torch.Tensor, other: Any, *rest: Any, **options: Any) -> None:
    result = torch.result_type(self, other)
    _refuse(
        torch.can_cast(result, self.dtype),
        f"result type {_name(result)} can't be cast to the desired output type {_name(self.dtype)}",
    )


def _softmax(self: torch.Tensor, dim: int, *rest: Any) -> None:
    most = max(self.dim(), 1)
    if not -most <= dim < most:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-most}, {most - 1}], but got {dim})")
    _implemented("softmax", self.is_floating_point(), self)


def _multinomial(self: torch.Tensor, num_samples: int, replacement: bool = False, **options: Any) -> None:
    _refuse(
        replacement or num_samples <= self.shape[-1],
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
    )


def _without(name: str, dtypes: frozenset[torch.dtype]) -> Check:
    """The check of an operator that has no kernel for some dtypes of its first argument."""

    def check(self: Any, *rest: Any, **options: Any) -> None:
        if isinstance(self, torch.Tensor):
            _implemented(name, self.dtype not in dtypes, self)

    return check


_BOOL = frozenset({torch.bool})
_MISSING = [  # the operators, and the dtypes that neither CPU nor CUDA has them for
    ("gelu mish hardswish hardsigmoid softplus elu leaky_relu glu", _INTEGERS | _BOOL | _COMPLEX),
    ("silu", _INTEGERS | _BOOL),
    ("relu", _BOOL | _COMPLEX),
    ("clamp clamp_min clamp_max max min median sort topk sign floor atan2 mse_loss huber_loss", _COMPLEX),
    ("max_pool2d_with_indices", _BOOL | _COMPLEX),
    ("avg_pool2d", _INTEGERS - {torch.int64, torch.uint8} | _BOOL | _COMPLEX),
    ("_adaptive_avg_pool2d", _INTEGERS | _BOOL | _COMPLEX),
    ("upsample_bilinear2d upsample_bicubic2d", _INTEGERS - {torch.uint8} | _BOOL | _COMPLEX),
    ("_pdist_forward", _REDUCED),
    ("_fft_r2c", frozenset({torch.bfloat16})),
    ("bitwise_and bitwise_or bitwise_xor bitwise_not", _REDUCED | {torch.float32, torch.float64} | _COMPLEX),
    (
        "linalg_cholesky_ex linalg_qr linalg_lu_factor_ex linalg_lu _linalg_det _linalg_slogdet _linalg_solve_ex "
        "_linalg_svd _linalg_eigh linalg_solve_triangular cholesky_inverse geqrf linalg_householder_product ormqr",
        _REDUCED,
    ),
]  # fmt: skip


def _overloads(names: str) -> Iterator[Any]:
    """The operators of those names that this PyTorch has, with all overloads that are given no tensor to write into."""
    for name in names.split():
        packet = getattr(torch.ops.aten, name, None)
        for overload in packet.overloads() if packet is not None else ():
            operator = getattr(packet, overload)
            if not any(argument.is_out for argument in operator._schema.arguments):
                yield operator


_BY_NAME: list[tuple[str, Check]] = [
    ("mm", _mm),
    ("addmm addmm_ _addmm_activation", _addmm),
    ("bmm", _bmm),
    ("baddbmm baddbmm_", _baddbmm),
    ("mv", _mv),
    ("addmv addmv_", _addmv),
    ("convolution _convolution", convolution),
    ("native_layer_norm", _layer_norm),
    ("native_group_norm", _group_norm),
    ("native_batch_norm _native_batch_norm_legit cudnn_batch_norm", _batch_norm),
    ("index_add index_add_", _index_add),
    ("index_copy index_copy_", _index_copy),
    ("index_select", _index_select),
    ("index_put index_put_ _index_put_impl_ _unsafe_index_put", _index_put),
    ("embedding", _embedding),
    ("_embedding_bag _embedding_bag_forward_only", _embedding_bag),
    ("nll_loss_forward", _nll_loss),
    ("nll_loss2d_forward", _nll_loss2d),
    ("binary_cross_entropy", _binary_cross_entropy),
    ("_cdist_forward", _cdist),
    ("grid_sampler_2d grid_sampler_3d", _grid_sampler),
    ("complex polar", _complex),
    ("_softmax _log_softmax", _softmax),
    ("multinomial", _multinomial),
    *((name, _without(name, dtypes)) for names, dtypes in _MISSING for name in names.split()),
]

CHECKS: dict[Any, Check] = {operator: check for names, check in _BY_NAME for operator in _overloads(names)}
CHECKS |= {getattr(torch.ops.aten, f"{name}_").Tensor: _in_place for name in ("add", "sub", "mul", "div")}
"""Operator to what is asked of its arguments."""
