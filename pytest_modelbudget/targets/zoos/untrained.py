"""Costs do not depend on the values of weights: no target loads any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...errors import UsageError


def refuse_weights(args: Mapping[str, Any], names: Collection[str]) -> None:
    """Raise `UsageError` for an argument that would load weights."""
    for name in names:
        if str(args.get(name)).lower() not in ("none", "false", ""):
            raise UsageError(
                f"args: {name}={args[name]!s} would load weights, whose values cost nothing. Leave it out: the "
                "architecture is built without them."
            )
