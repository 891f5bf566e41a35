"""For every test: pytester for the plugin, one thread a process, no downloads, torchvision beside a CPU torch."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
import torchvision_ops

pytest.register_assert_rewrite("golden_files", "suites", "testing.recorded")  # that a failure shows what differs
pytest_plugins = ["pytester"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest -n starts a process for each core
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.pop("GITHUB_ACTIONS", None)  # there, annotations would stand among the lines of a run
torchvision_ops.install()

_KEPT: list[Any] = []


def pytest_collection_finish() -> None:
    """Keep every operator that a test defines: TorchScript takes whatever has the address of one for an operator."""
    builtins: Any = sys.modules.get("torch.jit._builtins")
    if builtins is None:
        return
    register = builtins._register_builtin

    def keeping(function: Any, name: str) -> None:
        _KEPT.append(function)
        register(function, name)

    builtins._register_builtin = keeping
