"""The operating point: where a model is measured, one field an axis. Whoever needs an axis asks its field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from ..errors import UsageError
from ..text.checks import a_record
from ..text.json import Place
from .devices import find_device
from .fits import Way
from .kinds import Choice, Device, Dtype, Flag, Kind, Optimizer, Resolution, Whole, name_of


@dataclass(frozen=True)
class Axis:
    """What there is to know of one axis of an operating point.

    - ``kind`` reads and writes its values, ``help`` is what a command says of it;
    - ``ordered``: it has smaller and larger values, so that it is searched, doubled and given as a range, and a test
      argument of its name gives it; ``start`` are the values that a search tries first, ``cap`` the largest it looks
      at, ``power`` how compute is expected to grow with it;
    - ``by_name``: factories and callables for ``inputs=`` get it under its name;
    - ``factor``: the cause of growth it is. Costs at two values of an axis that has one are compared and its factor is
      found by counting again; at two values of another axis they are not comparable;
    - ``several``: a sweep may be given several values;
    - ``training``: only a training step has it, with this value if none is given; ``implied``: a value that is the same
      as none;
    - ``always``: plain data has it even where it is not given;
    - ``text``: how a text says it; ``unsaid`` is the usual value, which goes without saying;
    - ``title``: its name on the axis of a picture; ``example``: how its values are written, in messages.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    ordered: bool = False
    by_name: bool = False
    factor: str = ""
    several: bool = False
    training: str = ""
    implied: Any = None
    always: bool = False
    text: str = ", {name} {value}"
    unsaid: Any = None
    title: str = ""
    example: str = "a value"
    start: tuple[int, ...] = (1,)
    cap: int = 1 << 16
    power: float = 1.0

    @property
    def swept(self) -> bool:
        """Whether a sweep may be given several values of it."""
        return self.ordered or self.several


def axis(kind: Kind, help: str, *, default: Any = None, **about: Any) -> Any:
    """A field of an operating point: an `Axis` of the field's name."""
    return field(default=default, metadata={"kind": kind, "help": help, "default": default, **about})


OPTIMIZERS = ("none", "sgd", "momentum", "adam", "adamw")
"""What ``optimizer=`` may name. ``counting.recording.optimizers`` makes them."""


