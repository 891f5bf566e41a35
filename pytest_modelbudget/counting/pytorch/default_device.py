"""The default device of the process, which some releases cannot tell after it was set to none."""

from __future__ import annotations

import torch

from .private import GLOBAL_DEVICE_CONTEXT

_CPU = torch.device("cpu")


def default_device() -> torch.device:
    """What ``torch.get_default_device()`` returns; it raises after ``set_default_device(None)`` before 2.10."""
    return _CPU if _is_none() else torch.get_default_device()


def restore_default_device(device: torch.device) -> None:
    """Let ``device`` be the default again. The CPU is set as none, which costs no function mode."""
    if default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)
    if _is_none():
        del GLOBAL_DEVICE_CONTEXT.device_context  # as in a new process


def _is_none() -> bool:
    return getattr(GLOBAL_DEVICE_CONTEXT, "device_context", _CPU) is None
