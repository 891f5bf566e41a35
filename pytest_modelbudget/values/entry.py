"""An entry: what one model costs at one operating point, with how it was counted, as a baseline keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._version import __version__
from .cost import Cost
from .frozen import freeze
from .metrics import metric_names
from .point import OperatingPoint

BASELINE = "modelbudget.json"
"""The name of the file that entries are kept in, where no other is given."""


@dataclass(frozen=True)
class ModuleRow:
    """A module with everything below it."""

    name: str
    kind: str
    config: str
    flops: int
    macs: int
    params: int
    activations: int


@dataclass(frozen=True)
class Entry:
    """What one model costs at one operating point, and how that was counted.

    ``totals`` are by metric, and of the submodule ``module`` where the entry is about one. ``modules`` begins with
    that submodule, or the model; of every module it has all children or none.
    """

    name: str
    test: str
    model: str
    point: OperatingPoint
    inputs: str
    module: str
    convention: str
    counter: str
    executed: str
    plugin_version: str
    torch_version: str
    totals: Mapping[str, int]
    modules: tuple[ModuleRow, ...]

    def __post_init__(self) -> None:
        """Nothing in an entry changes."""
        freeze(self, "totals")

    @classmethod
    def of(cls, cost: Cost, name: str, *, test: str = "", module: str = "", plugin_version: str = __version__) -> Entry:
        """The entry of a cost, or of its submodule ``module``, with a row for every module.

        Raises `UsageError` where ``module`` is not in the model.
        """
        found = {metric: cost.metric(metric, module) for metric in metric_names(recorded=True)}
        below = f"{module}." if module else ""
        rows = (row for name, row in cost.modules.items() if name == module or name.startswith(below))
        return cls(
            name=name,
            test=test,
            model=cost.model,
            point=cost.point,
            inputs=cost.inputs,
            module=module,
            convention=cost.convention,
            counter=cost.counter,
            executed=cost.executed,
            plugin_version=plugin_version,
            torch_version=cost.torch_version,
            totals={metric: value for metric, value in found.items() if value is not None},
            modules=tuple(
                ModuleRow(row.name, row.kind, row.config, **{m: getattr(row, m) for m in metric_names(in_rows=True)})
                for row in rows
            ),
        )

    @property
    def counted_with(self) -> str:
        """The versions that counted it, in words."""
        return f"pytest-modelbudget {self.plugin_version} and torch {self.torch_version}"
