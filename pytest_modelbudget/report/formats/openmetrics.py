"""A run as OpenMetrics text, for GitLab's metrics reports and for anything that reads Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...text.line import shown
from ...values.metrics import all_metrics
from ...values.result import Result
from ...values.run import Report


def render(report: Report) -> str:
    """Whole numbers only, in a stable order: GitLab compares the values as text."""
    results = sorted(report.results, key=lambda result: (result.entry, result.nodeid, str(result.cost.point)))
    labels = list(_labels(results))
    lines = []
    versions = {"version": report.plugin_version, "torch": report.torch_version, "convention": report.convention}
    lines += _family("modelbudget_report", "info", "What the numbers were counted with.")
    lines.append(_sample("modelbudget_report_info", versions, 1))
    for metric in all_metrics():
        used, limits = [], []
        for result, own in zip(results, labels, strict=True):
            if metric.by_convention:
                own = {**own, "convention": result.cost.convention}
            if metric.estimate and result.cost.throughput is not None:
                own = {**own, "device": result.cost.throughput.device}
            for judged in (judged for judged in result.verdict.judged if judged.metric == metric.name):
                used.append((own, judged.used))
                if judged.limit is not None:
                    limits.append((own, judged.limit))
        for suffix, prefix, samples in (("", "", used), ("_limit", "The budget. ", limits)):
            if samples:
                unit = metric.unit.name
                name = f"modelbudget_{metric.label.replace(' ', '_')}{suffix}" + (f"_{unit}" if unit else "")
                lines += _family(name, "gauge", prefix + metric.help, unit)
                lines += [_sample(name, own, value) for own, value in samples]
    if results:
        lines += _family("modelbudget_passed", "gauge", "1 for an entry within its budget and baseline, 0 for others.")
        lines += [
            _sample("modelbudget_passed", own, int(result.verdict.passed))
            for result, own in zip(results, labels, strict=True)
        ]
    return "\n".join([*lines, "# EOF", ""])


def _labels(results: list[Result]) -> Iterator[dict[str, str]]:
    """Labels that are different for each result: entries of one name get numbers."""
    seen: dict[tuple[str, str], int] = {}
    for result in results:
        labels = {"entry": result.entry, "point": str(result.cost.point)}
        key = _escape(labels["entry"]), labels["point"]
        seen[key] = seen.get(key, 0) + 1
        yield labels if seen[key] == 1 else {**labels, "number": str(seen[key])}


def _family(name: str, kind: str, text: str, unit: str = "") -> list[str]:
    return [f"# TYPE {name} {kind}", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {text}"]


def _sample(name: str, labels: Mapping[str, str], value: int) -> str:
    return f"{name}{{{','.join(f'{label}={_escape(text)}' for label, text in labels.items())}}} {value}"


def _escape(text: str) -> str:
    """A label's value in quotes, on one line. GitLab takes ``#`` for the start of a comment even there."""
    escaped = shown(text, 400).replace("#", "\\x23").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
