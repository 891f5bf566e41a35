"""pytest-modelbudget: a test says what a model may cost, and the build fails when it costs more.

Importing this package imports neither torch nor pytest; each name is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from pytest import MarkDecorator
    from typing_extensions import Unpack

    from .counting.measure import measure
    from .errors import BudgetError, ModelError, TargetError, UsageError
    from .grids.cell import Cell
    from .grids.cells import Sweep
    from .grids.fit import Fit, fit
    from .grids.fitting import Fitting
    from .grids.sweep import sweep
    from .targets.found import FoundTarget
    from .values.arguments import BudgetArguments
    from .values.cost import Cost, ModuleCost
    from .values.footprint import Footprint
    from .values.input_tensor import tensor
    from .values.peak import Measured, Peak
    from .values.point import OperatingPoint
    from .values.throughput import Throughput, batch_that_pays
    from .values.work import Products, Work

    def budget(**arguments: Unpack[BudgetArguments]) -> MarkDecorator:
        """The marker ``pytest.mark.budget``: what the model of a test may cost."""


_WHERE = {
    "measure": "counting.measure",
    "fit": "grids.fit",
    "Fit": "grids.fit",
    "Fitting": "grids.fitting",
    "sweep": "grids.sweep",
    "Sweep": "grids.cells",
    "Cell": "grids.cell",
    "FoundTarget": "targets.found",
    "Cost": "values.cost",
    "ModuleCost": "values.cost",
    "Measured": "values.peak",
    "Peak": "values.peak",
    "OperatingPoint": "values.point",
    "tensor": "values.input_tensor",
    "Throughput": "values.throughput",
    "Products": "values.work",
    "Work": "values.work",
    "Footprint": "values.footprint",
    "batch_that_pays": "values.throughput",
    "BudgetError": "errors",
    "ModelError": "errors",
    "TargetError": "errors",
    "UsageError": "errors",
}
"""The public names, and the file that each is loaded from when it is used."""

__all__ = [
    "BudgetError",
    "Cell",
    "Cost",
    "Fit",
    "Fitting",
    "Footprint",
    "FoundTarget",
    "Measured",
    "ModelError",
    "ModuleCost",
    "OperatingPoint",
    "Peak",
    "Products",
    "Sweep",
    "TargetError",
    "Throughput",
    "UsageError",
    "Work",
    "__version__",
    "batch_that_pays",
    "budget",
    "fit",
    "measure",
    "sweep",
    "tensor",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "budget":
        import pytest

        return pytest.mark.budget
    if name in _WHERE:
        from importlib import import_module

        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
