"""Results as Markdown. Times are ratios: seconds belong to one machine, and stand in results.json."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

OURS = "pytest-modelbudget"
_TIMES = {
    "cold_seconds": "Time of the first count in a process, importing the counter and building the model included",
    "built_seconds": "Time to build and count, warm",
    "counted_seconds": "Time to count alone, warm, nothing remembered",
}


def document(results: dict[str, Any]) -> str:
    """All parts that were measured."""
    parts = ["# The comparison", "Made by `make benchmark`."]
    if "comparison" in results:
        parts += [_conditions(results["comparison"]), *_comparison(results["comparison"]["rows"])]
    if "growth" in results:
        parts += ["## Growth with batch and resolution: ResNet-50", *_growth(results["growth"]["rows"])]
        parts += [_conditions(results["growth"])]
    if "goals" in results:
        parts += ["## Speed goals", goals_table(results["goals"]["rows"]), _conditions(results["goals"])]
    return "\n\n".join(parts) + "\n"


def _conditions(part: dict[str, Any]) -> str:
    machine = part["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    load = "" if machine["load"] is None else f" Load when it began: {machine['load']:.1f}."
    quick = " A quick run: one sample each." if part["quick"] else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, threads: {machine['threads']}, {machine['system']}, "
        f"Python {machine['python']}; {versions}.{load}{quick}"
    )


def _comparison(rows: list[dict[str, Any]]) -> list[str]:
    parts = [
        "## Who is right",
        "Multiply-adds in billions, and how far they are from the truth by hand. fvcore, thop and ptflops' pytorch "
        "backend count norms as well, so they stand a little above it.",
    ]
    parts.append(_grid(rows, _value, truth=True))
    for field, title in _TIMES.items():
        parts += [
            f"## {title}",
            f"As a multiple of {OURS}'s, which is 1.",
            _grid(rows, lambda r, f=field: _ratio(rows, r, f)),
        ]
    parts += ["## Peak process memory", "Above what the process held before; the libraries are in neither. In MiB.",
              _grid(rows, _memory)]  # fmt: skip
    errors = [f"- {row['counter']} on {row['model']}: {one_line(row['error'])}" for row in rows if row["error"]]
    return [*parts, "## What failed", "\n".join(errors) or "Nothing."]


def _grid(rows: list[dict[str, Any]], cell: Any, *, truth: bool = False) -> str:
    names = list(dict.fromkeys(row["model"] for row in rows))
    lines = [["by hand", *(f"{_of(rows, name, OURS)['truth'] / 1e9:.3f}" for name in names)]] if truth else []
    for counter in dict.fromkeys(row["counter"] for row in rows):
        lines.append([counter, *(cell(_of(rows, name, counter)) for name in names)])
    return _table(["", *names], lines)


def _of(rows: list[dict[str, Any]], model: str, counter: str) -> dict[str, Any]:
    return next(row for row in rows if (row["model"], row["counter"]) == (model, counter))


def _value(row: dict[str, Any]) -> str:
    if row.get("macs") is None:
        return "fails"
    difference = row["difference"]
    return f"{row['macs'] / 1e9:.3f} ({'exact' if difference == 0 else f'{difference:+.1%}'})"


def _ratio(rows: list[dict[str, Any]], row: dict[str, Any], field: str) -> str:
    ours, theirs = _of(rows, row["model"], OURS).get(field), row.get(field)
    return f"{theirs / ours:.3g}x" if ours and theirs else "fails"


def _memory(row: dict[str, Any]) -> str:
    return f"{(row['peak_bytes'] - row['before_bytes']) / 2**20:.0f}" if row["peak_bytes"] else "not known"


def _growth(rows: list[dict[str, Any]]) -> list[str]:
    parts = []
    for axis in ("batch", "res"):
        values = list(dict.fromkeys(row["value"] for row in rows if row["axis"] == axis))
        lines = []
        for counter in dict.fromkeys(row["counter"] for row in rows):
            mine = [row for row in rows if (row["axis"], row["counter"]) == (axis, counter)]
            first = mine[0].get("counted")
            lines.append(
                [counter, *(f"{r['counted'] / first:.2f}x" if first and "counted" in r else "fails" for r in mine)]
            )
        parts += [f"Time to count, as a multiple of that at the first {axis}:", _table([axis, *values], lines)]
    return parts


def goals_table(rows: list[dict[str, Any]]) -> str:
    """Goal, measured, met."""
    lines = []
    for row in rows:
        measured = "failed: " + one_line(row["error"] or "") if row["measured"] is None else f"{row['measured']:.3g}"
        each = ", ".join(f"{name} {value:.3g}" for name, value in row["each"].items())
        lines.append(
            [row["goal"], f"{row['wanted']:.3g} {row['unit']}", measured, each, "met" if row["met"] else "NOT met"]
        )
    return _table(["", "goal", "measured", "each", ""], lines)


def plugin(part: dict[str, Any]) -> str:
    """The plugin's own weight, and where its time goes."""
    rows = part["rows"]
    lines = [[name, value if isinstance(value, str) else f"{value:.3g}"] for name, value in rows["figures"].items()]
    shares = [[name, f"{share:.1%}"] for name, share in rows["shares"].items()]
    slowest = [[name, f"{share:.1%}"] for name, share in rows["slowest"]]
    return "\n\n".join([
        "# The plugin's own weight", "Made by `make benchmark`.", _conditions(part), _table(["", ""], lines),
        f"## Where the time of {rows['entries']} measured entries with three reports goes",
        _table(["in", "share"], shares),
        "The functions of this package in which most of it passes, what they call included:",
        _table(["function", "share"], slowest),
    ]) + "\n"  # fmt: skip


def one_line(text: str, most: int = 160) -> str:
    """The text on one line, cut, with nothing in it that breaks a table."""
    line = " ".join(text.split()).replace("|", "/")
    return line if len(line) <= most else line[:most] + " ..."


def _table(headers: list[Any], lines: list[list[Any]]) -> str:
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)
