"""Kinds of arguments: how each is read from what a user wrote, said in a text, kept as plain data, and read back."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ..errors import UsageError, nearest
from ..text.checks import Wrong, a_count, a_list, a_text, an_object, one_of
from ..text.json import Place
from .devices import find_device

_DIGITS = re.compile(r"-?\d+(_\d+)*", re.ASCII)


class Kind(ABC):
    """What every kind of argument can do. ``None``, which stands for an argument that is not given, never gets here."""

    metavar: str
    """What stands for a value in a command's help."""

    is_one_text: bool = False
    """Whether a text with commas is one value, and not several."""

    @abstractmethod
    def parse(self, name: str, value: Any) -> Any:
        """The value of what the user wrote for the argument ``name``. Raises `UsageError`."""

    @abstractmethod
    def read(self, data: Any, place: Place) -> Any:
        """The value of plain data, as `plain` gives it. Raises `Wrong` for what is something else."""

    def of_text(self, text: str) -> Any:
        """What a command was given, as `parse` takes it. Raises `ValueError` with what the text is not."""
        return text

    def plain(self, value: Any) -> Any:
        """The value as JSON has it."""
        return value

    def resembles(self, value: Any) -> bool:
        """Whether a value is of this kind, right or wrong: what only has an argument's name is something else."""
        return value is not None

    def show(self, value: Any) -> str:
        """The value in a text for people."""
        return str(value)

    def argument(self, value: Any) -> Any:
        """The value as a callable gets it that asks for the argument by name."""
        return value

    def size(self, value: Any) -> int:
        """How large a value of an axis that has smaller and larger ones is, as one number."""
        return int(value)

    def code(self, value: Any) -> str:
        """The value as Python code."""
        argument = self.argument(value)
        return f'"{argument}"' if isinstance(argument, str) else repr(argument)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number above zero."""

    metavar: str = "N"

    def parse(self, name: str, value: Any) -> int:
        """An ``int``, or one of NumPy's."""
        if not self.resembles(value) or value < 1:
            raise UsageError(f"{name}={value!r} is not a whole number above zero.")
        return int(value)

    def resembles(self, value: Any) -> bool:
        """Any whole number."""
        return isinstance(value, Integral) and not isinstance(value, bool)

    def of_text(self, text: str) -> int:
        """Digits, as Python writes a whole number."""
        if not _DIGITS.fullmatch(text):
            raise ValueError(f"{text!r} is not a whole number")
        return int(text)

    def read(self, data: Any, place: Place) -> int:
        """A number from 1."""
        return a_count(data, place, least=1)


@dataclass(frozen=True)
class Index(Whole):
    """A whole number from zero."""

    def parse(self, name: str, value: Any) -> int:
        """An ``int``, or one of NumPy's."""
        if not self.resembles(value) or value < 0:
            raise UsageError(f"{name}={value!r} is not a whole number from zero.")
        return int(value)

    def read(self, data: Any, place: Place) -> int:
        """A number from 0."""
        return a_count(data, place, least=0)


MESH = {
    "dp": "replicas, whose gradients are summed up (DistributedDataParallel)",
    "fsdp": "parameters, gradients and optimizer state sharded (fully_shard)",
    "tp": "the layers' products divided (parallelize_module)",
}
"""The dimensions of a mesh that a model may be parallelised over, the outermost first."""


@dataclass(frozen=True)
class Parallel(Kind):
    """A mesh by the sizes of its dimensions, of which one may be -1: the rest of the ranks.

    Its values are pairs of name and size, the outermost dimension first.
    """

    metavar: str = "NAME=N,..."
    is_one_text: bool = True

    def parse(self, name: str, value: Any) -> tuple[tuple[str, int], ...]:
        """A mapping such as ``{"tp": 4, "fsdp": 8}``, or text as `of_text` reads it."""
        if isinstance(value, str):
            try:
                value = self.of_text(value)
            except ValueError as error:
                raise UsageError(f"{name}={value!r}: {error}. {_MESH_FORMS}") from error
        elif isinstance(value, tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in value):
            value = dict(value)
        if not isinstance(value, Mapping) or not value:
            raise UsageError(f"{name}={value!r} is no mesh. {_MESH_FORMS}")
        for one, size in value.items():
            if one not in MESH:
                raise UsageError(f"{name}={value!r}: {one!r} is no dimension.{nearest(str(one), MESH)} {_MESH_FORMS}")
            if not Whole().resembles(size) or (size < 1 and size != -1):
                raise UsageError(f"{name}={value!r}: {one} is neither a whole number above zero nor -1, the rest.")
        if sum(size == -1 for size in value.values()) > 1:
            raise UsageError(f"{name}={value!r} leaves two sizes open. One may be -1: the rest of ranks=.")
        return tuple((one, int(value[one])) for one in MESH if one in value)

    def of_text(self, text: str) -> Any:
        """``tp=4,fsdp=8``, or as `show` says it; a name alone is the rest."""
        found = {}
        for part in re.split(r",| x ", text):
            name, _, size = part.strip().replace("=", " ").partition(" ")
            found[name] = Whole().of_text(size.strip()) if size else -1
        return found

    def plain(self, value: Any) -> Any:
        """``{"fsdp": 8, "tp": 4}``."""
        return dict(value)

    def argument(self, value: Any) -> Any:
        """The same: a mapping."""
        return dict(value)

    def read(self, data: Any, place: Place) -> Any:
        """What `plain` gives, with the dimensions that there are."""
        found = an_object(data, place)
        if not found or set(found) - set(MESH):
            raise Wrong("no mesh", place)
        sizes = {name: size if size == -1 else a_count(size, (*place, name), least=1) for name, size in found.items()}
        return tuple((name, sizes[name]) for name in MESH if name in sizes)

    def show(self, value: Any) -> str:
        """``fsdp 8 x tp 4``."""
        return " x ".join(name if size == -1 else f"{name} {size}" for name, size in value)


