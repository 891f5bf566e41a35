"""``forward_flops=`` and ``backward_flops=``: limits on the passes of a step, reported only where they are asked for.

``Pixels`` at 8 x 8: 768 multiply-adds forward; backward as many for the gradient of its weight, and none for that of
the image, which requires none.
"""

from __future__ import annotations

import json

import pytest
from suites import assert_clear, measured, outcomes, pixels, properties, run

SOURCE = """
@budget(model=Pixels, mode="train", res=8, {limits})
def test_it(): ...
"""


@pytest.mark.parametrize(("limits", "passes"), [
    ("forward_flops=768", True),
    ("forward_flops=767", False),
    ("backward_flops=768", True),
    ("backward_flops=767", False),
    ("flops=1536, forward_flops=768, backward_flops=768", True),
])  # fmt: skip
def test_at_the_limit_passes_above_fails(pytester, limits, passes):
    result = run(pytester, SOURCE.format(limits=limits))
    assert outcomes(result) == {"passed" if passes else "failed": 1}
    assert measured(result) == [2 * pixels(1, 8)]


def test_a_failure_says_which_pass_and_where_the_work_is(pytester):
    result = run(pytester, SOURCE.format(limits="backward_flops=700, forward_flops=1000"))
    assert_clear(result, "over budget: backward_flops 768 of 700 (+10 %)", "where  layer")


def test_the_convention_holds_for_them_too(pytester):
    pytester.makeini("[pytest]\nbudget_flops = torch")
    assert outcomes(run(pytester, SOURCE.format(limits="forward_flops=1536, backward_flops=1536"))) == {"passed": 1}
    assert outcomes(run(pytester, SOURCE.format(limits="forward_flops=1535"))) == {"failed": 1}


def test_in_inference_there_is_no_backward_pass(pytester):
    source = "@budget(model=Pixels, res=8, backward_flops='1G')\ndef test_it(): ..."
    assert_clear(run(pytester, source), "measured nothing: backward_flops of the model came to 0")


def test_they_are_limits_on_the_whole_model(pytester):
    result = run(pytester, SOURCE.format(limits="forward_flops=768, module='layer'"))
    assert_clear(result, "forward_flops= is a limit on the whole model, and here is module='layer'")


def test_what_was_not_asked_for_is_in_no_report_and_no_baseline(pytester):
    result = run(pytester, SOURCE.format(limits="flops=1536"), "--budget-report=r.json", "--budget-update")
    assert outcomes(result) == {"passed": 1}
    assert [name for name, _ in properties(result) if "forward" in name or "backward" in name] == []
    (entry,) = json.loads((pytester.path / "modelbudget.json").read_text())["entries"].values()
    assert {"forward_flops", "backward_flops"}.isdisjoint(entry["totals"])
    result = run(
        pytester, SOURCE.format(limits="forward_flops=800"), "--budget-report=r.json", "--budget-report=r.html"
    )
    (data,) = json.loads((pytester.path / "r.json").read_text())["results"]
    assert {row["metric"]: row["used"] for row in data["verdict"]["metrics"]}["forward_flops"] == 768
    assert "forward FLOPs" in (pytester.path / "r.html").read_text()
    assert ("modelbudget.forward_flops.limit", "800") in properties(result)


def test_fit_and_sweep_take_them(pytester):
    source = """
        from pytest_modelbudget import fit, sweep

        def test_it():
            found = fit(Pixels, mode="train", batch=1, res="4:64", forward_flops=12 * 20 * 20)
            assert found.res == (20, 20)
            cells = list(sweep(Pixels, mode="train", res=[4, 8], metrics=["backward_flops"]))
            assert [cell.values for cell in cells] == [{"backward_flops": 12 * 16}, {"backward_flops": 12 * 64}]
    """
    assert outcomes(run(pytester, source)) == {"passed": 1}
