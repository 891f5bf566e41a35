"""For every test: pytester for the plugin, one thread a process, and torchvision beside a CPU build of torch."""

from __future__ import annotations

import os

import torchvision_ops

pytest_plugins = ["pytester"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest -n starts a process for each core
torchvision_ops.install()
