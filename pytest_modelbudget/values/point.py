"""The operating point: where a model is measured, one field an axis. Whoever needs an axis asks its field.

A dimension of the user's own, as ``dims={"frames": 16}`` gives it, is an axis like batch and seq, of the points that
have it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from keyword import iskeyword
from typing import Any

from ..errors import UsageError
from ..text.checks import Wrong, a_record, an_object
from ..text.json import Place
from .devices import find_device
from .fits import Way
from .kinds import (
    Choice,
    Device,
    Dtype,
    Flag,
    Index,
    Kind,
    Method,
    Named,
    Optimizer,
    Parallel,
    Resolution,
    Step,
    Whole,
    name_of,
    world_of,
)
from .links import LINKS
from .metrics import metric_names
from .own_device import SUFFIX


@dataclass(frozen=True)
class Axis:
    """What there is to know of one axis of an operating point.

    - ``kind`` reads and writes its values, ``help`` is what a command says of it;
    - ``ordered``: it has smaller and larger values, so that it is searched, doubled and given as a range; ``start`` are
      the values that a search tries first, ``cap`` the largest it looks at, ``power`` how compute is expected to grow
      with it;
    - ``by_name``: factories and callables for ``inputs=`` get it under its name;
    - ``factor``: the cause of growth it is. Costs at two values of an axis that has one are compared and its factor is
      found by counting again; at two values of another axis they are not comparable;
    - ``several``: a sweep may be given several values;
    - ``training``: only a training step has it, with the value ``usual`` if neither it nor the axis ``decided_by`` is
      given; ``implied``: a value that is the same as none;
    - ``for_time``: it changes the predicted time of a named card, and nothing else;
    - ``always``: plain data has it even where it is not given;
    - ``text``: how a text says it; ``unsaid`` is the usual value, which goes without saying;
    - ``title``: its name on the axis of a picture, ``each`` what is counted along it;
    - ``example``: how its values are written, in messages;
    - ``aliases``: what people also call it, for hints.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    ordered: bool = False
    by_name: bool = False
    factor: str = ""
    several: bool = False
    training: bool = False
    usual: Any = None
    decided_by: str = ""
    implied: Any = None
    for_time: bool = False
    always: bool = False
    text: str = ", {name} {value}"
    unsaid: Any = None
    title: str = ""
    each: str = "each"
    example: str = "a value"
    start: tuple[int, ...] = (1,)
    cap: int = 1 << 16
    power: float = 1.0
    aliases: tuple[str, ...] = ()

    @property
    def swept(self) -> bool:
        """Whether a sweep may be given several values of it."""
        return self.ordered or self.several

    @property
    def of_tests(self) -> bool:
        """Whether a test argument of its name gives it."""
        return self.swept and self.by_name


def axis(kind: Kind, help: str, *, default: Any = None, **about: Any) -> Any:
    """A field of an operating point: an `Axis` of the field's name."""
    return field(default=default, metadata={"kind": kind, "help": help, "default": default, **about})


OPTIMIZERS = ("none", "sgd", "momentum", "adam", "adamw")
"""What ``optimizer=`` may name. ``counting.recording.optimizers`` makes them."""


