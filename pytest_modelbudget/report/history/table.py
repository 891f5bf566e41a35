"""The history of a baseline as a table."""

from __future__ import annotations

from collections.abc import Sequence

from ...baseline.history import History, Step
from ...text import units
from ...text.line import shown
from ...text.tables import plain_table
from ...values.metrics import show, title_of
from .steps import steps_of


def history_table(history: History, metric: str, names: Sequence[str]) -> str:
    """A row for each entry that a commit changed, oldest first. Raises `UsageError` where none has the metric."""
    rows, shown_before = [], None
    for step in steps_of(history, metric, names):
        state = step.state
        first = state is not shown_before
        commit = [state.date or "-", state.sha[:10] or "-"] if first else ["", ""]
        value = "-" if step.value is None else show(step.value, metric)
        subject = shown(state.subject, 60) if first else ""
        rows.append([*commit, shown(step.entry) or "-", value, _said(step), subject])
        shown_before = state
    table = plain_table(rows, ["date", "commit", "entry", title_of(metric), "since before", "subject"], right=(3,))
    return f"{table}\n\n{history.cut}" if history.cut else table


def _said(step: Step) -> str:
    """What a step did, in words."""
    if not step.entry:
        return shown(step.said, 200)
    moved = units.change(step.value, step.before) if step.value is not None and step.before is not None else ""
    if moved == "+0 %":
        moved = "the same"
    before = {"first": "", "new": "new", "back": f"back, {moved}", "changed": moved, "gone": "gone"}
    word = before.get(step.what, f"{step.what}:")
    glue = " " if word.endswith(":") else ", "
    return glue.join(text for text in (word, shown(step.said, 200)) if text)
