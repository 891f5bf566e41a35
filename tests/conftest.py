"""For every test: pytester for the plugin, one thread a process, no downloads, torchvision beside a CPU torch."""

from __future__ import annotations

import os

import torchvision_ops

pytest_plugins = ["pytester"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest -n starts a process for each core
os.environ.setdefault("HF_HUB_OFFLINE", "1")
torchvision_ops.install()
