"""pytest-modelbudget: a test says what a model may cost, and the build fails when it costs more.

Importing this package imports neither torch nor pytest; each name is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .counting.measure import measure
    from .errors import BudgetError, ModelError, TargetError, UsageError
    from .grids.fit import Fit, fit
    from .grids.sweep import Sweep, sweep
    from .values.cost import Cost, ModuleCost

__all__ = [
    "BudgetError",
    "Cost",
    "Fit",
    "ModelError",
    "ModuleCost",
    "Sweep",
    "TargetError",
    "UsageError",
    "__version__",
    "budget",
    "fit",
    "measure",
    "sweep",
]

_WHERE = {
    "measure": "counting.measure",
    "fit": "grids.fit",
    "Fit": "grids.fit",
    "sweep": "grids.sweep",
    "Sweep": "grids.sweep",
    "Cost": "values.cost",
    "ModuleCost": "values.cost",
    "BudgetError": "errors",
    "ModelError": "errors",
    "TargetError": "errors",
    "UsageError": "errors",
}


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
