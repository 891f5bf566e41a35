"""Autocast on the meta device, where PyTorch has none: the same operators run in the same precision.

Which operators run in low precision and which in fp32 is read from ``ATen/autocast_mode.h`` (CUDA) and
``ATen/autocast_mode.cpp`` (CPU). Kernels are registered under a dispatch key of autocast that no built-in device
uses, so that they see operators where PyTorch's own autocast does, inside composite operators as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

_KEY: Any = torch._C.DispatchKey.AutocastPrivateUse1  # type: ignore[attr-defined] # the stub lists a part of them

_LOWER = {
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
_SINGLE = {
    "cuda": """
        acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
        pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm.dim
        nuclear_norm nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d
        hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss
        multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits
        dist pdist cdist renorm logsumexp upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d
        _upsample_nearest_exact2d upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
        _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa norm.Scalar
        norm.ScalarOpt_dim
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
        linalg_cholesky linalg_svdvals linalg_eigvals linalg_eigvalsh linalg_inv linalg_householder_product
        linalg_tensorinv linalg_tensorsolve fake_quantize_per_tensor_affine geqrf _lu_with_info qr svd
        triangular_solve fractional_max_pool2d fractional_max_pool3d adaptive_max_pool3d multilabel_margin_loss_forward
        linalg_qr linalg_cholesky_ex linalg_svd linalg_eig linalg_eigh linalg_lstsq linalg_inv_ex
    """,
}
_SINGLE_BY_DTYPE = {  # they take the dtype to compute in as an argument
    "cuda": "prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm "
    "linalg_matrix_norm.str_ord sum sum.dim_IntList",
    "cpu": "",
}
_WIDEST = {
    "cuda": "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add",
    "cpu": "stack cat index_copy",
}


@contextmanager
def autocast(dtype: torch.dtype, rules: str, *, again: bool = False) -> Iterator[None]:
    """Run what is inside as ``torch.autocast(rules, dtype)`` would: meta tensors are cast, weights once each.

    ``torch.autocast(..., enabled=False)`` inside is respected. ``again`` is for a backward pass: only what a checkpoint
    runs again in it, which is what runs with gradients enabled, is cast.
    """
    session = _Session(dtype, rules, again=again)
    library = torch.library.Library("aten", "IMPL")
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(torch.library.fallthrough_kernel, _KEY.name)
    session.register(library)
    global _session
    outer, _session = _session, session
    enabled, before = torch.is_autocast_enabled(rules), torch.get_autocast_dtype(rules)
    excluded = torch._C._dispatch_tls_is_dispatch_key_excluded(_KEY)
    included = torch._C._dispatch_tls_is_dispatch_key_included(_KEY)
    torch.set_autocast_dtype(rules, dtype)
    switch = torch.set_autocast_enabled
    torch.set_autocast_enabled = session.switched(switch)
    torch.set_autocast_enabled(rules, not again)
    torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, False)
    torch._C._dispatch_tls_set_dispatch_key_included(_KEY, True)
    try:
        yield
    finally:
        torch._C._dispatch_tls_set_dispatch_key_included(_KEY, included)
        torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, excluded)
        torch.set_autocast_enabled = switch
        torch.set_autocast_enabled(rules, enabled)
        torch.set_autocast_dtype(rules, before)
        _session = outer
        session.casts.clear()
        library._destroy()
        fallback._destroy()


def inside() -> tuple[str, torch.dtype] | None:
    """The rules and dtype by which the parts of an operator are cast: ``None`` without autocast.

    So it is as well inside an operator that was cast itself: as in PyTorch its parts are not cast again.
    """
    if _session is None or _session.depth or not _session.casts_now:
        return None
    return _session.rules, _session.dtype


def cast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The tensors as they come to an operator that runs in low precision: as they are, without autocast."""
    found = inside()
    return tensors if found is None else tuple(t.to(found[1]) if _eligible(t) else t for t in tensors)


def below() -> Any:
    """A context in which autocast does not meet an operator: what it gets was cast."""
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY))


@contextmanager
def around_parts() -> Iterator[None]:
    """Cast the parts of an operator that a dispatch mode takes apart: PyTorch turns autocast off for the mode."""
    if inside() is None:
        yield
        return
    excluded = torch._C._dispatch_tls_is_dispatch_key_excluded(_KEY)
    torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, False)
    try:
        yield
    finally:
        torch._C._dispatch_tls_set_dispatch_key_excluded(_KEY, excluded)


