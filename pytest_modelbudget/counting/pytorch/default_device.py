"""The default device of the process, which PyTorch cannot always tell."""

from __future__ import annotations

import torch

from .private import GLOBAL_DEVICE_CONTEXT, device_contexts

_CPU = torch.device("cpu")


def default_device() -> torch.device:
    """What ``torch.get_default_device()`` returns, which raises for a device that this machine does not have.

    Before 2.10 it also raises after ``set_default_device(None)``.
    """
    if _is_none():
        return _CPU
    try:
        return torch.get_default_device()
    except (AssertionError, RuntimeError):
        return torch.device(device_contexts.CURRENT_DEVICE or "cpu")


def restore_default_device(device: torch.device) -> None:
    """Let ``device`` be the default again. The CPU is set as none, which costs no function mode."""
    if default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)
    if _is_none():
        del GLOBAL_DEVICE_CONTEXT.device_context  # as in a new process


def _is_none() -> bool:
    return getattr(GLOBAL_DEVICE_CONTEXT, "device_context", _CPU) is None
