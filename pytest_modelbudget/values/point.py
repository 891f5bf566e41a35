"""The operating point: the batch, resolution and sequence length a model is measured at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UsageError, nearest
from .devices import find_device

DTYPES = {
    "fp64": "float64", "float64": "float64", "double": "float64",
    "fp32": "float32", "float32": "float32", "float": "float32",
    "fp16": "float16", "float16": "float16", "half": "float16",
    "bf16": "bfloat16", "bfloat16": "bfloat16",
}  # fmt: skip
"""Accepted names of a floating dtype, to the name PyTorch gives it."""

MODES = ("infer", "train")
OPTIMIZERS = ("none", "sgd", "momentum", "adam", "adamw")
ATTENTIONS = ("fused", "math")

POINT_SOMETIMES = ("optimizer", "amp", "attention", "device")
"""Fields of an operating point that its plain data has only where they are set."""

_SHORT = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class OperatingPoint:
    """Where a model is measured. ``None`` means the dimension was not given.

    ``res`` is ``(height, width)``; ``dtype`` is PyTorch's name (``"bfloat16"``) or ``None`` for the model's own, as
    ``amp`` is that of autocast. ``optimizer`` is a name, and only there when training. ``attention`` is ``"math"``
    where the score matrix is kept in memory, ``device`` whose memory rules (and speed) hold; ``None`` is exact bytes.
    """

    batch: int | None = None
    res: tuple[int, int] | None = None
    channels: int | None = None
    seq: int | None = None
    dtype: str | None = None
    mode: str = "infer"
    optimizer: str | None = None
    amp: str | None = None
    attention: str | None = None
    device: str | None = None

    @property
    def rules(self) -> str:
        """Whose memory rules hold: ``"cuda"``'s (a named card implies them), or ``"cpu"``'s, which are exact bytes."""
        return "cpu" if self.device is None else find_device(self.device).kind

    def __str__(self) -> str:
        """``batch 1, res 224, infer``: what reports print."""
        parts = []
        if self.batch is not None:
            parts.append(f"batch {self.batch}")
        if self.res is not None:
            parts.append(f"res {self.show_res()}")
        if self.channels is not None and self.channels != 3:
            parts.append(f"channels {self.channels}")
        if self.seq is not None:
            parts.append(f"seq {self.seq}")
        if self.dtype is not None:
            parts.append(_SHORT[self.dtype])
        parts.append(f"{self.mode} with {self.optimizer}" if self.optimizer is not None else self.mode)
        if self.amp is not None:
            parts.append(f"amp {_SHORT[self.amp]}")
        if self.attention is not None:
            parts.append(f"attention {self.attention}")
        if self.device is not None:
            parts.append(self.device)
        return ", ".join(parts)

    def show_res(self) -> str:
        """``224`` for a square, ``480x640`` for height by width."""
        if self.res is None:
            return ""
        height, width = self.res
        return str(height) if height == width else f"{height}x{width}"

    def arguments(self) -> dict[str, Any]:
        """What a callable that asks by name gets: ``res`` is one number when the picture is square."""
        res: Any = None
        if self.res is not None:
            res = self.res[0] if self.res[0] == self.res[1] else self.res
        known = {"batch": self.batch, "res": res, "seq": self.seq, "channels": self.channels}
        return {name: value for name, value in known.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. What few points have is there only if they have it."""
        return {
            "batch": self.batch,
            "res": list(self.res) if self.res else None,
            "channels": self.channels,
            "seq": self.seq,
            "dtype": self.dtype,
            "mode": self.mode,
            **{name: value for name in POINT_SOMETIMES if (value := getattr(self, name)) is not None},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> OperatingPoint:
        """The inverse of `to_dict`; raises `UsageError` for values that are no operating point.

        An optimizer may have any name: that of a callable is all that is written of it.
        """
        optimizer = data.get("optimizer")
        if not isinstance(optimizer, str) or optimizer in OPTIMIZERS or data.get("mode") != "train":
            return operating_point(**data)
        return replace(operating_point(**{**data, "optimizer": None}), optimizer=optimizer)

    def with_batch_one(self) -> OperatingPoint:
        """The same point with the default batch, when something else needs one."""
        return self if self.batch is not None else replace(self, batch=1)


def operating_point(
    *,
    batch: Any = None,
    res: Any = None,
    channels: Any = None,
    seq: Any = None,
    dtype: Any = None,
    mode: Any = "infer",
    optimizer: Any = None,
    amp: Any = None,
    attention: Any = None,
    device: Any = None,
) -> OperatingPoint:
    """Check what the user wrote and make an operating point of it. Raises `UsageError`."""
    if mode not in MODES:
        raise UsageError(f"mode={mode!r} is not a mode. Allowed: 'infer', 'train'.{_hint(mode, MODES)}")
    if mode != "train" and optimizer is not None:
        raise UsageError(f"optimizer={_named(optimizer)!r} is for mode='train': in inference nothing is optimised.")
    if attention not in (None, *ATTENTIONS):
        raise UsageError(
            f"attention={attention!r} is not a way to keep attention. Allowed: 'fused' (as a GPU's kernels do), "
            f"'math' (the score matrix in memory).{_hint(attention, ATTENTIONS)}"
        )
    return OperatingPoint(
        batch=_whole("batch", batch),
        res=_resolution(res),
        channels=_whole("channels", channels),
        seq=_whole("seq", seq),
        dtype=_dtype("dtype", dtype),
        mode=mode,
        optimizer=_optimizer(optimizer) if mode == "train" else None,
        amp=_amp(amp),
        attention=None if attention == "fused" else attention,
        device=None if device is None else find_device(device).name,
    )


def _hint(value: Any, allowed: Iterable[str]) -> str:
    return nearest(value, allowed) if isinstance(value, str) else ""


def _named(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def _optimizer(value: Any) -> str:
    """The name of an optimizer; AdamW where none is said, since a step without its state would be counted too small."""
    if value is None:
        return "adamw"
    if value in OPTIMIZERS if isinstance(value, str) else callable(value):
        return _named(value)
    raise UsageError(
        f"optimizer={value!r} is not an optimizer. Allowed: {', '.join(map(repr, OPTIMIZERS))}, or a callable that is "
        f"given the parameters.{_hint(value, OPTIMIZERS)}"
    )


def _amp(value: Any) -> str | None:
    dtype = _dtype("amp", value)
    if dtype not in (None, "bfloat16", "float16"):
        raise UsageError(f"amp={value!r} is not a dtype of autocast. Allowed: 'bf16', 'fp16'.")
    return dtype


def _whole(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name}={value!r} is not a whole number above zero.")
    return value


def _resolution(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise UsageError(f"res={value!r} is neither one number nor (height, width).")
        height, width = (_whole("res", side) for side in value)
        if height is None or width is None:
            raise UsageError(f"res={value!r} is neither one number nor (height, width).")
        return height, width
    side = _whole("res", value)
    return None if side is None else (side, side)


def _dtype(argument: str, value: Any) -> str | None:
    if value is None:
        return None
    name = str(value).removeprefix("torch.")  # a torch.dtype prints as torch.bfloat16
    if name not in DTYPES:
        allowed = "'fp32', 'fp16', 'bf16', 'fp64' (or the names PyTorch gives them)"
        raise UsageError(f"{argument}={value!r} is not a floating dtype. Allowed: {allowed}.{nearest(name, DTYPES)}")
    return DTYPES[name]
