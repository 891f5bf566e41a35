"""A module in a few words: its class and the arguments that tell it from others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...text.line import shown
from ...values.growth import ModuleChange


def named(change: ModuleChange) -> str:
    """The module's name, the one it had, and how many others changed alike."""
    name = in_common([change.name, *change.alike]) or change.name
    was = f" (was {_was(change)})" if change.status == "renamed" else ""
    alike = f" and {len(change.alike)} alike" if change.alike and name == change.name else ""
    return (shown(name) or "the model") + was + alike


def _was(change: ModuleChange) -> str:
    """The name that a module had: the last part of it, where the module is in the same one as before."""
    parent, _, last = change.was_name.rpartition(".")
    return shown(last if parent == change.name.rpartition(".")[0] else change.was_name) or "the model"


def in_common(names: Sequence[str]) -> str:
    """The name that several have in common but for numbers: ``stages.*.norm``; empty where they have none."""
    common = {tuple("*" if re.fullmatch(r"[\d,*-]+", part) else part for part in name.split(".")) for name in names}
    return ".".join(common.pop()) if len(common) == 1 and len(names) > 1 else ""


def described(change: ModuleChange) -> str:
    """``Conv2d(512, 512, 3) -> Conv2d(512, 768, 3)``, with what else changed in the module."""
    parts = [_became(change), *change.what]
    parts += [f"{_inside(change, part)}: {described(part)}" for part in change.inside]
    return ", ".join(shown(part, 160) for part in parts)


def repeated(times: int) -> str:
    """``24 times``; empty for once."""
    return f"{times} times" if times > 1 else ""


def with_times(text: str, times: int) -> str:
    """``Linear(384, 1536), 24 times``; the text alone for once."""
    return ", ".join(part for part in (text, repeated(times)) if part)


def _inside(change: ModuleChange, part: ModuleChange) -> str:
    return shown(part.name.removeprefix(f"{change.name}."))


def _became(change: ModuleChange) -> str:
    """The module's class and arguments, and those that it had, if they are others."""
    same = (change.was_kind, change.was_config) == (change.kind, change.config)
    if change.status in ("added", "removed") or same:
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
