"""The history of a baseline as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import units
from ..errors import UsageError
from ..history import Commit
from .names import shown
from .tables import plain


def history_table(commits: Sequence[Commit], metric: str, entries: Sequence[str]) -> str:
    """One row a commit, one column an entry; a cell says by how much it moved since the commit before."""
    rows = []
    last: dict[str, int] = {}
    for commit in commits:
        cells = []
        for entry in entries:
            value = commit.totals.get(entry, {}).get(metric)
            if value is None:
                cells.append("-")
                last.pop(entry, None)
                continue
            before = last.get(entry, value)
            moved = f" ({units.change(value, before)})" if value != before else ""
            cells.append(units.show(value, metric) + moved)
            last[entry] = value
        note = f" [{shown(commit.problem)}]" if commit.problem else ""
        rows.append([commit.date, commit.sha[:10], *cells, shown(commit.subject, 50) + note])
    return plain(
        rows, ["date", "commit", *(shown(entry, 40) for entry in entries), ""], right=range(2, 2 + len(entries))
    )


def history_plot(commits: Sequence[Commit], metric: str, entries: Sequence[str], path: Path) -> None:
    """Draw each entry as a line over the commits, each relative to its first value. Raises `UsageError`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("--plot needs matplotlib: pip install pytest-modelbudget[plot]") from error
    if path.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--plot {path}: allowed are .png and .svg.")
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    labels = [f"{commit.date}\n{commit.sha[:7]}" for commit in commits]
    for entry in entries:
        values = [commit.totals.get(entry, {}).get(metric) for commit in commits]
        first = next((value for value in values if value), None)
        if first is not None:
            ratios = [value / first if value is not None else float("nan") for value in values]
            axes.plot(
                range(len(commits)),
                ratios,
                marker="o",
                label=_plain(f"{shown(entry, 50)} ({units.show(first, metric)})"),
            )
    axes.set_xticks(range(len(commits)), labels, fontsize=8, rotation=30, ha="right")
    axes.set_ylabel(f"{metric}, relative to the first commit")
    axes.set_title(f"{metric} by commit of the baseline")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"--plot {path}: cannot be written: {error.strerror or error}.") from error


def _plain(text: str) -> str:
    """A label in which nothing is mathematics."""
    return text.replace("$", r"\$")
