"""What people call an argument or a metric, and what it is called here: for hints, and for columns by any name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ..errors import UsageError, nearest
from .metrics import all_metrics
from .point import axes

OPTIONS = {
    "inputs": (
        "input", "input_shape", "input_shapes", "shape", "input_data", "example_inputs", "dummy_input", "sample_input",
    ),
    "loss": ("criterion", "loss_fn", "loss_function"),
    "model": ("net", "network", "model_fn"),
    "module": ("layer", "submodule"),
    "scaling": ("growth",),
    "tolerance": ("tol", "slack"),
}  # fmt: skip
"""Those of arguments that are neither axes nor metrics, which have their own."""

_AROUND = ("max_", "min_", "num_", "n_", "total_", "limit_", "budget_", "_limit", "_budget", "_max", "_count")
"""What stands around a name without making it another: a limit is a metric's name alone."""


def did_you_mean(word: object, allowed: Iterable[str]) -> str:
    """`` Did you mean 'res'?`` for what people also call it, else for the closest allowed word, or an empty text."""
    text, words = str(word).lower().replace("-", "_"), list(allowed)
    bare = text
    for part in _AROUND:
        bare = bare.removeprefix(part) if part.endswith("_") else bare.removesuffix(part)
    for candidate in (text, bare):
        meant = candidate if candidate in words else meaning(candidate)
        if meant in words:
            return f" Did you mean {meant!r}?"
    return nearest(bare, words)


def named_metric(word: object, allowed: Iterable[str]) -> str:
    """The metric of that name, or of the title or another name that people use for it: ``FLOPs``, ``peak memory``.

    Raises `UsageError` for what is none of the ``allowed``.
    """
    words = list(allowed)
    plain = str(word).strip().lower().replace(" ", "_").replace("-", "_")
    titles = {metric.title.lower().replace(" ", "_"): metric.name for metric in all_metrics()}
    found = plain if plain in words else titles.get(plain) or meaning(plain)
    if found not in words:
        raise UsageError(f"{word!r} is not a metric.{did_you_mean(word, words)} Allowed: {', '.join(words)}.")
    return found


def meaning(word: str) -> str:
    """The argument or metric that is also called ``word``; empty if none is."""
    return _all().get(word.lower(), "")


@cache
def _all() -> dict[str, str]:
    named = [*((one.name, one.aliases) for one in axes()), *((one.name, one.aliases) for one in all_metrics())]
    rows = [*OPTIONS.items(), *named]
    return {alias: name for name, aliases in rows for alias in aliases}
