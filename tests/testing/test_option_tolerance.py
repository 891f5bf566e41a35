"""``--budget-tolerance``, ``budget_tolerance`` and ``tolerance=``: how far above its baseline a metric may be."""

from __future__ import annotations

import pytest
from testing.recorded import NET, PIXEL, baseline, check, edit, entries, only, record, said, suite

TEST = """
@budget(name="net", batch=1, res=8{more})
def test_net():
    return Net()
"""
MEASURED = PIXEL * 64  # 7424, which is 6400 and 16 %
GROWN = NET.replace("4, 10", "4, 20")


def run(pytester, flops: int, *options: str, more: str = "", ini: str = "") -> pytest.RunResult:
    """Measure ``MEASURED`` where ``flops`` are recorded."""
    suite(pytester, TEST.format(more=more))
    record(pytester)
    edit(pytester, "net", flops=flops)
    if ini:
        pytester.makeini(f"[pytest]\n{ini}\n")
    result = check(pytester, *options)
    assert only(result).cost.flops == MEASURED
    said(result)
    return result


def passes(result: pytest.RunResult) -> bool:
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if only(result).verdict.regressed else pytest.ExitCode.OK)
    return result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("flops", "tolerance", "holds"),
    [
        (MEASURED, "0", True),
        (MEASURED - 1, "0", False),
        (6400, "16", True),  # 6400 * 1.16 = 7424
        (6399, "16", False),  # 7422.84
        (6400, "15.999", False),
        (6401, "15.99", True),  # 7424.52
        (3712, "100", True),
        (3711, "100", False),
        (6400, "1e2", True),
        (7423, "0.01", False),  # 7423.74
        (7423, "0.014", True),  # 7424.04
        (0, "100000", False),  # nothing is no percentage of zero
    ],
)
def test_at_the_tolerance_passes_and_above_it_fails(pytester, flops, tolerance, holds):
    assert passes(run(pytester, flops, f"--budget-tolerance={tolerance}")) is holds


@pytest.mark.parametrize(
    ("more", "option", "ini", "holds"),
    [
        ("", None, None, False),
        (", tolerance='16%'", None, None, True),
        (", tolerance=16", None, None, True),
        (", tolerance='16 %'", None, None, True),
        (", tolerance=16.0", None, None, True),
        ("", "16%", None, True),
        ("", "16", None, True),
        ("", None, "16%", True),
        ("", None, "16", True),
        ("", "15%", "16%", False),  # the option goes before the ini key
        ("", "16%", "15%", True),
        ("", "0", "16%", False),
        (", tolerance='15%'", "16%", "16%", False),  # and the marker before both
        (", tolerance='16%'", "15%", "15%", True),
        (", tolerance=0", "16%", "16%", False),
    ],
)
def test_where_it_is_given(pytester, more, option, ini, holds):
    options = [] if option is None else [f"--budget-tolerance={option}"]
    result = run(pytester, 6400, *options, more=more, ini="" if ini is None else f"budget_tolerance = {ini}")
    assert passes(result) is holds


def test_a_class_gives_it_to_its_tests(pytester):
    suite(
        pytester,
        "@budget(tolerance='16%')\nclass TestNets:"
        + TEST.format(more="").replace("\n", "\n    ").replace("()", "(self)", 1),
    )
    record(pytester)
    edit(pytester, "net", flops=6400)
    assert passes(check(pytester))


def test_the_message_names_the_tolerance(pytester):
    result = run(pytester, 6399, "--budget-tolerance=16.0 %")
    result.stdout.fnmatch_lines(
        [
            "above its baseline: flops 7.42 k, was 6.4* k (+16.02 %, tolerance 16.0 %)  test_cost.py:7",  # 16.018...
            "flops * 7.42 k * 6.4* k * +16.02 %",
        ]
    )


BAD = ["-1", "-1%", "5 percent", "nan", "inf", "1e99", "%", "5%%"]


