"""Two baselines side by side, as text, Markdown, JSON and annotations."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from .. import units
from ..diff import Difference
from ..growth import Growth
from .github import command
from .growth import changes_table, times
from .markdown import MARKER, code
from .names import shown
from .tables import plain


def diff_text(differences: Sequence[Difference], *, most: int = 8) -> str:
    """One row an entry, then the changed modules of each that grew."""
    rows = [_row(d) for d in differences if d.status != "same"]
    same = sum(d.status == "same" for d in differences)
    parts = [plain(rows, ["entry", "", "FLOPs", "params", "memory"])] if rows else []
    parts.append(f"{same} unchanged" if same or not rows else "")
    for d in differences:
        if d.modules:
            growth = Growth("flops", *d.metrics["flops"], modules=d.modules)
            parts.append("\n".join([shown(d.name), *(f"    {line}" for line in changes_table(growth, most=most))]))
    return "\n\n".join(part for part in parts if part)


def _row(d: Difference) -> list[str]:
    note = f" ({shown(d.reason)})" if d.reason else ""
    return [shown(d.name), f"{d.status}{note}", *(_cell(d, metric) for metric in ("flops", "params", "memory"))]


def _cell(d: Difference, metric: str) -> str:
    if d.status in ("new", "gone"):
        entry = d.new or d.old
        value = entry.totals.get(metric) if entry is not None else None
        return "-" if value is None else units.show(value, metric)
    if metric not in d.metrics:
        return "-"
    before, after = d.metrics[metric]
    if before == after:
        return units.show(after, metric)
    was, now = units.show_apart(before, after, metric)
    ratio = f", {times(Fraction(after, before))}" if before else ""
    return f"{was} -> {now} ({units.change(after, before)}{ratio})" if d.status == "changed" else f"{was}, {now}"


def diff_json(differences: Sequence[Difference], *, fail_on: Decimal | None) -> str:
    """Every entry with its metrics before and after; ``exceeds`` says which ones ``fail_on`` is about."""
    data = [
        {
            "entry": d.name,
            "status": d.status,
            "reason": d.reason,
            "metrics": {metric: {"before": before, "after": after} for metric, (before, after) in d.metrics.items()},
            "modules": [vars(change) for change in d.modules],
            "exceeds": d.exceeds(fail_on) if fail_on is not None else False,
        }
        for d in differences
    ]
    return json.dumps({"format": "modelbudget-diff", "schema": 1, "entries": data}, indent=1)


def diff_markdown(differences: Sequence[Difference], *, limit: int = 60_000) -> str:
    """A table of what is not the same, growth first, within ``limit`` bytes; then how many are left out."""
    rows = [[*_row(d)] for d in differences if d.status != "same"]
    lines = [MARKER, "### Model budgets", "", _sentence(differences), ""]
    if rows:
        lines += ["| entry | | FLOPs | params | memory |", "| --- | --- | --: | --: | --: |"]
    room = limit - 400
    for number, (d, row) in enumerate(zip((d for d in differences if d.status != "same"), rows, strict=True)):
        texts = [code(d.name), html.escape(row[1], quote=False), *row[2:]]
        line = f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"
        room -= len(line.encode()) + 1
        if room < 0:
            lines.append(f"\nLeft out, to stay within {limit} bytes: {len(rows) - number} entries.")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _sentence(differences: Sequence[Difference]) -> str:
    words = ("changed", "not comparable", "new", "gone")
    found = [(sum(d.status == word for d in differences), word) for word in words]
    same = sum(d.status == "same" for d in differences)
    told = [f"{number} {word}" for number, word in found if number]
    return f"**{', '.join(told) or 'Nothing changed'}**, {same} unchanged."


def diff_annotations(differences: Sequence[Difference], *, fail_on: Decimal | None, most: int = 10) -> str:
    """``::error`` for entries beyond ``fail_on``, ``::warning`` for others that grew; ten, and how many more."""
    grown = [d for d in differences if d.grew]
    lines = []
    for d in grown[:most]:
        level = "error" if fail_on is not None and d.exceeds(fail_on) else "warning"
        file = d.new.test.split("::")[0] if d.new is not None else ""
        cells = ", ".join(f"{m} {_cell(d, m)}" for m in d.metrics if d.metrics[m][0] != d.metrics[m][1])
        lines.append(command(level, {"file": file, "title": f"Model budget: {d.name}"}, cells))
    if len(grown) > most:
        lines.append(command("notice", {}, f"{len(grown) - most} more entries grew"))
    return "".join(f"{line}\n" for line in lines)