@dataclass(frozen=True)
class OperatingPoint:
    """Where a model is measured. ``None`` means that an axis was not given.

    ``res`` is ``(height, width)``; ``dtype`` is PyTorch's name (``"bfloat16"``) or ``None`` for the model's own, as
    ``amp`` is that of autocast. ``optimizer`` is a name, and only there when training; with a ``step`` and none, it is
    what the model's ``configure_optimizers`` gives. ``accumulate`` micro-batches of ``batch`` are in one step.
    ``attention`` is ``"math"`` where the score matrix is kept in memory, ``device`` whose memory rules (and speed)
    hold; ``None`` is exact bytes.
    """

    batch: int | None = axis(
        Whole(), "batch size (default 1)",
        ordered=True, by_name=True, factor="batch", always=True, title="batch", each="a sample",
        example="8, 1,2,4 or 1:64:8", start=(1, 2, 4, 8),
        aliases=("batch_size", "batchsize", "bs", "bsz", "minibatch", "samples"),
    )  # fmt: skip
    res: tuple[int, int] | None = axis(
        Resolution(), "resolution of an image model",
        ordered=True, by_name=True, factor="resolution", always=True, title="resolution (pixels)", each="a pixel",
        example="224, 128,256, 480x640 or 128:512:32",
        start=(224, 256, 128, 64, 32, 96, 384, 299, 512, 28, 1024), cap=1 << 13, power=2.0,
        aliases=(
            "resolution", "image_size", "img_size", "imgsz", "input_size", "image_shape", "img_shape", "size", "image",
            "pixels",
        ),
    )  # fmt: skip
    channels: int | None = axis(
        Whole(), "channels of the image (default 3)", by_name=True, factor="channels", always=True, unsaid=3,
        aliases=("in_channels", "in_chans", "channel"),
    )  # fmt: skip
    seq: int | None = axis(
        Whole(), "sequence length of a token model",
        ordered=True, by_name=True, factor="sequence", always=True, title="sequence length (tokens)", each="a token",
        example="128, 128,256 or 128:1024:128", start=(128, 16, 1), cap=1 << 17,
        aliases=(
            "seq_len", "seqlen", "seq_length", "sequence", "sequence_length", "context", "context_length", "block_size",
            "max_length", "max_seq_len", "length", "tokens",
        ),
    )  # fmt: skip
    dtype: str | None = axis(
        Dtype(), "dtype to count in: fp32, bf16, fp16, fp64 (default: the model's own)",
        several=True, always=True, text=", {value}", aliases=("precision",),
    )  # fmt: skip
    mode: str = axis(
        Choice(("infer", "train"), "a mode"), "infer (a forward pass in eval mode) or train (a step)",
        default="infer", several=True, always=True, text=", {value}", aliases=("train", "training"),
    )  # fmt: skip
    optimizer: str | None = axis(
        Optimizer(OPTIMIZERS),
        f"with --mode train: {', '.join(OPTIMIZERS)} (default adamw; with --step, the model's configure_optimizers)",
        training=True, usual="adamw", decided_by="step", text=" with {value}", aliases=("optim", "opt"),
    )  # fmt: skip
    step: str | None = axis(
        Step(), "with --mode train: the model's method that gets the batch and returns the loss, such as training_step",
        training=True,
    )  # fmt: skip
    accumulate: int | None = axis(
        Whole(), "with --mode train: micro-batches of the batch in one optimizer step (default 1)",
        training=True, implied=1, factor="accumulation",
    )  # fmt: skip
    method: str | None = axis(Method(), "the model's method that is called instead of forward", implied="forward")
    amp: str | None = axis(
        Dtype(("bfloat16", "float16"), "a dtype of autocast", "'bf16', 'fp16'"), "autocast: bf16 or fp16",
        aliases=("autocast", "mixed_precision"),
    )  # fmt: skip
    attention: str | None = axis(
        Choice(
            ("fused", "math"), "a way to keep attention",
            "'fused' (as a GPU's kernels do), 'math' (the score matrix in memory)",
        ),
        "how attention is kept in memory: fused (default) or math", implied="fused",
        aliases=("attn", "sdpa", "attn_implementation"),
    )  # fmt: skip
    device: str | None = axis(
        Device(), "cuda, a card such as T4, or the file of a calibration: its memory rules, time and footprint",
        text=", {value}", aliases=("gpu", "card", "hardware"),
    )  # fmt: skip
    channels_last: bool | None = axis(
        Flag(), "images and the model in channels-last memory format", text=", channels last",
        aliases=("memory_format",),
    )  # fmt: skip
    compile: bool | None = axis(
        Flag(), "estimate the time of a step under torch.compile; counts are those of the model as it is",
        text=", compiled", for_time=True, aliases=("compiled", "torch_compile"),
    )  # fmt: skip
    ranks: int | None = axis(
        Whole(), "processes of a sharded model; everything is measured of one of them",
        several=True, by_name=True, factor="ranks", example="8 or 8,16,32",
        aliases=("world_size", "num_ranks", "nproc", "nproc_per_node", "gpus", "num_gpus", "n_gpus"),
    )  # fmt: skip
    rank: int | None = axis(
        Index(), "with --ranks or --parallel: the process that is measured (default 0)", by_name=True, implied=0,
        aliases=("local_rank", "global_rank"),
    )  # fmt: skip
    parallel: tuple[tuple[str, int], ...] | None = axis(
        Parallel(), "parallelise the model by a plan: fsdp=8, tp=4,fsdp=8, dp=2,fsdp=8; -1 is the rest of --ranks",
        factor="ranks", text=", {value}", example="fsdp=8 or tp=4,fsdp=8",
        aliases=("mesh", "device_mesh", "parallelism", "sharding"),
    )  # fmt: skip
    link: str | None = axis(
        Choice(tuple(link.name for link in LINKS), "a link between cards"),
        "with a card and several ranks: NVLink, PCIe or InfiniBand (default: what such cards have)",
        text=", {value}", aliases=("interconnect", "fabric", "nvlink"),
    )  # fmt: skip
    dims: tuple[tuple[str, int], ...] = ()
    """The dimensions of the user's own that are given, sorted by their names, each of which is an axis."""

    def value(self, name: str) -> Any:
        """The value of an axis; ``None`` where it was not given."""
        return getattr(self, name) if name in axis_names() else dict(self.dims).get(name)

    def at(self, **values: Any) -> OperatingPoint:
        """The same point with other values of some axes; ``None`` takes one away."""
        own = {name: values.pop(name) for name in list(values) if name not in axis_names()}
        dims = {name: value for name, value in {**dict(self.dims), **own}.items() if value is not None}
        return replace(self, **values, dims=tuple(sorted(dims.items())))

    @property
    def way(self) -> Way:
        """How a step runs, for what efficiency depends on. A model of half precision is that without its weights."""
        half, double = (self.amp or self.dtype) in ("float16", "bfloat16"), (self.amp or self.dtype) == "float64"
        return Way(self.mode, half, bool(self.channels_last), bool(self.compile), double)

    @property
    def rules(self) -> str:
        """Whose memory rules hold: ``"cuda"``'s (a named card implies them), or ``"cpu"``'s, which are exact bytes."""
        return "cpu" if self.device is None else find_device(self.device).kind

    @property
    def idle(self) -> str:
        """A sentence on what is given and changes nothing, since no card is named; empty where nothing is."""
        device = self.device or "cpu"
        names = [one.name for one, _ in self.given() if one.for_time]
        if not names or device.endswith(SUFFIX) or find_device(device).has_speed:
            return ""
        what = "matters for the predicted time of a named card, such as device='T4', and here is none."
        return f"{' and '.join(names)} {what}"

    @property
    def world(self) -> int | None:
        """The processes that the model is spread over; ``None`` where nothing says that it is."""
        return self.ranks if self.ranks is not None else world_of(self.parallel)

    @property
    def mesh(self) -> dict[str, int]:
        """The dimensions of ``parallel`` with their sizes, the outermost first, what was left open filled in."""
        sizes = dict(self.parallel or ())
        known = math.prod(size for size in sizes.values() if size > 0)
        return {name: size if size > 0 else (self.ranks or 1) // known for name, size in sizes.items()}

    @property
    def called(self) -> str:
        """What of the model gets the inputs: forward, another method, or a training step."""
        return self.step or self.method or "forward"

    @property
    def samples(self) -> int | None:
        """The samples of a step: the batch, as often as the step has it."""
        return self.batch if self.batch is None else self.batch * (self.accumulate or 1)

    def given(self) -> Iterator[tuple[Axis, Any]]:
        """The axes that have a value, with it."""
        for one in axes(self):
            value = self.value(one.name)
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
        value = self.value(name)
        return "" if value is None else find_axis(name).kind.show(value)

    def side(self, name: str) -> int | None:
        """One ordered axis as one number; ``None`` where it was not given, and for a picture that is no square."""
        value = self.value(name)
        number = value if value is None else find_axis(name).kind.argument(value)
        return number if isinstance(number, int) else None

    def with_side(self, name: str, number: int) -> OperatingPoint:
        """The same point with one ordered axis at ``number``: a square of that side."""
        return self.at(**{name: find_axis(name).kind.parse(name, number)})

    def arguments(self) -> dict[str, Any]:
        """What a callable that asks by name gets: ``res`` is one number when the picture is square."""
        return {one.name: one.kind.argument(value) for one, value in self.given() if one.by_name}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. What few points have is there only if they have it."""
        plain = {one.name: one.kind.plain(value) for one, value in self.given()}
        found = {one.name: plain.get(one.name) for one in axes() if one.always or one.name in plain}
        return {**found, "dims": dict(self.dims)} if self.dims else found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OperatingPoint:
        """The inverse of `to_dict`; raises `UsageError` for values that are no operating point.

        What may be a callable may have any name: that of a callable is all that is written of it. A device that is a
        file need not be there.
        """
        named = {
            one.name: data[one.name]
            for one in axes(training=True)
            if isinstance(one.kind, Named) and isinstance(data.get(one.name), str) and data.get("mode") == "train"
        }
        stand_in: dict[str, Any] = dict.fromkeys(named, name_of)  # a callable is allowed
        if isinstance(data.get("device"), str) and data["device"].endswith(SUFFIX):
            named["device"], stand_in["device"] = data["device"], None
        return replace(operating_point(**{**data, **stand_in}), **named)

    @classmethod
    def read(cls, tree: Any, place: Place) -> OperatingPoint:
        """Read plain data strictly, as from a file. Raises `Wrong`, with the place, for anything else."""
        always = [one.name for one in axes() if one.always]
        sometimes = [one.name for one in axes() if not one.always]
        data = a_record(tree, place, always, [*sometimes, "dims"])
        found: dict[str, Any] = {}
        for one in axes():
            value = data.get(one.name)
            if value is not None or (one.name in data and (one.default is not None or not one.always)):
                value = one.kind.read(value, (*place, one.name))
            found[one.name] = value
        dims = an_object(data["dims"], (*place, "dims")) if "dims" in data else {}
        for name in dims:
            if not is_dimension(name):
                raise Wrong("no name of a dimension", (*place, "dims", name))
        own = {name: find_axis(name).kind.read(value, (*place, "dims", name)) for name, value in dims.items()}
        return cls(**found, dims=tuple(sorted(own.items())))

    def code(self) -> dict[str, str]:
        """The arguments that give this point, each as Python code; without those that have their usual value."""
        found = {
            one.name: one.kind.code(value)
            for one, value in self.given()
            if one.name in axis_names() and value not in (one.unsaid, one.default)
        }
        dims = ", ".join(f'"{name}": {value}' for name, value in self.dims)
        return {**found, "dims": f"{{{dims}}}"} if dims else found

    def with_batch_one(self) -> OperatingPoint:
        """The same point with the default batch, when something else needs one."""
        return self if self.batch is not None else replace(self, batch=1)

    def with_batch_if_needed(self) -> OperatingPoint:
        """The same point, with the default batch if it has a size: a picture or a sequence."""
        sized = any(self.value(name) is not None for name in axis_names(self, ordered=True) if name != "batch")
        return self.with_batch_one() if sized else self


def axes(*points: OperatingPoint, **wanted: bool) -> tuple[Axis, ...]:
    """The axes of every operating point, in order, and the dimensions of the user's own that some of ``points`` have.

    Only those whose attributes are as ``wanted``, such as ``ordered=True``.
    """
    found = _axes_of(OperatingPoint)
    if own := sorted({name for point in points for name, _ in point.dims}):
        last = max(number for number, one in enumerate(found) if one.ordered)  # they are sizes, as those before it
        found = (*found[: last + 1], *map(find_axis, own), *found[last + 1 :])
    return tuple(one for one in found if all(bool(getattr(one, name)) is value for name, value in wanted.items()))


@cache
def _axes_of(kind: type[OperatingPoint]) -> tuple[Axis, ...]:
    return tuple(Axis(name=one.name, **one.metadata) for one in fields(kind) if one.metadata)


def axis_names(*points: OperatingPoint, **wanted: bool) -> tuple[str, ...]:
    """The names of `axes`."""
    return tuple(one.name for one in axes(*points, **wanted))


def point_arguments() -> tuple[str, ...]:
    """The arguments that give an operating point."""
    return (*axis_names(), "dims")


def find_axis(name: str) -> Axis:
    """The axis of that name, which is a dimension of the user's own if it is of no field."""
    return next((one for one in axes() if one.name == name), None) or _dimension(name)


@cache
def _dimension(name: str) -> Axis:
    return Axis(
        name, Whole(), "a dimension of your own", ordered=True, by_name=True, factor=name, title=name,
        example="16, 8,16 or 8:64:8", start=(1, 2, 4, 8, 16),
    )  # fmt: skip


@cache
def _taken() -> frozenset[str]:
    """Names of axes, metrics and columns, which no dimension of the user's own may have."""
    return frozenset({*(one.name for one in fields(OperatingPoint)), *metric_names(), "target", "uncounted", "refused"})


def is_dimension(name: Any) -> bool:
    """Whether a name can be that of a dimension of the user's own."""
    return isinstance(name, str) and name.isidentifier() and not iskeyword(name) and name not in _taken()


def dimensions(dims: Any) -> dict[str, Any]:
    """The dimensions that ``dims=`` names, each with what is written for its value; ``None`` where that is left open.

    A mapping from names to values, or names alone. Raises `UsageError` for what is neither, and for a name that
    something else has.
    """
    if isinstance(dims, Mapping):
        found = dict(dims)
    elif isinstance(dims, Iterable) and not isinstance(dims, (str, bytes)):
        found = dict.fromkeys(dims)
    else:
        raise UsageError(f"dims={dims!r} is not a mapping such as {{'frames': 16}}, nor names such as ['frames'].")
    for name in found:
        if name in axis_names():
            raise UsageError(f"dims={dims!r}: {name!r} is an argument itself. Write {name}=.")
        if not is_dimension(name):
            raise UsageError(
                f"dims={dims!r}: {name!r} is not a name for a dimension. Allowed: a name as Python writes it, that no "
                "column of a report has."
            )
    return found


def operating_point(**given: Any) -> OperatingPoint:
    """Check what the user wrote for each axis and make an operating point of it. Raises `UsageError`."""
    dims = dimensions(given.pop("dims", None) or {})
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
            is_decided = one.decided_by and found[one.decided_by] is not None
            found[one.name] = found[one.name] or (None if is_decided else one.usual)
        elif found[one.name] is not None:
            raise UsageError(
                f"{one.name}={_shown(given[one.name])} is for mode='train': in inference nothing is optimised."
            )
    if found["step"] is not None and found["method"] is not None:
        raise UsageError(
            f"Both step={found['step']!r} and method={found['method']!r} are given: a step says itself what it calls."
        )
    _check_ranks(found)
    own = {name: find_axis(name).kind.parse(name, value) for name, value in dims.items() if value is not None}
    if found["link"] is not None and (found["ranks"] is None and found["parallel"] is None):
        raise UsageError(f"link={found['link']!r} is for ranks= or parallel=: one process sends nothing.")
    return OperatingPoint(**found, dims=tuple(sorted(own.items())))


def _check_ranks(found: dict[str, Any]) -> None:
    """Check that ranks, rank and mesh go together. Of a mesh that says all, ``ranks`` says nothing more."""
    ranks, rank, parallel = found["ranks"], found["rank"], found["parallel"]
    world, said = world_of(parallel), find_axis("parallel").kind.show(parallel or ())
    if parallel is not None and world is None:
        known = math.prod(size for _, size in parallel if size > 0)
        if ranks is None:
            raise UsageError(f"parallel= leaves a size open ({said}): say how many processes there are, ranks=8.")
        if ranks % known:
            raise UsageError(f"ranks={ranks} is no multiple of {known}, which parallel= has without the rest ({said}).")
    elif world is not None and ranks not in (None, world):
        raise UsageError(f"ranks={ranks}, and parallel= is a mesh of {world} ({said}). Leave out ranks=.")
    elif world is not None:
        found["ranks"], ranks = None, world
    if rank is not None and ranks is None:
        raise UsageError(f"rank={rank} is for ranks= or parallel=: without them there is one process.")
    if rank is not None and rank >= ranks:
        raise UsageError(f"rank={rank} is none of {ranks}: they are 0 to {ranks - 1}.")


def _shown(value: Any) -> str:
    return repr(name_of(value)) if callable(value) else repr(value)
