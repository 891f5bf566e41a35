"""A whole run as one value: what every report is rendered from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._version import __version__
from ..errors import BudgetError
from .entry import Entry
from .result import Result
from .rows import ModuleRow

SCHEMA = 2
"""The schema of JSON reports this version writes, and the only one it reads; see docs/report-schema.md."""


class ReportError(BudgetError):
    """A file that is no JSON report: the file and line, what is there, what is allowed."""


@dataclass(frozen=True)
class Report:
    """The results of a run, in the order they came, and what they were counted with.

    ``before`` has, for the entries that differ from their baseline, the baseline's module rows.
    """

    plugin_version: str
    torch_version: str
    convention: str
    results: tuple[Result, ...] = ()
    before: Mapping[str, tuple[ModuleRow, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Iterable[Result], baseline: Mapping[str, Entry] | None = None) -> Report:
        """A report on these results, compared with these entries. Different versions are all named."""
        results = tuple(results)
        changed = [r.entry for r in results if r.comparison is not None and r.comparison.status == "changed"]
        return cls(
            plugin_version=__version__,
            torch_version=", ".join(sorted({result.cost.torch_version for result in results})),
            convention=", ".join(sorted({result.cost.convention for result in results})),
            results=results,
            before={name: baseline[name].modules for name in changed if name in baseline} if baseline else {},
        )
