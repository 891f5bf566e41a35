"""Classes of operators whose kernels are about as efficient as one another, by the name and shape of a call."""

from __future__ import annotations

from functools import lru_cache

from .work import Products, Work

CLASSES = (
    "convolution", "narrow convolution", "pointwise", "narrow pointwise", "grouped", "narrow grouped", "depthwise",
    "large depthwise", "convolution backward", "narrow convolution backward", "pointwise backward",
    "narrow pointwise backward", "grouped backward", "narrow grouped backward", "depthwise backward",
    "large depthwise backward", "product", "batched product", "attention", "attention backward", "recurrent",
    "batch norm", "batch norm backward", "layer norm", "reordering layer norm", "layer norm backward", "group norm",
    "group norm backward", "softmax", "pool", "resize", "element-wise", "reduction", "copy", "reorder", "lookup",
    "optimizer",
)  # fmt: skip
"""Narrow convolutions have few channels, or a number of them that tensor cores do not take; large ones many taps."""


def class_of(work: Work) -> str:
    """The class of a call: one of `CLASSES`."""
    shape = work.shape
    if shape is None:
        return _moving(work.operator, work.reorders)
    if shape.taps:
        return _convolution(shape) + (" backward" if "backward" in work.operator else "")
    if "attention" in work.operator:
        return "attention backward" if "backward" in work.operator else "attention"
    return "product" if shape.groups == 1 else "batched product"


def arithmetic_of(work: Work, name: str, multiprocessors: int = 0) -> int:
    """The FLOPs of a call of the class ``name`` that factors multiply: what its kernels compute, and not what is asked.

    Kernels of the gradients of a grouped convolution compute as if it were a full one. Those of products compute whole
    tiles, as many at a time as a GPU has multiprocessors.
    """
    if work.shape is not None and name.endswith("grouped backward"):
        return work.flops * work.shape.groups
    if work.shape is not None and multiprocessors and name in _TILED:
        return work.flops * _tiled(work.shape, multiprocessors) // max(1, _results(work.shape))
    return work.flops


_TILED = ("product", "batched product")
_TILES = ((128, 128, 100), (128, 64, 110), (64, 64, 125))
"""Rows and columns of the tiles of cuBLAS, and what a result of one takes in hundredths: small ones read more."""
_MOST = 2
"""How many times what is asked is computed at the most: the depth of products with few results is split."""


def _results(shape: Products) -> int:
    return shape.groups * shape.rows * shape.columns


@lru_cache(maxsize=1 << 12)
def _tiled(shape: Products, multiprocessors: int) -> int:
    """The results for which there is time while a product is computed, by the tile that takes the least of it.

    NVIDIA, "Matrix Multiplication Background User's Guide": tile quantization and wave quantization.
    """
    found = []
    for rows, columns, hundredths in _TILES:
        tiles = shape.groups * -(-shape.rows // rows) * -(-shape.columns // columns)
        waves = -(-tiles // multiprocessors)
        found.append(waves * multiprocessors * rows * columns * hundredths // 100)
    return min(*found, _MOST * _results(shape))


def _convolution(shape: Products) -> str:
    channels = shape.depth // shape.taps
    if shape.groups > 1:
        if shape.columns == 1 or channels == 1:
            return "large depthwise" if shape.taps > _LARGE else "depthwise"
        return "narrow grouped" if min(shape.columns, channels) < _NARROW else "grouped"
    narrow = min(shape.columns, channels) < _NARROW or shape.columns % 8 or channels % 8
    return f"{'narrow ' if narrow else ''}{'convolution' if shape.taps > 1 else 'pointwise'}"


_NARROW = 16  # channels of one tile of a tensor core
_LARGE = 25  # taps: cuDNN has kernels for depthwise convolutions of up to 5 x 5


@lru_cache(maxsize=1 << 12)
def _moving(operator: str, reorders: bool) -> str:
    """The class of an operator that computes little for what it moves."""
    name = operator.rpartition("::")[2].strip("_")
    if name.startswith(("foreach", "fused_")):
        return "optimizer"
    for kind, words in _KINDS.items():
        if any(word in name for word in words):
            if "backward" in name and kind in _WITH_BACKWARD:
                return f"{kind} backward"
            return "reordering layer norm" if reorders and kind == "layer norm" else kind
    for kind, names in _NAMES.items():
        if name in names:
            return "reorder" if reorders and kind == "copy" else kind
    return "reorder" if reorders else "element-wise"


_KINDS = {
    "recurrent": ("lstm", "gru", "rnn_"),
    "batch norm": ("batch_norm",),
    "layer norm": ("layer_norm", "rms_norm"),
    "group norm": ("group_norm", "instance_norm"),
    "softmax": ("softmax",),
    "pool": ("pool",),
    "resize": ("upsample", "interpolate", "grid_sampl", "im2col", "col2im", "unfold"),
}
_WITH_BACKWARD = ("batch norm", "layer norm", "group norm")
_NAMES = {
    "reduction": frozenset(
        ("sum", "mean", "var", "var_mean", "std", "std_mean", "amax", "amin", "max", "min", "norm", "argmax",
         "linalg_vector_norm", "logsumexp", "prod", "cumsum")
    ),
    "lookup": frozenset(
        ("embedding", "index", "index_select", "gather", "take", "index_put", "embedding_dense_backward", "scatter",
         "scatter_add", "index_add", "index_copy")
    ),
    "copy": frozenset(
        ("to", "to_copy", "clone", "contiguous", "reshape", "cat", "concat", "stack", "copy", "pad", "constant_pad_nd",
         "roll", "repeat", "repeat_interleave", "flip", "zeros", "zeros_like", "ones", "ones_like", "full",
         "new_zeros", "fill", "zero", "slice_backward", "select_backward", "pixel_shuffle", "pixel_unshuffle",
         "channel_shuffle", "flatten", "expand_copy")
    ),
}  # fmt: skip
