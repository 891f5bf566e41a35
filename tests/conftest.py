"""Fixtures for every test: pytester for the plugin, and torchvision beside a CPU build of torch."""

from __future__ import annotations

pytest_plugins = ["pytester"]
