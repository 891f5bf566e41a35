"""A limit on predicted time, from the marker to every report: it says everywhere that it is an estimate.

The times in the golden message, by hand, of ``Net`` at 32 x 32 pixels on a T4 (320 bytes and 8100 FLOPs a nanosecond,
4 us a launch): seven calls, 28 us to launch. Each moves more than it computes. The stem: 3072 + 216 + 8 + 8192
elements of 4 bytes, 144 ns; each block's convolution 8192 + 576 + 8192, 212 ns, and its norm 8192 + 32 + 8192, 205 ns;
the mean 8192 + 8, 102.5 ns and so 103; the head 8 + 80 + 10 + 10, 1 ns. All 29082 ns: a block 8417, the stem 4144, the
head 4001.
"""

from __future__ import annotations

import json
import re

import pytest
from golden_files import check_golden
from suites import assert_clear, failure, outcomes
from testing.two_blocks import MODELS, run

from pytest_modelbudget import Cost, UsageError, budget, measure
from pytest_modelbudget.judging.budget import parse_budget
from pytest_modelbudget.judging.judge import judge
from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.report.parts.prediction import prediction
from pytest_modelbudget.text.units import per_second
from pytest_modelbudget.values import calibration
from pytest_modelbudget.values.fits import Calibration
from pytest_modelbudget.values.metrics import parse_limit, show, show_limit
from pytest_modelbudget.values.run import ReportError
from pytest_modelbudget.values.throughput import Throughput


@pytest.fixture(autouse=True)
def uncalibrated(monkeypatch):
    """No card was measured, so that times are those of a roofline, by hand."""
    monkeypatch.setattr(calibration, "packaged", lambda: Calibration("", (), ()))


OVER = '@budget(latency="25us", device="T4", res=32)\ndef test_it():\n    return Net()'


# -- units and the marker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("3ms", 3_000_000),
        (" 3 ms ", 3_000_000),
        ("0.5s", 500_000_000),
        ("1.5us", 1500),
        ("1.5µs", 1500),  # micro sign
        ("1.5\u03bcs", 1500),  # Greek mu
        ("250 ns", 250),
        ("2.9ns", 2),
        ("0 ms", 0),
    ],
)
def test_times_are_read(text, nanoseconds):
    assert parse_limit(text, "latency") == nanoseconds


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, "a time needs its unit. Allowed: s, ms, us (or µs), ns, such as"),
        (0.003, "a time needs its unit"),
        ("3", "a time needs its unit"),
        ("3 m", "'m' is not a unit of time"),
        ("3 MS", "'MS' is not a unit of time"),
        ("3 sec", "'sec' is not a unit of time"),
        ("-3ms", "is negative"),
        ("ms", "is not a quantity"),
        ("3ms 4us", "is not a quantity"),
        ("nan ms", "is not a quantity"),
        (True, "is a bool"),
        (float("inf"), "is not a finite number"),
        ("1e30 s", "larger than anything"),
    ],
)
def test_what_is_no_time_is_refused(value, says):
    with pytest.raises(UsageError) as caught:
        parse_limit(value, "latency")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("nanoseconds", "shown", "limit"),
    [
        (0, "0 ns", "0ns"),
        (999, "999 ns", "999ns"),
        (2491, "2.49 us", "2.50us"),
        (999_960, "1 ms", "1ms"),
        (2_490_000, "2.49 ms", "2.49ms"),
        (3_600_000_000_000, "3600 s", "3600s"),
    ],
)
def test_times_are_written_so_that_they_can_be_read(nanoseconds, shown, limit):
    assert show(nanoseconds, "latency") == shown
    assert show_limit(nanoseconds, "latency") == limit
    assert parse_limit(limit, "latency") >= nanoseconds


def test_a_limit_and_its_device():
    found = parse_budget((), {"latency": "3ms", "device": "rtx4090", "res": 224})
    assert found.limits == {"latency": 3_000_000}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "latency='3ms' is a limit on a predicted time, and here is no device. Name one whose speed is known"),
        ({"device": "cuda"}, "here is device='cuda', which names no card"),
        ({"device": "cpu"}, "There are: 'B200', 'H200', 'H100', 'H100 PCIe', 'A100 80GB'"),
        ({"device": "T5"}, "device='T5' is not a device. Did you mean 'T4'?"),
    ],
)
def test_a_limit_without_a_named_device_is_a_collection_error(pytester, arguments, says):
    source = f"@budget(latency='3ms', res=32, **{arguments!r})\ndef test_it():\n    return Net()"
    result = run(pytester, source)
    assert outcomes(result) == {"errors": 1}
    assert_clear(result, f"test_cost.py::test_it: {says}" if not arguments else "test_cost.py::test_it: ", says)


@pytest.mark.parametrize(("of_class", "of_test"), [("device='T4'", "latency='1ms'"), ("latency='1ms'", "device='T4'")])
def test_a_limit_and_its_device_come_together_from_class_and_test(pytester, of_class, of_test):
    source = f"""
        @budget({of_class}, res=32)
        class TestNet:
            @budget({of_test})
            def test_it(self):
                return Net()
    """
    assert outcomes(run(pytester, source)) == {"passed": 1}


def test_a_limit_on_no_time_at_all_measured_nothing(pytester):
    source = "@budget(latency='1ms', device='T4', res=32)\ndef test_it():\n    return nn.Flatten()"
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "measured nothing: latency of the model came to 0")


# -- the verdict and what people read ----------------------------------------------------------------------------------


def net() -> Cost:
    namespace: dict[str, object] = {"__name__": "models"}
    exec(MODELS, namespace)
    return measure(namespace["Net"], batch=1, res=32, device="T4")


