"""Sharded models are measured with PyTorch 2.8 and newer: FSDP is another one before."""

from __future__ import annotations

from pytest_modelbudget.counting.pytorch.versions import SHARDED, release

collect_ignore_glob = ["test_*.py"] if release() < SHARDED else []