@pytest.mark.parametrize("value", BAD)
def test_a_wrong_option_is_refused_before_the_run(pytester, value):
    suite(pytester, TEST.format(more=""))
    result = check(pytester, f"--budget-tolerance={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"budget_tolerance='{value}' is not a percentage of zero or more, such as" in said(result)


@pytest.mark.parametrize("value", BAD)
def test_a_wrong_ini_value_is_refused_before_the_run(pytester, value):
    pytester.makeini(f"[pytest]\nbudget_tolerance = {value}\n")
    suite(pytester, TEST.format(more=""))
    result = check(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"budget_tolerance='{value}' is not a percentage of zero or more, such as" in said(result)


@pytest.mark.parametrize("value", ["'-1%'", "'much'", "-1", "True", "[1]", "float('nan')"])
def test_a_wrong_marker_is_a_collection_error(pytester, value):
    suite(pytester, TEST.format(more=f", tolerance={value}"))
    result = check(pytester)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "test_cost.py::test_net: tolerance=" in said(result)


# -- with limits -------------------------------------------------------------------------------------------------------

LIMIT = f", flops={MEASURED}"


@pytest.mark.parametrize(
    ("more", "options", "ini", "holds"),
    [
        (LIMIT, [], "", True),
        (LIMIT + ", tolerance=15", [], "", False),
        (LIMIT + ", tolerance=16", [], "", True),
        (LIMIT + ", tolerance=0", [], "", False),
        (LIMIT, ["--budget-tolerance=15"], "", False),
        (LIMIT, ["--budget-tolerance=0"], "", False),
        (LIMIT, [], "budget_tolerance = 15", False),
        (LIMIT, [], "budget_tolerance = 16", True),
        (", params=1000", [], "", True),  # a limit on anything is a limit
    ],
)
def test_a_test_with_limits_is_judged_by_its_baseline_only_where_a_tolerance_is_given(
    pytester, more, options, ini, holds
):
    result = run(pytester, 6400, *options, more=more, ini=ini)
    assert passes(result) is holds
    word = "grew" if holds else "above its baseline"  # either way it is told
    result.stdout.fnmatch_lines([f"net * {word}: flops +16 %"])


def test_both_a_limit_and_the_baseline_can_be_exceeded(pytester):
    suite(pytester, TEST.format(more=", flops='7k', tolerance=0"))
    check(pytester, "--budget-update")
    edit(pytester, "net", flops=6400)
    result = check(pytester)
    verdict = only(result).verdict
    assert [judged.metric for judged in verdict.over] == ["flops"]
    assert [regressed.metric for regressed in verdict.regressed] == ["flops", "macs"]
    result.stdout.fnmatch_lines(
        [
            "over budget: flops 7.42 k of 7 k (+6 %)*",
            "flops * 7.42 k * 7 k * 106 % * over by 424",
            "* used * baseline * growth",
            "flops * 7.42 k * 6.4* k * +16 %",
            "why    1.16x since the baseline = *",
        ]
    )


def test_a_limit_holds_whatever_the_tolerance(pytester):
    suite(pytester, TEST.format(more=", flops='7k', tolerance='500%'"))
    assert check(pytester, "--budget-update").ret == pytest.ExitCode.TESTS_FAILED
    assert check(pytester).ret == pytest.ExitCode.TESTS_FAILED


def test_drift_within_the_limits_is_explained(pytester):
    suite(pytester, TEST.format(more=", flops='1M'"))
    record(pytester)
    suite(pytester, TEST.format(more=", flops='1M'").replace("res=8", "res=16"), GROWN)
    result = check(pytester)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "net * grew: flops +438 %",  # 156 instead of 116 multiply-adds at each of four times as many pixels
            "net: 5.38x since the baseline = architecture 1.34x [*] batch 1.00x [*] resolution 4.00x (8 -> 16)",
        ]
    )


def test_a_new_test_with_a_limit_and_a_tolerance_passes(pytester):
    suite(pytester, TEST.format(more=""))
    record(pytester)
    suite(pytester, TEST.format(more=", flops='1M', tolerance=0").replace("net", "nut"))
    result = check(pytester)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["nut * new"])


@pytest.mark.parametrize("options", [[], ["--budget-tolerance=50"]])
@pytest.mark.parametrize("other", [True, False], ids=["a baseline without it", "no baseline"])
def test_without_limits_and_without_an_entry_it_fails_and_names_the_command(pytester, options, other):
    suite(pytester, TEST.format(more=""))
    if other:
        record(pytester)
    suite(pytester, TEST.format(more="").replace("net", "nut"))
    result = check(pytester, *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "no limits and no baseline: this budget could never fail. *",
            "    Record a baseline with pytest --budget-update, or add limits; what it costs now passes "
            'flops="7.43k", params="116".',
        ]
    )
    said(result)