def world_of(mesh: Sequence[tuple[str, int]] | None) -> int | None:
    """The processes of a mesh as `Parallel` has it; ``None`` where there is none, or where one size is the rest."""
    sizes = [size for _, size in mesh or ()]
    return None if not sizes or -1 in sizes else math.prod(sizes)


_MESH_FORMS = (
    f"Allowed: a mapping such as {{'fsdp': 8}} or {{'tp': 4, 'fsdp': 8}}; the dimensions are {', '.join(MESH)}, and "
    "one size may be -1, the rest of ranks=."
)


@dataclass(frozen=True)
class Resolution(Kind):
    """Pixels, as (height, width); one number is both."""

    metavar: str = "N|HxW"

    def parse(self, name: str, value: Any) -> tuple[int, int]:
        """One whole number, a pair of them, or text as `of_text` reads it."""
        if isinstance(value, str):
            try:
                value = self.of_text(value)
            except ValueError as error:
                raise UsageError(f"{name}={value!r} is neither one number nor (height, width).") from error
        if not isinstance(value, (tuple, list)):
            side = Whole().parse(name, value)
            return side, side
        if len(value) != 2 or None in value:
            raise UsageError(f"{name}={value!r} is neither one number nor (height, width).")
        height, width = (Whole().parse(name, side) for side in value)
        return height, width

    def resembles(self, value: Any) -> bool:
        """A whole number, two of them, or text."""
        if isinstance(value, (tuple, list)):
            return len(value) == 2 and all(map(Whole().resembles, value))
        return isinstance(value, str) or Whole().resembles(value)

    def of_text(self, text: str) -> Any:
        """``224``, or height by width: ``480x640``."""
        sides = [Whole().of_text(side.strip()) for side in text.lower().split("x")]
        if len(sides) > 2:
            raise ValueError(f"{text!r} is neither one number nor HEIGHTxWIDTH")
        return tuple(sides) if len(sides) == 2 else sides[0]

    def read(self, data: Any, place: Place) -> tuple[int, int]:
        """A list of two numbers."""
        sides = a_list(data, place)
        if len(sides) != 2:
            raise Wrong(f"{len(sides)} numbers where [height, width] belongs", place)
        height, width = (a_count(side, (*place, number), least=1) for number, side in enumerate(sides))
        return height, width

    def plain(self, value: Any) -> Any:
        """``[height, width]``."""
        return list(value)

    def show(self, value: Any) -> str:
        """``224`` for a square, ``480x640`` for height by width."""
        height, width = value
        return str(height) if height == width else f"{height}x{width}"

    def size(self, value: Any) -> int:
        """The side of the square that has as many pixels."""
        height, width = value
        return round(math.sqrt(height * width))

    def argument(self, value: Any) -> Any:
        """One number for a square, else the pair."""
        height, width = value
        return height if height == width else value


class Text(Kind):
    """A kind whose values are texts."""

    def read(self, data: Any, place: Place) -> Any:
        """Any text: another version may know more of them."""
        return a_text(data, place)


@dataclass(frozen=True)
class Choice(Text):
    """One of a few words. ``what`` names the kind of thing, ``said`` lists the words as messages do."""

    words: tuple[str, ...]
    what: str
    said: str = ""

    @property
    def metavar(self) -> str:  # type: ignore[override]
        """The words."""
        return "|".join(self.words)

    def parse(self, name: str, value: Any) -> str:
        """A word as it is written here."""
        if not isinstance(value, str) or value not in self.words:
            near = nearest(value, self.words) if isinstance(value, str) else ""
            said = self.said or ", ".join(map(repr, self.words))
            raise UsageError(f"{name}={value!r} is not {self.what}. Allowed: {said}.{near}")
        return value

    def read(self, data: Any, place: Place) -> Any:
        """One of the words."""
        return one_of(data, place, self.words)


