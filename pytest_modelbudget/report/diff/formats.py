"""What two files side by side can be written as, by the word that asks for it."""

from __future__ import annotations

from collections.abc import Callable

from . import github, json, markdown, text

DIFF_FORMATS: dict[str, Callable[..., str]] = {
    "text": text.render,
    "md": markdown.render,
    "json": json.render,
    "github": github.render,
}
"""What ``modelbudget diff --format`` may name, the default first: from differences and ``fail_on`` to text."""
