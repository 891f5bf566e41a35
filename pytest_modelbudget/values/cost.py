"""What a measurement yields: the cost of a model at an operating point, by module and by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..errors import UsageError, nearest
from ..text.line import one_line
from .communication import Collective
from .cost_table import module_html, module_table
from .fits import Accuracy
from .footprint import Footprint
from .frozen import NOTHING, freeze
from .metrics import all_metrics, find_metric, show
from .peak import Measured, Peak
from .point import OperatingPoint
from .request import CONVENTIONS
from .throughput import Throughput


@dataclass(frozen=True)
class ModuleCost:
    """The cost of one module with everything below it.

    ``memory`` is what it made (activations, gradients, temporaries) that was alive at the model's peak, in bytes;
    ``communication`` are the bytes that it sends to other ranks.
    ``calls`` are those of the module itself, ``recomputed`` those of them in the backward pass (checkpointing);
    ``inputs`` are the elements of the tensors that its forward calls were given by position. ``operators`` are the
    calls of operators in its own forward, views and modules of PyTorch left out. ``shares`` names the first module
    that holds tensors of this one, too; ``shared`` has what of ``params``, ``trainable_params`` and ``weights`` is
    counted there, and not a second time where both are summed up.
    ``config`` is the module's own description (``Conv2d``'s ``3, 64, kernel_size=...``); ``owner`` and
    ``attribute`` say where it was put: the class whose code assigns ``self.<attribute>``.
    """

    name: str
    kind: str
    flops: int
    macs: int
    params: int
    trainable_params: int
    activations: int
    weights: int
    calls: int = 0
    config: str = ""
    owner: str = ""
    attribute: str = ""
    memory: int = 0
    communication: int = 0
    recomputed: int = 0
    inputs: int = 0
    operators: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    shares: str = ""
    shared: Mapping[str, int] = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        """Nothing in a row changes."""
        freeze(self, "operators", "shared")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**vars(self), "operators": dict(self.operators), "shared": dict(self.shared)}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one model at one operating point. Counts are whole; ``weights`` and ``memory`` are bytes.

    ``executed`` is ``"meta"`` (nothing was computed) or ``"real"`` (the model needs data, or the counter runs it);
    ``uncounted`` maps operators without a formula to the number of their calls, ``uncounted_in`` to the
    modules they ran in. ``memory`` is ``None`` where it was not measured, else the total of ``peak``. FLOPs of a
    training step are ``backward_flops`` and those of the forward pass; ``measured`` is what a real run took.
    Of a sharded model everything is of one rank, but for ``global_params``; ``communication`` are the bytes that this
    rank sends in a step, ``collectives`` by which calls. ``throughput`` and ``device_memory`` are predicted, where a
    named device was asked for. ``lines`` has the file, and the lines of the first and last call, of an operator in a
    module's own code, by module and operator, in the process that counted: it is no part of the data.
    """

    flops: int
    macs: int
    params: int
    trainable_params: int
    activations: int
    weights: int
    memory: int | None
    point: OperatingPoint
    inputs: str
    convention: str
    counter: str
    executed: str
    torch_version: str
    model: str
    notes: tuple[str, ...] = ()
    uncounted: Mapping[str, int] = field(default_factory=dict)
    uncounted_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: Mapping[str, ModuleCost] = field(default_factory=dict, repr=False)
    operators: Mapping[str, int] = field(default_factory=dict, repr=False)
    throughput: Throughput | None = field(default=None, repr=False)
    backward_flops: int = 0
    peak: Peak | None = field(default=None, repr=False)
    measured: Measured | None = None
    device_memory: Footprint | None = field(default=None, repr=False)
    communication: int | None = None
    collectives: tuple[Collective, ...] = field(default=(), repr=False)
    global_params: int | None = None
    lines: Mapping[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Nothing in a cost changes."""
        freeze(self, "uncounted", "uncounted_in", "modules", "operators", "lines")

    @property
    def forward_flops(self) -> int:
        """FLOPs of the forward pass."""
        return self.flops - self.backward_flops

    def by_module(self) -> dict[str, ModuleCost]:
        """Every module by its qualified name, in the model's order; ``""`` is the whole model."""
        return dict(self.modules)

    def by_operator(self) -> dict[str, int]:
        """FLOPs by operator, the most expensive first. They add up to ``flops``."""
        return dict(sorted(self.operators.items(), key=lambda item: (-item[1], item[0])))

    @property
    def latency(self) -> int | None:
        """The predicted time of a step on the named device, in nanoseconds: an estimate."""
        return None if self.throughput is None else self.throughput.nanoseconds

    @property
    def footprint(self) -> int | None:
        """The bytes that a step takes of the named card's memory: an estimate."""
        return None if self.device_memory is None else self.device_memory.total

    def metric(self, name: str, module: str = "") -> int | None:
        """One metric of the model or of a submodule; ``None`` where it was not measured.

        Raises `UsageError` for a module that is not there.
        """
        if not module:
            value = getattr(self, name)
            return None if value is None else int(value)
        if not find_metric(name).in_modules:
            return None
        row = self.modules.get(module)
        if row is None:
            raise UsageError(_no_such_module(module, self.modules))
        if getattr(self, name) is None:
            return None
        if name == "latency":
            return None if self.throughput is None else self.throughput.by_module().get(module, 0)
        return int(getattr(row, name))

    @property
    def accuracies(self) -> dict[str, Accuracy]:
        """How far off the estimates are, by metric; without those of which nobody knows."""
        known = {"latency": self.throughput, "footprint": self.device_memory}
        return {
            name: found.accuracy for name, found in known.items() if found is not None and found.accuracy is not None
        }

    def table(self, depth: int = 2) -> str:
        """The cost of every module down to ``depth`` levels, as text."""
        return module_table(self.modules, depth)

    def __str__(self) -> str:
        """What it is of, the totals, and `table`: what ``print`` shows."""
        return f"{self._head()}\n\n{self.table()}"

    def _repr_html_(self) -> str:
        """The same as HTML, for notebooks."""
        return f"<p>{'<br>'.join(map(escape, self._head().splitlines()))}</p>{module_html(self.modules)}"

    def _head(self) -> str:
        totals = [
            f"{metric.label} {show(value, metric.name)}"
            for metric in all_metrics()
            if (metric.headline or metric.estimate) and (value := self.metric(metric.name)) is not None
        ]
        unknown = [f"not counted: {', '.join(map(one_line, sorted(self.uncounted)))}"] if self.uncounted else []
        where = f"{one_line(self.model)} at {self.point}. {CONVENTIONS[self.convention]}"
        return "\n".join([where, ", ".join(totals), *unknown, *map(one_line, self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; `from_dict` reads it back."""
        data = {name: value for name, value in vars(self).items() if name != "lines"}
        data["point"] = self.point.to_dict()
        data["notes"] = list(self.notes)
        data["peak"] = self.peak.to_dict() if self.peak is not None else None
        data["measured"] = self.measured.to_dict() if self.measured is not None else None
        data["uncounted"] = dict(self.uncounted)
        data["uncounted_in"] = {name: list(where) for name, where in self.uncounted_in.items()}
        data["modules"] = [row.to_dict() for row in self.modules.values()]
        data["operators"] = self.by_operator()
        data["throughput"] = self.throughput.to_dict() if self.throughput is not None else None
        data["collectives"] = [one.to_dict() for one in self.collectives]
        data["device_memory"] = self.device_memory.to_dict() if self.device_memory is not None else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cost:
        """Read what `to_dict` wrote. Raises `UsageError` when it is something else."""
        try:
            fields = dict(data)
            fields["point"] = OperatingPoint.from_dict(fields["point"])
            fields["notes"] = tuple(fields["notes"])
            fields["peak"] = Peak(**fields["peak"]) if fields["peak"] is not None else None
            fields["measured"] = Measured(**fields["measured"]) if fields["measured"] is not None else None
            fields["uncounted_in"] = {name: tuple(where) for name, where in fields["uncounted_in"].items()}
            fields["modules"] = {row["name"]: ModuleCost(**row) for row in fields["modules"]}
            fields["collectives"] = tuple(Collective(**one) for one in fields["collectives"])
            if fields["throughput"] is not None:
                fields["throughput"] = Throughput.from_dict(fields["throughput"])
            if fields["device_memory"] is not None:
                fields["device_memory"] = Footprint.from_dict(fields["device_memory"])
            return cls(**fields)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UsageError(f"This is not a cost as Cost.to_dict() writes it: {error}") from error


def _no_such_module(module: str, modules: Mapping[str, ModuleCost]) -> str:
    top = [name for name in modules if name and "." not in name]
    has = f"Its modules: {', '.join(top[:20])}{', ...' if len(top) > 20 else ''}." if top else "It has no submodules."
    return f"module={module!r} is not in the model.{nearest(module, modules)} {has}"
