"""What depends on the release of PyTorch that the tests run with: what it has, and the words of its kernels."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch

WORDS = (2, 13)
"""The release whose errors the tests quote. Those before may say the same in other words."""

RELEASE = tuple(int(number) for number in torch.__version__.split(".")[:2])
SAYS_SO = RELEASE >= WORDS


def has(name: str) -> bool:
    """Whether this PyTorch has something, by its dotted name: ``"torch.nn.attention.varlen"``."""
    owner, _, attribute = name.rpartition(".")
    if owner == "":
        return True
    found: Any = torch
    for part in owner.split(".")[1:]:
        found = getattr(found, part, None)
    return hasattr(found, attribute) or (
        found is not None and hasattr(found, "__path__") and find_spec(name) is not None
    )


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips a test where this PyTorch lacks what it measures."""
    lacking = [name for name in names if not has(name)]
    return pytest.mark.skipif(bool(lacking), reason=f"PyTorch {torch.__version__} has no {', '.join(lacking)}")