class _Session:
    """The kernels of one autocast region, the weights it has cast, and how deep inside cast operators it is."""

    def __init__(self, dtype: torch.dtype, rules: str, *, again: bool) -> None:
        self.again = again
        self.dtype = dtype
        self.rules = rules
        self.depth = 0
        self.on = False
        self.casts: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def casts_now(self) -> bool:
        """Whether what runs now is cast."""
        return torch.is_grad_enabled() if self.again else self.on

    def switched(self, switch: Any) -> Any:
        """``torch.set_autocast_enabled``, noting what it is told: inside a dispatch mode PyTorch says it is off."""

        def noted(*args: Any) -> None:
            switch(*args)
            if (args[0] if len(args) > 1 else "cuda") == self.rules:
                self.on = bool(args[-1])

        return noted

    def register(self, library: Any) -> None:
        """Put a kernel before every operator that autocast knows."""
        found = {
            operator: prepare
            for names, prepare in (
                (_LOWER, self._to_lower),
                (_SINGLE, self._to_single),
                (_SINGLE_BY_DTYPE, self._with_dtype),
                (_WIDEST, self._to_widest),
            )
            for name in names[self.rules].split()
            for operator in _overloads(name, self.rules)
        }
        for operator, prepare in found.items():
            library.impl(operator, self._kernel(operator, prepare), _KEY.name)

    def _kernel(self, operator: Any, prepare: Any) -> Any:
        def kernel(*args: Any, **kwargs: Any) -> Any:
            if self.casts_now:
                args, kwargs = prepare(operator, args, kwargs)
            self.depth += 1
            try:
                with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY)):
                    return operator(*args, **kwargs)
            finally:
                self.depth -= 1

        return kernel

    def _to_lower(self, operator: Any, args: Any, kwargs: Any) -> Any:
        return self._cast(args, kwargs, self.dtype)

    def _to_single(self, operator: Any, args: Any, kwargs: Any) -> Any:
        return self._cast(args, kwargs, torch.float32)

    def _to_widest(self, operator: Any, args: Any, kwargs: Any) -> Any:
        found = {t.dtype for t in _floating((*args, *kwargs.values()))}
        return (
            self._cast(args, kwargs, torch.float32 if torch.float32 in found else self.dtype)
            if found
            else (args, kwargs)
        )

    def _with_dtype(self, operator: Any, args: Any, kwargs: Any) -> Any:
        names = [argument.name for argument in operator._schema.arguments]
        place = names.index("dtype") if "dtype" in names else None
        if place is None or (len(args) > place and args[place] is not None) or kwargs.get("dtype") is not None:
            return args, kwargs
        if not isinstance(args[0], torch.Tensor) or not _eligible(args[0]):
            return args, kwargs
        return args[:place], {**kwargs, "dtype": torch.float32}

    def _cast(self, args: Any, kwargs: Any, dtype: torch.dtype) -> Any:
        """The arguments in ``dtype``: the last first, as compilers of C++ do, since backward goes by that order."""
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(_KEY)):
            named = {name: self._value(value, dtype) for name, value in reversed(kwargs.items())}
            return tuple([self._value(value, dtype) for value in reversed(args)][::-1]), named

    def _value(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value, dtype) if _eligible(value) and value.dtype != dtype else value
        if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
            return type(value)(self._value(item, dtype) for item in value)
        return value

    def _tensor(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The tensor in ``dtype``; a weight's is kept until the region ends, as PyTorch's ``cached_cast`` does."""
        keep = (
            not self.again  # each checkpoint casts anew
            and dtype == self.dtype
            and tensor.dtype == torch.float32
            and tensor.requires_grad
            and tensor.is_leaf
            and not tensor._is_view()
        )
        if not keep:
            return tensor.to(dtype)
        known = self.casts.get(id(tensor))
        if known is None:
            known = self.casts[id(tensor)] = (tensor, tensor.to(dtype))
        return known[1]


_session: _Session | None = None


def _eligible(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dtype != torch.float64


def _floating(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            if _eligible(value):
                yield value
        elif isinstance(value, (list, tuple)):
            yield from _floating(value)


def _overloads(name: str, rules: str) -> list[Any]:
    """The overload named, or all of an operator, that PyTorch's autocast has a kernel for on this device."""
    packet_name, _, overload = name.partition(".")
    packet: Any = getattr(torch.ops.aten, packet_name, None)
    if packet is None:
        return []
    names = [overload] if overload else packet.overloads()
    found = [getattr(packet, n) for n in names if n in packet.overloads()]
    return [op for op in found if op.name() in _known(rules)]


@cache
def _known(rules: str) -> frozenset[str]:
    key = f"Autocast{rules.upper()}"
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")]
    return frozenset(name for name in names if torch._C._dispatch_has_kernel_for_dispatch_key(name, key))