# -- several metrics -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "recorded"),
    [
        ("params", PIXEL),
        ("trainable_params", PIXEL),
        ("activations", 26 * 64),
        ("weights", 4 * PIXEL),
        ("macs", MEASURED),
    ],
)
def test_every_metric_is_compared(pytester, metric, recorded):
    suite(pytester, TEST.format(more=""))
    record(pytester)
    totals = entries(pytester)["net"].totals
    assert totals[metric] == recorded
    edit(pytester, "net", totals={**totals, metric: recorded - 1})
    result = check(pytester)
    assert [(r.metric, r.used, r.before) for r in only(result).verdict.regressed] == [(metric, recorded, recorded - 1)]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_fell_does_not_make_up_for_what_grew(pytester):
    """And it is what grew that the table names."""
    suite(pytester, TEST.format(more=""))
    record(pytester)
    totals = entries(pytester)["net"].totals
    edit(pytester, "net", totals={**totals, "flops": 8 * MEASURED, "params": 100})
    result = check(pytester)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["above its baseline: params 116, was 100 (+16 %, tolerance 0 %)*", "net * above its baseline: params +16 %"]
    )
    suite(pytester, TEST.format(more=", flops='1M'"))
    result = check(pytester)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["net * grew: params +16 %"])
    assert "can be tightened" not in said(result)


# -- fewer than before ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", ["", ", tolerance='1%'", ", flops='1M'"])
@pytest.mark.parametrize("options", [[], ["-q"], ["test_cost.py::test_net"]], ids=["", "-q", "a node id"])
def test_fewer_than_before_passes_and_can_be_tightened(pytester, more, options):
    result = run(pytester, 12_345, *options, more=more)
    assert passes(result)
    result.stdout.fnmatch_lines(
        ["modelbudget.json: 1 entry can be tightened with pytest --budget-update:", "    net: flops 12.3 k -> 7.42 k"]
    )
    if options != ["-q"]:
        result.stdout.fnmatch_lines(["net * tighter: flops -40 %"])
    record(pytester)
    assert "can be tightened" not in said(check(pytester)).replace(str(pytester.path), "")


def test_many_that_can_be_tightened_are_counted(pytester):
    test = TEST.format(more="").replace("def test_net():", "@pytest.mark.parametrize('n', range(13))\ndef test_net(n):")
    test = test.replace('name="net", ', "")
    suite(pytester, test, GROWN)
    record(pytester)
    suite(pytester, test)
    result = check(pytester)
    assert result.ret == 0
    lines = result.outlines
    start = lines.index("modelbudget.json: 13 entries can be tightened with pytest --budget-update:")
    assert lines[start + 1] == "    test_cost.py::test_net[0]: flops 9.98 k -> 7.42 k"
    assert lines[start + 11] == "    and 3 more"


# -- a baseline that is not there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [True, False], ids=["a baseline without it", "no baseline"])
def test_it_is_said_which_baseline_was_looked_for(pytester, other):
    suite(pytester, TEST.format(more=""))
    if other:
        record(pytester)
    suite(pytester, TEST.format(more="").replace("net", "nut"))
    wanted = "modelbudget.json has no entry nut." if other else f"There is no {baseline(pytester)}."
    assert f"    {wanted}\n" in said(check(pytester))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("other", [True, False], ids=["a baseline without it", "no baseline"])
def test_a_tolerance_without_an_entry_is_said_and_fails_a_strict_run(pytester, other, strict):
    """The limit holds, and the test was to stay near its baseline, too: it would not in silence."""
    suite(pytester, TEST.format(more=""))
    if other:
        record(pytester)
    suite(pytester, TEST.format(more=", flops='1M', tolerance='1%'").replace("net", "nut"))
    result = check(pytester, *["--budget-strict"] * strict)
    wanted = "modelbudget.json has no entry nut" if other else f"There is no {baseline(pytester)}"
    assert "tolerance=1% was not applied, since nothing is recorded" in said(result)
    assert f"{wanted}. Record it with pytest --budget-update." in said(result)
    assert only(result).verdict.passed is not strict
    record(pytester)
    assert "not applied" not in said(check(pytester, "--budget-strict"))


def test_a_tolerance_of_the_whole_run_asks_for_no_entry(pytester):
    suite(pytester, TEST.format(more=", flops='1M'"))
    assert "not applied" not in said(check(pytester, "--budget-tolerance=1", "--budget-strict"))