def test_at_the_limit_passes_and_a_nanosecond_above_fails():
    cost = net()
    assert cost.metric("latency") == 29_082
    assert judge(cost, {"latency": 29_082}).passed
    assert (
        judge(cost, {"latency": 29_081}).headline()
        == "over budget: estimated latency 29.082 us of 29.081 us (+0.0034 %)"
    )
    assert judge(cost, {"latency": 4144}, module="stem").passed
    assert not judge(cost, {"latency": 4143}, module="stem").passed


def test_the_message(pytester):
    check_golden("over_in_latency.txt", failure(run(pytester, OVER)) + "\n")


def test_every_report_says_that_it_is_an_estimate(pytester):
    pytest.importorskip("jinja2")
    files = [f"--budget-report=report.{suffix}" for suffix in ("md", "html", "txt", "json")]
    result = run(pytester, OVER.replace("25us", "25ms"), "--junitxml=junit.xml", "-rA", *files)
    assert outcomes(result) == {"passed": 1}
    read = {path.suffix: path.read_text(encoding="utf-8") for path in pytester.path.glob("report.*")}
    assert "estimated latency" in result.stdout.str()
    assert "estimated latency" in read[".md"]
    assert "estimated latency" in read[".html"]
    assert "Estimated for T4, by a roofline, not measured" in read[".html"]
    assert re.search(
        r'^modelbudget_estimated_latency_nanoseconds\{.*device="T4".*\} 29082$', read[".txt"], re.MULTILINE
    )
    assert "an estimate by a calibrated roofline, not a measurement" in read[".txt"]
    junit = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert 'name="modelbudget.estimated_latency_ns" value="29082"' in junit
    assert 'name="modelbudget.estimated_latency_ns.limit" value="25000000"' in junit
    assert 'name="modelbudget.estimated_for" value="T4"' in junit
    cost = from_json(read[".json"], "r.json").results[0].cost
    assert cost.throughput.nanoseconds == 29_082


def test_a_baseline_has_no_estimate_and_does_not_judge_by_one(pytester):
    source = '@budget(device="T4", res=32)\ndef test_it():\n    return Net()'
    run(pytester, source, "--budget-update")
    baseline = json.loads((pytester.path / "modelbudget.json").read_text(encoding="utf-8"))
    (entry,) = baseline["entries"].values()
    assert "latency" not in json.dumps(entry)
    assert "T4" not in entry["totals"]
    assert outcomes(run(pytester, source)) == {"passed": 1}
    assert outcomes(run(pytester, source.replace("@budget(", "@budget(latency='1us', "))) == {"failed": 1}


def test_what_is_wrong_in_a_report_is_named():
    """A device that this version does not know, and a bound that is none."""
    from report_samples import BIG, M, Report, cost, module, result, verdict

    from pytest_modelbudget.report.formats.json import render as to_json

    bound = {"compute": 1, "bandwidth": 2, "launch": 3}
    made = cost(BIG, "Net", module("", "Net", M, M), throughput=Throughput("T4", 1, bound))
    text = to_json(Report("1", "2", "fvcore", (result("t.py::a", made, verdict(made)),)))
    assert from_json(text, "r.json").results[0].cost == made
    for old, new, says in (
        ('"device": "T4"', '"device": "T5"', "throughput > device: device='T5' is not a device. Did you mean 'T4'?"),
        ('"device": "T4"', '"device": "cuda"', "a device whose speed is not known"),
        ('"launch": 3', '"lunch": 3', "throughput > bound > lunch: unknown field. Did you mean 'launch'?"),
        ('"launch": 3', '"launch": -3', "-3 where a whole number"),
    ):
        with pytest.raises(ReportError) as caught:
            from_json(text.replace(old, new), "r.json")
        assert says in str(caught.value)


# -- the words for a prediction, and the command -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "bound", "says"),
    [
        (
            4,
            (1_000_000, 500_000, 500_000),
            "Estimated for T4, by a roofline, not measured: 2 ms a step, 2000 samples/s; "
            "compute binds (50 %), then bandwidth (25 %), launch (25 %).",
        ),
        (
            None,
            (0, 3_000_000_000, 0),
            "Estimated for T4, by a roofline, not measured: 3 s a step; bandwidth binds (100 %).",
        ),
        (1, (0, 0, 0), "Estimated for T4, by a roofline, not measured: 0 ns a step; nothing binds (-)."),
    ],
)
def test_a_prediction_in_words(batch, bound, says):
    found = Throughput("T4", batch, dict(zip(("compute", "bandwidth", "launch"), bound, strict=True)))
    assert prediction(found) == says


def test_samples_per_second_have_three_digits():
    assert [per_second(s) for s in (0.04123, 7.3333, 99.96, 401.4, 21844.3)] == [
        "0.0412",
        "7.33",
        "100",
        "401",
        "21800",
    ]


def test_the_command_prints_a_prediction_and_a_marker_that_passes(pytester, capsys):
    from pytest_modelbudget.cli.command import main

    pytester.makepyfile(models=MODELS)
    assert main(["count", "models.py:Net", "--res", "32", "--device", "t4"]) == 0
    out = capsys.readouterr().out
    assert "Estimated for T4, by a roofline, not measured: 29.1 us a step, 34400 samples/s; launch binds (96 %)" in out
    assert re.search(r"^estimated latency +29\.1 us$", out, re.MULTILINE)
    assert 'device="T4", latency="29.1us"' in out
    assert main(["count", "models.py:Net", "--res", "32", "--device", "T5"]) == 2
    assert "Did you mean 'T4'?" in capsys.readouterr().err


def test_a_marker_is_what_the_public_name_makes():
    assert budget(latency="3ms", device="T4").kwargs == {"latency": "3ms", "device": "T4"}
