"""An entry: what one model costs at one operating point, with how it was counted, as a baseline keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._version import __version__
from .cost import Cost
from .frozen import freeze
from .metrics import metric_names
from .peak import Peak
from .point import OperatingPoint
from .rows import ModuleRow, rows_of

BASELINE = "modelbudget.json"
"""The name of the file that entries are kept in, where no other is given."""


@dataclass(frozen=True)
class Entry:
    """What one model costs at one operating point, and how that was counted.

    ``totals`` are by metric, and of the submodule ``module`` where the entry is about one. ``modules`` begins with
    that submodule, or the model. ``peak`` says when the memory of the whole model was highest, and what for; it is
    ``None`` where memory was not measured.
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
    peak: Peak | None = None

    def __post_init__(self) -> None:
        """Nothing in an entry changes."""
        freeze(self, "totals")

    @classmethod
    def of(cls, cost: Cost, name: str, *, test: str = "", module: str = "", plugin_version: str = __version__) -> Entry:
        """The entry of a cost, or of its submodule ``module``, with the rows of all modules.

        Raises `UsageError` where ``module`` is not in the model.
        """
        found = {metric: cost.metric(metric, module) for metric in metric_names(recorded=True)}
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
            modules=rows_of(cost.modules, module),
            peak=replace(cost.peak, module="", kept={}) if cost.peak is not None else None,
        )

    @property
    def counted_with(self) -> str:
        """The versions that counted it, in words."""
        return f"pytest-modelbudget {self.plugin_version} and torch {self.torch_version}"
