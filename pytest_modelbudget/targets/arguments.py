"""The arguments of a factory: read from a command's text, and checked by the factory's signature."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import UsageError, nearest


class Word(str):
    """A value as a command was given it: what it means depends on the parameter."""

    __slots__ = ()


class AsWritten:
    """The annotation of a parameter that gets what was written, words as well: the function reads it itself."""


def check_names(args: Any) -> dict[str, Any]:
    """``args=`` as a dictionary. Raises `UsageError` for what is not names with values."""
    if not isinstance(args, Mapping) or not all(isinstance(name, str) and name.isidentifier() for name in args):
        raise UsageError(f"args={args!r} is not a mapping from names to values, such as args={{'num_classes': 10}}.")
    return dict(args)


def bound(factory: Callable[..., Any], args: Mapping[str, Any], name: str) -> Callable[..., Any]:
    """A factory with its arguments. Raises `UsageError` as `checked` does."""
    return partial(factory, **checked(factory, args, name)) if args else factory


def checked(function: Callable[..., Any], args: Mapping[str, Any], name: str, *, apart: int = 0) -> dict[str, Any]:
    """The values of ``args``, as the parameters of ``function`` want them.

    The first ``apart`` parameters are not for users. Raises `UsageError` for an argument that it does not take, and for
    a value that its annotation, or else the type of its default, does not allow.
    """
    known = signature_of(function)
    if known is None:
        return {key: literal(value) for key, value in args.items()}
    listed = list(known.parameters.values())[apart:]
    others = next((one for one in listed if one.kind is one.VAR_KEYWORD), None)
    by_name = {one.name: one for one in listed if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    found = {}
    for key, value in args.items():
        parameter = by_name.get(key, others)
        if parameter is None:
            raise unknown(key, by_name, name)
        kind = _kind_of(parameter)
        try:
            found[key] = _read(value, kind) if isinstance(value, Word) else _as(value, kind)
        except ValueError:
            shown = str(value) if isinstance(value, Word) else repr(value)
            raise UsageError(f"args: {key}={shown} is not what {name} takes. Allowed: {_said(kind)}.") from None
    return found


def unknown(key: str, allowed: Collection[str], name: str) -> UsageError:
    """The error for an argument that is not there."""
    listed = f"Allowed: {', '.join(allowed)}." if allowed else "It takes no arguments."
    return UsageError(f"args: {name} takes no argument {key!r}.{nearest(key, allowed)} {listed}")


def of_type(value: Any, example: Any, key: str, name: str) -> Any:
    """A value in the place of ``example``, which shows its type. Raises `UsageError`."""
    kind = type(example) if isinstance(example, (bool, int, float, str, list, tuple)) else Any
    parameter = inspect.Parameter(
        key, inspect.Parameter.KEYWORD_ONLY, annotation=kind | None if kind is not Any else kind
    )

    def like() -> None: ...

    like.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return checked(like, {key: value}, name)[key]


def literal(value: Any) -> Any:
    """What a word means where nothing says its type: a number, true, false, none, a list, or itself."""
    if not isinstance(value, Word):
        return value
    if value.lower() in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[value.lower()]
    try:
        return json.loads(value)
    except ValueError:
        return str(value)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, with annotations that are types as far as they can be known; ``None`` where there is none."""
    for resolve in (True, False):
        try:
            return inspect.signature(function, eval_str=resolve)
        except (TypeError, ValueError):
            return None
        except Exception:  # noqa: BLE001 - an annotation may name what is imported for type checkers alone
            continue
    return None


def _kind_of(parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    default = parameter.default
    return type(default) if isinstance(default, (bool, int, float, str, list, tuple)) else Any


_TRUTH = {"true": True, "false": False}


def _read(word: Word, kind: Any) -> Any:
    """A word as a value of ``kind``. Raises `ValueError`."""
    if kind is AsWritten:
        return word
    members = _members(kind)
    if members:
        for one in sorted(members, key=lambda one: one is str):  # any word is a text
            try:
                return _read(word, one)
            except ValueError:
                continue
        raise ValueError
    if kind is type(None):
        return {"none": None}[word.lower()] if word.lower() == "none" else _refuse()
    if kind is bool:
        return _TRUTH[word.lower()] if word.lower() in _TRUTH else _refuse()
    if kind in (int, float):
        return kind(str(word))
    if kind is str:
        return str(word)
    if isinstance(kind, type) and issubclass(kind, Path):
        return kind(word)
    if get_origin(kind) is Literal:
        return next((one for one in get_args(kind) if str(one) == word), None) or _refuse()
    if _is_several(kind):
        return _as(_several(word, kind), kind)
    value = literal(word)
    return _as(value, kind)


def _several(word: Word, kind: Any) -> list[Any]:
    if word.startswith("["):
        found = json.loads(word)
        return found if isinstance(found, list) else _refuse()
    inner = next((one for one in get_args(kind) if one is not Ellipsis), Any)
    return [_read(Word(part.strip()), inner) for part in word.split(",")]


def _as(value: Any, kind: Any) -> Any:
    """A value of ``kind``, which a list may become a tuple for. Raises `ValueError` for one of a type it is not."""
    members = _members(kind)
    if members:
        for one in members:
            try:
                return _as(value, one)
            except ValueError:
                continue
        raise ValueError
    if get_origin(kind) is Literal:
        return value if value in get_args(kind) else _refuse()
    if kind is type(None):
        return value if value is None else _refuse()
    if kind is bool:
        return value if isinstance(value, bool) else _refuse()
    if kind in (int, float):
        allowed = int if kind is int else (int, float)
        return value if isinstance(value, allowed) and not isinstance(value, bool) else _refuse()
    if kind is str:
        return value if isinstance(value, str) else _refuse()
    if _is_several(kind):
        if not isinstance(value, (list, tuple)):
            _refuse()
        return tuple(value) if (get_origin(kind) or kind) is tuple else value
    return value


def _refuse() -> Any:
    raise ValueError


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else ()


def _is_several(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, Sequence, Iterable)


_NAMES = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "none", list: "a list",
    tuple: "a list", Sequence: "a list", Iterable: "a list",
}  # fmt: skip


def _said(kind: Any) -> str:
    """A kind of value in words."""
    if members := _members(kind):
        return " or ".join(dict.fromkeys(map(_said, members)))
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return _NAMES.get(get_origin(kind) or kind, getattr(kind, "__name__", str(kind)))
