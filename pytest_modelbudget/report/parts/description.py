"""A module in a few words: its class and the arguments that tell it from others."""

from __future__ import annotations

import re

from ...text.line import shown
from ...values.growth import ModuleChange


def named(change: ModuleChange) -> str:
    """The module's name, and the one it had."""
    return (shown(change.name) or "the model") + (
        f" (was {shown(change.was_name)})" if change.status == "renamed" else ""
    )


def described(change: ModuleChange) -> str:
    """``Conv2d(512, 768, 3)``, and what it was before: ``Conv2d(512, 512, 3) -> Conv2d(512, 768, 3)``."""
    if change.status != "changed" or (change.was_kind, change.was_config) == (change.kind, change.config):
        return describe(change.kind, change.config)
    if change.was_kind != change.kind:  # another class: its arguments mean something else
        return f"{describe(change.was_kind, change.was_config)} -> {describe(change.kind, change.config)}"
    was = describe(change.was_kind, change.was_config, versus=change.config)
    return f"{was} -> {describe(change.kind, change.config, versus=change.was_config)}"


def describe(kind: str, config: str, *, versus: str | None = None) -> str:
    """A module's class and what tells it from others: sizes first, defaults left out unless ``versus`` differs."""
    arguments, other = _arguments(config), _arguments(versus) if versus is not None else None
    parts = []
    for name, value in arguments:
        differs = other is not None and name != "" and (name, value) not in other
        if name in _BARE or name == "":
            parts.append(value)
        elif differs or not (name in _MINOR or (name, value) in _DEFAULT):
            parts.append(f"{name}={value}")
    return shown(f"{kind}({', '.join(parts)})" if parts else kind, 80)


_BARE = frozenset({"kernel_size", "in_features", "out_features"})
_MINOR = frozenset({"padding", "bias", "eps", "momentum", "affine", "elementwise_affine", "inplace", "ceil_mode"}) | {
    "track_running_stats"
}
_DEFAULT = {("stride", "1"), ("dilation", "1"), ("groups", "1")}


def _arguments(config: str) -> list[tuple[str, str]]:
    """``64, kernel_size=(3, 3)`` as names (empty for a positional one) and values; ``(3, 3)`` is ``3``."""
    parts, depth = [""], 0
    for character in config:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [_argument(part.strip()) for part in parts if part.strip()]


def _argument(text: str) -> tuple[str, str]:
    match = re.match(r"(\w+)=(.*)", text, re.DOTALL)
    name, value = (match[1], match[2]) if match else ("", text)
    sides = [side.strip() for side in value[1:-1].split(",") if side.strip()]
    same = value[:1] == "(" and value[-1:] == ")" and len(set(sides)) == 1 and sides[0].isdecimal()
    return name, sides[0] if same else value
