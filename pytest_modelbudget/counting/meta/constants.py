"""Constants that a model makes of numbers it has (``torch.tensor([3, 4], device=x.device)``), with their values.

PyTorch makes them on the meta device without.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_TENSOR = torch.Tensor
MADE_OF_VALUES = frozenset({torch.tensor, torch.as_tensor, torch.asarray, _TENSOR.new_tensor})
"""The functions that make a tensor of the values of Python or NumPy."""


class ConstantsMode(TorchFunctionMode):
    """Makes them on the CPU where the meta device is asked for. Tensors that are given stay where they are."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function."""
        kwargs = kwargs or {}
        if func in MADE_OF_VALUES:
            of_a_tensor = func is _TENSOR.new_tensor
            data = args[int(of_a_tensor)] if len(args) > of_a_tensor else kwargs.get("data", kwargs.get("obj"))
            device = kwargs.get("device")
            if device is None and of_a_tensor:
                device = args[0].device
            if device is not None and torch.device(device).type == "meta" and not isinstance(data, torch.Tensor):
                kwargs = {**kwargs, "device": "cpu"}
        return func(*args, **kwargs)
