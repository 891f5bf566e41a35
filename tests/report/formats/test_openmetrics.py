"""OpenMetrics text: valid by a parser, whole numbers, a stable order, and readable by what GitLab does with it."""

from __future__ import annotations

import random
import re
import shlex
from dataclasses import replace

import report_samples as samples
from golden_files import check_golden
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from pytest_modelbudget.report.formats.openmetrics import render as to_openmetrics
from pytest_modelbudget.values.run import Report

TEXT = to_openmetrics(samples.REPORT)
G, M = samples.G, samples.M


def parsed(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(name: str, entry: str) -> float:
    (found,) = [s.value for s in parsed(TEXT) if s.name == name and s.labels.get("entry") == entry]
    return float(found)


def test_golden() -> None:
    check_golden("report.txt", TEXT)


def test_values() -> None:
    net = samples.OVER.entry
    assert value("modelbudget_flops", net) == 20 * G
    assert value("modelbudget_flops_limit", net) == 8 * G
    assert value("modelbudget_params", net) == 30 * M
    assert value("modelbudget_weights_bytes", net) == 120 * M  # 4 bytes a parameter
    assert value("modelbudget_passed", net) == 0
    assert value("modelbudget_passed", samples.SAME.entry) == 1


def test_labels() -> None:
    (flops,) = [s for s in parsed(TEXT) if s.name == "modelbudget_flops" and s.labels["entry"] == samples.OVER.entry]
    assert flops.labels == {
        "entry": "tests/test_cost.py::test_net",
        "point": "batch 1, res 448, infer",
        "convention": "fvcore",
    }


def test_what_depends_on_the_convention_names_it() -> None:
    """FLOPs of the passes, too; a parameter is one in any convention."""
    judged = tuple(
        samples.Judged(name, 1, 2) for name in ("flops", "forward_flops", "backward_flops", "macs", "params")
    )
    passes = replace(samples.NEW, verdict=samples.Verdict(judged))
    found = parsed(to_openmetrics(replace(samples.REPORT, results=(passes,))))
    named = {s.name.removeprefix("modelbudget_") for s in found if s.labels.get("convention") == "fvcore"}
    both = {"flops", "forward_flops", "backward_flops"}
    assert named == both | {f"{name}_limit" for name in both} | {"report_info"}


def test_families() -> None:
    families = {family.name: family for family in text_string_to_metric_families(TEXT)}
    assert families["modelbudget_weights_bytes"].unit == "bytes"
    assert families["modelbudget_flops"].unit == ""
    assert families["modelbudget_report"].type == "info"
    assert {family.type for name, family in families.items() if name != "modelbudget_report"} == {"gauge"}
    assert all(family.documentation for family in families.values())


def test_empty() -> None:
    assert [sample.name for sample in parsed(to_openmetrics(samples.EMPTY))] == ["modelbudget_report_info"]


def test_numbers_are_plain_integers() -> None:
    """GitLab compares values as text: no exponents, no decimals; large ones keep every digit."""
    large = replace(samples.NEW, verdict=samples.Verdict((samples.Judged("flops", 123456789012345678901, None),)))
    text = to_openmetrics(Report("1", "2", "fvcore", (*samples.RESULTS, large)))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"\S.* (0|[1-9][0-9]*)", line) for line in lines)
    assert any(line.endswith(" 123456789012345678901") for line in lines)


def test_the_order_does_not_depend_on_the_run() -> None:
    shuffled = list(samples.RESULTS)
    random.Random(7).shuffle(shuffled)
    assert to_openmetrics(replace(samples.REPORT, results=tuple(shuffled))) == TEXT


def test_entries_of_one_name_stay_apart() -> None:
    twins = Report("1", "2", "fvcore", (samples.NEW, samples.NEW, samples.NEW))
    numbers = [s.labels.get("number") for s in parsed(to_openmetrics(twins)) if s.name == "modelbudget_flops"]
    assert numbers == [None, "2", "3"]


def test_gitlab_reads_every_sample() -> None:
    """GitLab strips from ``#`` to the end of a line, then splits it as a shell does: a name, a value."""
    second = replace(samples.NEW, entry='tests/test_cost.py::test_new #2 with "quotes" and it\'s $HOME')
    text = to_openmetrics(replace(samples.REPORT, results=(*samples.RESULTS, second)))
    read = {}
    for line in text.splitlines():
        words = shlex.split(re.sub("#.*$", "", line))
        if words:
            name, number = words
            read[name] = number
    samples_there = sum(not line.startswith("#") for line in text.splitlines())
    assert len(read) == samples_there
    assert read["modelbudget_params{entry=tests/test_cost.py::test_net,point=batch 1, res 448, infer}"] == "30000000"
