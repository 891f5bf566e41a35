"""Sharded models are measured with PyTorch 2.13 and newer: what they need of earlier releases was not tried."""

from __future__ import annotations

from pytest_modelbudget.counting.pytorch.versions import release

collect_ignore_glob = ["test_*.py"] if release() < (2, 13) else []
