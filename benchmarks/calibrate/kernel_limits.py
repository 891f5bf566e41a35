"""Batches at which a kernel refuses to run, whatever memory there is: they say nothing of what a step takes."""

from __future__ import annotations

import math

from pytest_modelbudget.values.work import Work

from .features import Step
from .tables import Row

_SEQUENCES = 2**16  # CUDA: y and z of a grid are at most 65,535
_INDICES = 2**31
_HALF = 2  # bytes
_FEW = 256  # channels
_NARROW = 28  # columns of pixels


def refused(step: Step, row: Row, batch: int) -> bool:
    """Whether a kernel of torch 2.4 refuses a step at ``batch`` as a row ran it; with 2.9 such steps ran.

    Fused attention has its sequences (windows, where it is by window) as a dimension of a grid. PyTorch's own kernel
    for strided depthwise convolutions in the default memory format, which those of few channels or narrow images get
    (``ConvParams::use_cudnn_depthwise``), had indices of 32 bits.
    """
    if "pt240" not in row.table:
        return False
    if step.sequences >= _SEQUENCES:
        return True
    return not row.setting.channels_last and any(_own_kernel_over(one, batch) for one in step.work)


def _own_kernel_over(work: Work, batch: int) -> bool:
    shape = work.shape
    if shape is None or shape.taps == 0 or shape.groups == 1 or shape.columns != 1 or work.dtype != "float16":
        return False
    made = shape.groups * shape.rows
    read = work.bytes // _HALF - made - shape.groups * shape.depth
    if read < 2 * made or max(read, made) < _INDICES:  # of stride 1, or not that large
        return False
    width = math.isqrt(read // (shape.groups * batch))
    return not (shape.groups >= 2 * _FEW or (shape.groups >= _FEW and width >= _NARROW))
