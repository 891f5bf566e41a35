"""Two files of costs side by side, as text, Markdown, JSON and annotations."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal

from ..baseline.diff import Difference
from ..text import units
from ..text.line import shown
from ..text.tables import plain_table
from ..values.growth import Factor, Growth
from ..values.metrics import metric_names, show, show_apart, title_of
from .github import command
from .growth import biggest_first, changes_table, described, difference, named, rows_metric, times
from .markdown import MARKER, code

_NOTHING = Decimal(0)


def diff_text(differences: Sequence[Difference], *, fail_on: Decimal | None = None, most: int = 10) -> str:
    """What became of how many entries, a row for each that is not the same, and what is known of why."""
    listed, metrics = _listed(differences), _columns(differences, fail_on)
    parts = [sentence(differences, fail_on)]
    if listed:
        rows = [[shown(d.name), _word(d, fail_on), *(_cell(d, metric) for metric in metrics)] for d in listed]
        parts.append(plain_table(rows, ["entry", "", *(title_of(metric) for metric in metrics)]))
    for d in listed:
        lines = _explained(d, most)
        if lines:
            parts.append("\n".join([shown(d.name), *(f"    {line}".rstrip() for line in lines)]))
    return "\n\n".join(parts)


def sentence(differences: Sequence[Difference], fail_on: Decimal | None) -> str:
    """``2 entries changed, 1 new, 3 the same. 1 grew by more than 1 %.``"""
    if not differences:
        return "Neither file has an entry."
    found = [difference.status for difference in differences]
    counted = [(found.count(status), words) for status, words in _COUNTED.items() if status in found]
    first, *rest = [f"{number} {words}" for number, words in counted]
    number, _, words = first.partition(" ")
    text = f"{', '.join([f'{number} {_entries(int(number))} {words}', *rest])}."
    if fail_on is None:
        return text
    over = sum(bool(difference.beyond(fail_on)) for difference in differences)
    return f"{text} {over or 'None'} grew by more than {fail_on:f} %."


_COUNTED = {
    "changed": "changed",
    "not comparable": "not comparable",
    "new": "new",
    "gone": "gone",
    "rebuilt": "rebuilt at the same cost",
    "same": "the same",
}


def _entries(number: int) -> str:
    return "entry" if number == 1 else "entries"


def _listed(differences: Iterable[Difference]) -> list[Difference]:
    return [difference for difference in differences if difference.status != "same"]


def _word(d: Difference, fail_on: Decimal | None) -> str:
    if d.status != "changed":
        return d.status
    if fail_on is not None and d.beyond(fail_on):
        return f"grew by more than {fail_on:f} %"
    return "grew" if d.grew else "shrank" if d.changes else "moved"


def _columns(differences: Iterable[Difference], fail_on: Decimal | None) -> list[str]:
    """FLOPs, parameters, memory where it is known, and whatever else an entry would not be understood without."""
    wanted = {"flops", "params"}
    for d in _listed(differences):
        wanted |= {"memory"} & set(d.metrics)
        for telling in (d.changes, d.beyond(_NOTHING), d.beyond(fail_on or _NOTHING)):
            if telling and not wanted & set(telling):
                wanted.add(next(iter(telling)))
    return [metric for metric in metric_names(recorded=True) if metric in wanted]


def _cell(d: Difference, metric: str) -> str:
    was, now = d.metrics.get(metric, (None, None))
    if was is None or now is None:
        one = was if was is not None else now
        return "-" if one is None else show(one, metric)
    if was == now:
        return show(now, metric)
    before, after = show_apart(was, now, metric)
    if d.status == "not comparable":
        return f"{before} before, {after} now"
    return f"{before} -> {after}" + (f" ({units.change(now, was)})" if was else "")


def _explained(d: Difference, most: int) -> list[str]:
    """Why an entry is not what it was, or why that cannot be told."""
    if d.status == "not comparable":
        return [shown(d.reason, 400)]
    if d.status not in ("changed", "rebuilt") or d.new is None:
        return []
    growth, between, point = d.growth, d.moved, shown(str(d.new.entry.point))
    if growth is None:
        return [*_moved(d), "Not told by module: only pytest counts the new model as the old one was counted."]
    lines = _moved(d)
    total = f"{growth.metric} {_ratio(growth.before, growth.after, growth.metric)}"
    if between and growth.factors:
        lines.append(f"{total} = {' * '.join(_factor(factor, growth.metric) for factor in growth.factors)}")
    elif growth.factors:
        lines.append(f"{total} by the architecture alone: both at {point}")
    elif growth.before != growth.after:
        lines.append(total)
    lines += [f"note: {shown(growth.note, 400)}"] if growth.note else []
    table = changes_table(growth, most=most) if most else []
    if growth.modules and between and d.old is not None:
        lines.append(f"modules that changed, at {shown(str(d.old.entry.point))}:")
    return lines + table


def _moved(d: Difference) -> list[str]:
    """Where each side was counted, if that is not the same."""
    between = d.moved
    if between is None or d.old is None or d.new is None:
        return []
    what = "inputs" if d.old.entry.point == d.new.entry.point else "operating point"
    return [f"{what}: {shown(between[0])} -> {shown(between[1])}"]


def _factor(factor: Factor, metric: str) -> str:
    became = f" ({shown(factor.was)} -> {shown(factor.now)})" if factor.was != factor.now else ""
    return f"{shown(factor.name)} {_ratio(factor.before, factor.after, metric)}{became}"


def _ratio(before: int, after: int, metric: str) -> str:
    if before or not after:
        return times(Factor("", before, after).ratio)
    return f"0 -> {show(after, metric)}"


def diff_json(differences: Sequence[Difference], *, fail_on: Decimal | None = None) -> str:
    """Every entry, with its metrics before and after; ``beyond`` has those that ``fail_on`` is about."""
    data = {
        "format": "modelbudget-diff",
        "schema": 1,
        "fail_on": f"{fail_on:f}" if fail_on is not None else None,
        "passed": fail_on is None or not any(d.beyond(fail_on) for d in differences),
        "entries": [_plain(d, fail_on) for d in differences],
    }
    return json.dumps(data, indent=1).replace("##[", "\\u0023#[")  # GitHub takes that for a command in any line


def _plain(d: Difference, fail_on: Decimal | None) -> dict[str, object]:
    sides = {"before": d.old, "after": d.new}
    return {
        "entry": d.name,
        "status": d.status,
        "reason": d.reason,
        "points": {name: side.entry.point.to_dict() if side is not None else None for name, side in sides.items()},
        "inputs": {name: side.entry.inputs if side is not None else None for name, side in sides.items()},
        "metrics": {metric: {"before": was, "after": now} for metric, (was, now) in d.metrics.items()},
        "beyond": list(d.beyond(fail_on)) if fail_on is not None else [],
        "growth": _plain_growth(d.growth) if d.growth is not None else None,
    }


def _plain_growth(growth: Growth) -> dict[str, object]:
    factors, modules = [vars(factor) for factor in growth.factors], [vars(change) for change in growth.modules]
    return {**vars(growth), "factors": factors, "modules": modules}


def diff_markdown(differences: Sequence[Difference], *, fail_on: Decimal | None = None, limit: int = 60_000) -> str:
    """The text for a pull request, within ``limit`` bytes: a table, growth first, and folded below it why.

    What does not fit is left out from the end, whole, and counted.
    """
    listed, metrics = _listed(differences), _columns(differences, fail_on)
    titles = ["", "entry", *(title_of(metric) for metric in metrics)]
    head = [MARKER, "### Model budgets", "", f"**{sentence(differences, fail_on)}**", ""]
    if listed:
        head += [_row(titles), _row(["---", "---", *("--:" for _ in metrics)])]
    left = limit - len("\n".join(head).encode()) - len(_LEFT_OUT) - 100
    rows, left = _fitting([_markdown_row(d, metrics, fail_on) for d in listed], left)
    sections, _ = _fitting([section for d in listed if (section := _section(d))], left)
    explained = sum(bool(_explained(d, most=10)) for d in listed)
    lines = [*head, *rows, *([""] if rows else []), *sections]
    if len(rows) < len(listed) or len(sections) < explained:
        lines += [_LEFT_OUT.format(limit, len(listed) - len(rows), explained - len(sections)), ""]
    return "\n".join(lines)


_LEFT_OUT = "Left out, to stay within {} bytes: {} entries and {} explanations."


def _fitting(texts: Iterable[str], left: int) -> tuple[list[str], int]:
    """The first of the texts that there is room for, and the room that is left."""
    kept = []
    for text in texts:
        left -= len(text.encode()) + 1
        if left < 0:
            break
        kept.append(text)
    return kept, left


def _markdown_row(d: Difference, metrics: Iterable[str], fail_on: Decimal | None) -> str:
    word = _word(d, fail_on)
    over = fail_on is not None and bool(d.beyond(fail_on))
    return _row([f"**{word}**" if over else word, code(d.name), *(_cell(d, metric) for metric in metrics)])


def _row(texts: Iterable[str]) -> str:
    escaped = (text.replace("|", "\\|") for text in texts)  # also inside code: that is how tables are read
    return f"| {' | '.join(escaped)} |"


def _section(d: Difference) -> str:
    body = "\n".join(_explained(d, most=10))  # a name begins none of its lines, so none ends the block of code
    if not body:
        return ""
    title = f"<code>{html.escape(shown(d.name))}</code>"
    return f"<details><summary>{title}</summary>\n\n```text\n{body}\n```\n\n</details>\n"


def diff_annotations(differences: Sequence[Difference], *, fail_on: Decimal | None = None, most: int = 10) -> str:
    """``::error`` for entries beyond ``fail_on``, ``::warning`` for others that grew or cannot be compared.

    GitHub shows ten a step, so the last one says how many more there are. Then the sentence, for the log.
    """
    told = [d for d in differences if d.grew or d.status == "not comparable"]
    lines = []
    for number, d in enumerate(told[:most], start=1):
        over = fail_on is not None and bool(d.beyond(fail_on))
        message = _message(d, fail_on)
        if number == most and len(told) > most:
            message.append(f"{len(told) - most} more entries are not annotated.")
        place = {**_place(d), "title": shown(f"Model budget: {d.name}")}
        lines.append(command("error" if over else "warning", place, "\n".join(line for line in message if line)))
    return "\n".join([*lines, sentence(differences, fail_on)])


def _message(d: Difference, fail_on: Decimal | None) -> list[str]:
    """What an annotation says, which has no columns: what changed, why, and the three modules that changed most."""
    cells = [f"{metric} {_cell(d, metric)}" for metric in _columns([d], fail_on) if metric in d.changes]
    lines, growth = [", ".join(cells), *_explained(d, most=0)], d.growth
    if growth is not None:
        metric = rows_metric(growth)
        for change in biggest_first(growth)[:3]:
            place = f", {shown(change.source)}" if change.source else ""
            by = f"{metric} {difference(change, metric)}{place}"
            lines.append(f"{change.status} {named(change)}: {described(change)}, {by}")
    return lines


def _place(d: Difference) -> dict[str, str]:
    if d.new is None:
        return {}
    if d.new.result is not None:
        return {"file": shown(d.new.result.path, 400), "line": str(d.new.result.line)}
    return {"file": shown(d.new.entry.test.split("::")[0], 400)}


DIFF_FORMATS = {"text": diff_text, "md": diff_markdown, "json": diff_json, "github": diff_annotations}
"""What ``modelbudget diff --format`` may name."""
