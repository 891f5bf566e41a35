"""What the fvcore convention counts beside multiply-adds: norms, interpolation, adaptive pooling, sampling.

The factors are those of ``fvcore.nn.jit_handles``. Interpolation that fvcore has no handle for is counted by the same
rule: one FLOP for each tap of each output element.
"""

from __future__ import annotations

from typing import Any

from .count import Count, extra
from .registry import formula, numel


def norm_flop(input: Any, affine: Any) -> Count:
    """Five FLOPs an element with an affine transformation, four without (fvcore ``norm_flop_counter``)."""
    return extra(input.numel() * (5 if affine is not None else 4))


def batch_norm_flop(input: Any, weight: Any, training: bool) -> Count:
    """With running statistics a scale and a shift: 2 an element, 1 without affine (``batchnorm_flop_jit``)."""
    if training:
        return norm_flop(input, weight)
    return extra(input.numel() * (2 if weight is not None else 1))


@formula("batch_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_impl_index")
def batch_norm_call(
    input: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    var: Any,
    training: bool,
    *rest: Any,
    out: Any,
    **kwargs: Any,
) -> Count:
    """Batch normalisation over ``(N, C, ...)``."""
    return batch_norm_flop(input, weight, training)


@formula("_native_batch_norm_legit", "_native_batch_norm_legit_functional")
def batch_norm_legit_call(input: Any, weight: Any, bias: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Batch normalisation with (mean, var, training, ...) or, without statistics, (training, ...)."""
    training = kwargs.get("training", rest[0] if isinstance(rest[0], bool) else rest[2])
    return batch_norm_flop(input, weight, training)


@formula("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
def batch_norm_eval_call(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Batch normalisation with running statistics."""
    return batch_norm_flop(input, weight, training=False)


@formula("_batch_norm_with_update", "_batch_norm_with_update_functional")
def batch_norm_train_call(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Batch normalisation with the statistics of the batch."""
    return batch_norm_flop(input, weight, training=True)


@formula("batch_norm_elemt")
def synchronised_batch_norm_call(input: Any, weight: Any, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """The last part of a batch norm that is spread over devices: all of it. Its statistics are reductions."""
    return batch_norm_flop(input, weight, training=True)


@formula("group_norm")
def group_norm_call(input: Any, num_groups: int, weight: Any = None, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Group normalisation over ``(N, C, ...)``."""
    return norm_flop(input, weight)


@formula("layer_norm", "native_layer_norm")
def layer_norm_call(input: Any, shape: Any, weight: Any = None, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Layer normalisation over ``(..., *shape)``."""
    return norm_flop(input, weight)


@formula("native_group_norm", "instance_norm")
def instance_norm_call(input: Any, weight: Any = None, *rest: Any, out: Any, **kwargs: Any) -> Count:
    """Instance normalisation, and group normalisation with the arguments of its kernel: (input, weight, ...)."""
    return norm_flop(input, weight)


@formula("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "mkldnn_adaptive_avg_pool2d")
def adaptive_avg_pool_flop(self: Any, output_size: Any, *, out: Any) -> Count:
    """One FLOP for each input element. fvcore counts the 2-D operator only, so no other has a formula."""
    return extra(self.numel())


def _taps(number: int, *names: str) -> None:
    """Register operators that interpolate each output element from ``number`` input elements."""

    def interpolate_flop(*args: Any, out: Any, **kwargs: Any) -> Count:
        return extra(number * numel(out))

    formula(*names)(interpolate_flop)


_taps(1, "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
_taps(1, "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
_taps(2, "upsample_linear1d")
_taps(4, "upsample_bilinear2d", "_upsample_bilinear2d_aa")
_taps(8, "upsample_trilinear3d")
_taps(16, "upsample_bicubic2d", "_upsample_bicubic2d_aa")
_taps(36, "_upsample_lanczos2d_aa")
_taps(
    4,
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "cudnn_grid_sampler",
    "_grid_sampler_2d_cpu_fallback",
)


@formula("torchvision::roi_align")
def roi_align_flop(
    input: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
    *rest: Any, out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """``sampling_ratio``² bilinear samples of four taps for each output element; without a ratio, data decides."""
    return extra(4 * numel(out) * sampling_ratio**2) if sampling_ratio > 0 else None


@formula("torchvision::ps_roi_align")
def ps_roi_align_flop(
    input: Any, rois: Any, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
    *rest: Any, out: Any, **kwargs: Any,
) -> Count | None:  # fmt: skip
    """As ``roi_align``, each output element from a channel of its own."""
    return extra(4 * numel(out) * sampling_ratio**2) if sampling_ratio > 0 else None
