"""For every test: pytester for the plugin, one thread a process, no downloads, torchvision beside a CPU torch.

No example of hypothesis has a deadline: machines are busy at times.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest
import torchvision_ops
from hypothesis import settings

pytest.register_assert_rewrite("golden_files", "suites", "testing.recorded")  # that a failure shows what differs
pytest_plugins = ["pytester"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest -n starts a process for each core
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.pop("GITHUB_ACTIONS", None)  # there, annotations would stand among the lines of a run
torchvision_ops.install()
settings.register_profile("no deadline", settings(), deadline=None)
settings.load_profile("no deadline")

_KEPT: list[Any] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Forget the modules that a test wrote and imported: another test may write one of the same name."""
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    try:
        return (yield)
    finally:
        for name, module in list(sys.modules.items()) if folder is not None else ():
            file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
            if isinstance(file, str) and file.startswith(f"{folder}{os.sep}"):
                del sys.modules[name]


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
