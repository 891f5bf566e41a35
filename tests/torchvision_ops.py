"""torchvision beside a torch it was not built for: its own operators, declared and computed in Python.

The torchvision wheel on PyPI is built for CUDA. Beside a CPU-only torch its C++ operators do not load, and neither
torchvision nor timm can be imported. With a matching pair of builds nothing here runs.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

_SCHEMAS = """
_cuda_version() -> int
nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,
  int sampling_ratio, bool aligned) -> Tensor
qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point,
  float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,
  SymInt batch_size, SymInt channels, SymInt height, SymInt width, int sampling_ratio, bool aligned) -> Tensor
roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)
  -> (Tensor, Tensor)
_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt pooled_height,
  SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,
  int sampling_ratio) -> (Tensor, Tensor)
_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height,
  SymInt pooled_width, int sampling_ratio, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)
  -> (Tensor, Tensor)
_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height,
  SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w,
  SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups,
  bool use_mask) -> Tensor
_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias,
  SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups,
  SymInt offset_groups, bool use_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)
"""

_FIRST_TO_USE_THEM = ("torchvision._autograd_registrations", "torchvision._meta_registrations")


class Supplement(MetaPathFinder):
    """Finds nothing. It steps in once torchvision has looked for its operators, before it uses them."""

    def find_spec(self, name, path=None, target=None):
        if name in _FIRST_TO_USE_THEM:
            extension = sys.modules["torchvision.extension"]
            if not extension._has_ops():
                declare()
                extension._has_ops = lambda: True
        return None


def install() -> None:
    """Have ``import torchvision`` work whichever torch it meets. Imports nothing itself."""
    if not any(isinstance(finder, Supplement) for finder in sys.meta_path):
        sys.meta_path.insert(0, Supplement())


def declare() -> None:
    """Declare torchvision's operators and give those its models call a kernel for the CPU."""
    import torch
    from torchvision_kernels import deform_conv2d, nms, roi_align

    declared = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS.replace("\n  ", " ").strip().splitlines():
        declared.define(schema)
    for kernel in (nms, roi_align, deform_conv2d):
        declared.impl(kernel.__name__, kernel, "CPU")
    declared.impl("_cuda_version", lambda: -1, "CompositeExplicitAutograd")
    _KEEP.append(declared)


_KEEP: list[Any] = []  # a library that is collected takes its operators with it
