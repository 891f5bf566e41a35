"""The command ``modelbudget``."""

from .command import main

__all__ = ["main"]