_DTYPES = {
    "fp64": "float64", "float64": "float64", "double": "float64",
    "fp32": "float32", "float32": "float32", "float": "float32",
    "fp16": "float16", "float16": "float16", "half": "float16",
    "bf16": "bfloat16", "bfloat16": "bfloat16",
}  # fmt: skip
_SHORT = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Dtype(Text):
    """A floating dtype, under PyTorch's name for it; ``allowed`` are the names, all of them if empty."""

    allowed: tuple[str, ...] = ()
    what: str = "a floating dtype"
    said: str = "'fp32', 'fp16', 'bf16', 'fp64' (or the names PyTorch gives them)"
    metavar: str = "DTYPE"

    def parse(self, name: str, value: Any) -> str:
        """A short name, PyTorch's own, or a ``torch.dtype``."""
        word = str(value).removeprefix("torch.")  # a torch.dtype prints as torch.bfloat16
        if word not in _DTYPES:
            raise UsageError(f"{name}={value!r} is not {_ANY_DTYPE}.{nearest(word, _DTYPES)}")
        if self.allowed and _DTYPES[word] not in self.allowed:
            raise UsageError(f"{name}={value!r} is not {self.what}. Allowed: {self.said}.")
        return _DTYPES[word]

    def show(self, value: Any) -> str:
        """The short name."""
        return _SHORT[value]

    def read(self, data: Any, place: Place) -> Any:
        """PyTorch's name."""
        return one_of(data, place, self.allowed or sorted(_SHORT))


_ANY_DTYPE = f"{Dtype.what}. Allowed: {Dtype.said}"

_WHOLE_DTYPES = {
    "int64": "int64", "long": "int64", "int32": "int32", "int": "int32", "int16": "int16", "short": "int16",
    "int8": "int8", "uint8": "uint8", "bool": "bool",
}  # fmt: skip


class InputDtype(Dtype):
    """A dtype of an input: floating, integer or bool, under PyTorch's name for it."""

    def parse(self, name: str, value: Any) -> str:
        """A short name, PyTorch's own, or a ``torch.dtype``."""
        word = str(value).removeprefix("torch.")
        known = {**_DTYPES, **_WHOLE_DTYPES}
        if word not in known:
            whole = ", ".join(repr(one) for one in dict.fromkeys(_WHOLE_DTYPES.values()))
            raise UsageError(f"{name}={value!r} is not a dtype. Allowed: {whole}, {self.said}.{nearest(word, known)}")
        return known[word]


@dataclass(frozen=True)
class Flag(Kind):
    """Something that is so. That it is not so is the same as nothing said."""

    metavar: str = ""

    def parse(self, name: str, value: Any) -> bool | None:
        """``True``, or ``False``, which is ``None``."""
        if not isinstance(value, bool):
            raise UsageError(f"{name}={value!r} is neither True nor False.")
        return value or None

    def of_text(self, text: str) -> bool:
        """``true`` or ``false``."""
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"

    def read(self, data: Any, place: Place) -> bool:
        """Only ``true``: what is not so is not written."""
        if data is not True:
            raise Wrong("something else than true", place)
        return True

    def show(self, value: Any) -> str:
        """``true``, as a command takes it."""
        return "true"


@dataclass(frozen=True)
class Device(Text):
    """A device, under the name that the table of devices gives it."""

    metavar: str = "DEVICE"

    def parse(self, name: str, value: Any) -> str:
        """A kind of device or a named one, whatever its case, spaces and dashes."""
        return find_device(value).name


@dataclass(frozen=True)
class Method(Text):
    """A method of the model, by its name."""

    metavar: str = "NAME"
    said: str = "the name of a method of the model, such as 'encode'"

    def parse(self, name: str, value: Any) -> str:
        """A name as Python writes it."""
        if not isinstance(value, str) or not value.isidentifier():
            raise UsageError(f"{name}={value!r} is not a method. Allowed: {self.said}.")
        return value


class Named(Text):
    """A kind whose values are texts or callables. Of a callable, the name is kept, which may be any."""

    metavar: str = "NAME"


@dataclass(frozen=True)
class Step(Named):
    """A training step: a method of the model by its name, or a callable."""

    def parse(self, name: str, value: Any) -> str:
        """The name of a method, or of a callable."""
        if callable(value):
            return name_of(value)
        return Method(
            said="the name of a method of the model, such as 'training_step', or a callable that gets the batch, or "
            "the model and the batch, and returns the loss"
        ).parse(name, value)


@dataclass(frozen=True)
class Optimizer(Named):
    """An optimizer by its name, or a callable that makes one."""

    words: Sequence[str]

    def parse(self, name: str, value: Any) -> str:
        """One of the words, or the name of a callable."""
        if not (value in self.words if isinstance(value, str) else callable(value)):
            near = nearest(value, self.words) if isinstance(value, str) else ""
            raise UsageError(
                f"{name}={value!r} is not an optimizer. Allowed: {', '.join(map(repr, self.words))}, or a callable "
                f"that is given the parameters.{near}"
            )
        return name_of(value)


def name_of(value: Any) -> str:
    """A text as it is, a callable by its name."""
    if isinstance(value, str):
        return value
    return str(getattr(value, "__qualname__", type(value).__qualname__))