@dataclass(frozen=True)
class OperatingPoint:
    """Where a model is measured. ``None`` means that an axis was not given.

    ``res`` is ``(height, width)``; ``dtype`` is PyTorch's name (``"bfloat16"``) or ``None`` for the model's own, as
    ``amp`` is that of autocast. ``optimizer`` is a name, and only there when training. ``attention`` is ``"math"``
    where the score matrix is kept in memory, ``device`` whose memory rules (and speed) hold; ``None`` is exact bytes.
    """

    batch: int | None = axis(
        Whole(), "batch size (default 1)",
        ordered=True, by_name=True, factor="batch", always=True, title="batch",
        example="8, 1,2,4 or 1:64:8", start=(1, 2, 4, 8),
    )  # fmt: skip
    res: tuple[int, int] | None = axis(
        Resolution(), "resolution of an image model",
        ordered=True, by_name=True, factor="resolution", always=True, title="resolution (pixels)",
        example="224, 128,256, 480x640 or 128:512:32",
        start=(224, 256, 128, 64, 32, 96, 384, 299, 512, 28, 1024), cap=1 << 13, power=2.0,
    )  # fmt: skip
    channels: int | None = axis(
        Whole(), "channels of the image (default 3)", by_name=True, factor="channels", always=True, unsaid=3
    )
    seq: int | None = axis(
        Whole(), "sequence length of a token model",
        ordered=True, by_name=True, factor="sequence", always=True, title="sequence length (tokens)",
        example="128, 128,256 or 128:1024:128", start=(128, 16, 1), cap=1 << 17,
    )  # fmt: skip
    dtype: str | None = axis(
        Dtype(), "dtype to count in: fp32, bf16, fp16, fp64 (default: the model's own)",
        several=True, always=True, text=", {value}",
    )  # fmt: skip
    mode: str = axis(
        Choice(("infer", "train"), "a mode"), "infer (a forward pass in eval mode) or train (a step)",
        default="infer", several=True, always=True, text=", {value}",
    )  # fmt: skip
    optimizer: str | None = axis(
        Optimizer(OPTIMIZERS), f"with --mode train: {', '.join(OPTIMIZERS)} (default adamw)",
        training="adamw", text=" with {value}",
    )  # fmt: skip
    amp: str | None = axis(
        Dtype(("bfloat16", "float16"), "a dtype of autocast", "'bf16', 'fp16'"), "autocast: bf16 or fp16"
    )
    attention: str | None = axis(
        Choice(
            ("fused", "math"), "a way to keep attention",
            "'fused' (as a GPU's kernels do), 'math' (the score matrix in memory)",
        ),
        "how attention is kept in memory: fused (default) or math", implied="fused",
    )  # fmt: skip
    device: str | None = axis(
        Device(), "cuda, a card such as T4, or the file of a calibration: its memory rules, time and footprint",
        text=", {value}",
    )  # fmt: skip
    channels_last: bool | None = axis(
        Flag(), "images and the model in channels-last memory format", text=", channels last"
    )
    compile: bool | None = axis(
        Flag(), "estimate the time of a step under torch.compile; counts are those of the model as it is",
        text=", compiled",
    )  # fmt: skip

    @property
    def way(self) -> Way:
        """How a step runs, for what efficiency depends on. A model of half precision is that without its weights."""
        half = (self.amp or self.dtype) in ("float16", "bfloat16")
        return Way(self.mode, half, bool(self.channels_last), bool(self.compile))

    @property
    def rules(self) -> str:
        """Whose memory rules hold: ``"cuda"``'s (a named card implies them), or ``"cpu"``'s, which are exact bytes."""
        return "cpu" if self.device is None else find_device(self.device).kind

    def given(self) -> Iterator[tuple[Axis, Any]]:
        """The axes that have a value, with it."""
        for one in axes():
            value = getattr(self, one.name)
            if value is not None:
                yield one, value

    def __str__(self) -> str:
        """``batch 1, res 224, infer``: what reports print."""
        texts = (
            one.text.format(name=one.name, value=one.kind.show(value))
            for one, value in self.given()
            if value != one.unsaid
        )
        return "".join(texts).removeprefix(", ")

    def show(self, name: str) -> str:
        """One axis in a text; empty where it was not given."""
        value = getattr(self, name)
        return "" if value is None else find_axis(name).kind.show(value)

    def side(self, name: str) -> int | None:
        """One ordered axis as one number; ``None`` where it was not given, and for a picture that is no square."""
        value = getattr(self, name)
        number = value if value is None else find_axis(name).kind.argument(value)
        return number if isinstance(number, int) else None

    def with_side(self, name: str, number: int) -> OperatingPoint:
        """The same point with one ordered axis at ``number``: a square of that side."""
        return replace(self, **{name: find_axis(name).kind.parse(name, number)})

    def arguments(self) -> dict[str, Any]:
        """What a callable that asks by name gets: ``res`` is one number when the picture is square."""
        return {one.name: one.kind.argument(value) for one, value in self.given() if one.by_name}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. What few points have is there only if they have it."""
        plain = {one.name: one.kind.plain(value) for one, value in self.given()}
        return {one.name: plain.get(one.name) for one in axes() if one.always or one.name in plain}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OperatingPoint:
        """The inverse of `to_dict`; raises `UsageError` for values that are no operating point.

        An optimizer may have any name: that of a callable is all that is written of it.
        """
        optimizer = data.get("optimizer")
        if not isinstance(optimizer, str) or optimizer in OPTIMIZERS or data.get("mode") != "train":
            return operating_point(**data)
        return replace(operating_point(**{**data, "optimizer": None}), optimizer=optimizer)

    @classmethod
    def read(cls, tree: Any, place: Place) -> OperatingPoint:
        """Read plain data strictly, as from a file. Raises `Wrong`, with the place, for anything else."""
        always = [one.name for one in axes() if one.always]
        sometimes = [one.name for one in axes() if not one.always]
        data = a_record(tree, place, always, sometimes)
        found: dict[str, Any] = {}
        for one in axes():
            value = data.get(one.name)
            if value is not None or (one.name in data and (one.default is not None or not one.always)):
                value = one.kind.read(value, (*place, one.name))
            found[one.name] = value
        return cls(**found)

    def with_batch_one(self) -> OperatingPoint:
        """The same point with the default batch, when something else needs one."""
        return self if self.batch is not None else replace(self, batch=1)

    def with_batch_if_needed(self) -> OperatingPoint:
        """The same point, with the default batch if it has a size: a picture or a sequence."""
        sized = any(getattr(self, name) is not None for name in axis_names(ordered=True) if name != "batch")
        return self.with_batch_one() if sized else self


def axes(**wanted: bool) -> tuple[Axis, ...]:
    """The axes of an operating point, in order; those whose attributes are as ``wanted``, such as ``ordered=True``."""
    found = _axes_of(OperatingPoint)
    return tuple(one for one in found if all(bool(getattr(one, name)) is value for name, value in wanted.items()))


@cache
def _axes_of(kind: type[OperatingPoint]) -> tuple[Axis, ...]:
    return tuple(Axis(name=one.name, **one.metadata) for one in fields(kind))


def axis_names(**wanted: bool) -> tuple[str, ...]:
    """The names of `axes`."""
    return tuple(one.name for one in axes(**wanted))


def find_axis(name: str) -> Axis:
    """The axis of that name, which must be one."""
    return next(one for one in axes() if one.name == name)


def operating_point(**given: Any) -> OperatingPoint:
    """Check what the user wrote for each axis and make an operating point of it. Raises `UsageError`."""
    for name in given:
        if name not in axis_names():
            raise UsageError(f"{name!r} is no axis of an operating point. Allowed: {', '.join(axis_names())}.")
    found: dict[str, Any] = {}
    for one in axes():
        value = given.get(one.name, one.default)
        if value is not None or one.default is not None:
            value = one.kind.parse(one.name, value)
        found[one.name] = None if value == one.implied else value
    for one in axes(training=True):
        if found["mode"] == "train":
            found[one.name] = found[one.name] or one.training
        elif found[one.name] is not None:
            raise UsageError(
                f"{one.name}={name_of(given[one.name])!r} is for mode='train': in inference nothing is optimised."
            )
    return OperatingPoint(**found)
