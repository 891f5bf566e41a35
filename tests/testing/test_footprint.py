"""Limits on what a step takes of a card: ``footprint=`` and ``fits=True``, in the marker, `fit` and reports."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from suites import assert_clear, outcomes
from testing.two_blocks import run
from torch import nn

from pytest_modelbudget import UsageError, fit, measure
from pytest_modelbudget.judging.budget import parse_budget
from pytest_modelbudget.report.parts.memory import memory_text
from pytest_modelbudget.values import calibration
from pytest_modelbudget.values.fits import Calibration, Memory

GIB = 1 << 30


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Two GiB beside live tensors, and blocks as they are predicted."""
    memory = tuple(
        Memory("T4", mode, 2 * GIB, 1000, 2 * GIB, 0, {}, 4, 0, 300, 100, "by hand") for mode in ("infer", "train")
    )
    monkeypatch.setattr(calibration, "packaged", lambda: Calibration("", (), (), memory))


def test_fits_is_a_limit_by_the_memory_of_the_device():
    assert parse_budget((), {"fits": True, "device": "T4"}).limits == {"footprint": 16 * GIB}
    assert parse_budget((), {"fits": True, "footprint": "20GiB", "device": "T4"}).limits == {"footprint": 16 * GIB}
    assert parse_budget((), {"fits": False, "device": "T4"}).limits == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"fits": True}, "fits=True asks what a named device holds, and here is no device"),
        ({"fits": True, "device": "cuda"}, "here is device='cuda', which names no card"),
        ({"fits": "yes", "device": "T4"}, "fits='yes' is neither True nor False"),
        ({"footprint": "24GB"}, "footprint='24GB' is a limit on the memory of a GPU, and here is no device"),
        ({"footprint": "5GB", "device": "laptop CPU"}, "footprint='5GB' is a limit on the memory of a GPU, .* no GPU"),
        ({"fits": True, "device": "laptop CPU"}, "fits=True .* which is no GPU. Name the card of a GPU, such as .*T4"),
        ({"fits": True, "device": "laptop CPU"}, "'RTX 3090', 'Jetson AGX Orin 64GB', and the file of a device"),
        ({"fits": True, "device": "T4", "module": "stem"}, "fits= is a limit on the whole model"),
        ({"footprint": "24GB", "device": "T4", "module": "stem"}, "a limit on the whole model"),
    ],
)
def test_a_limit_that_cannot_be_meant(arguments, says):
    with pytest.raises(UsageError, match=says):
        parse_budget((), arguments)


def test_the_marker_and_every_report(pytester):
    source = '@budget({}, device="T4", res=32)\ndef test_it():\n    return Net()'
    files = [f"--budget-report=report.{suffix}" for suffix in ("md", "txt", "json")]
    assert outcomes(run(pytester, source.format("fits=True"), *files)) == {"passed": 1}
    text = (pytester.path / "report.md").read_text(encoding="utf-8")
    assert "estimated footprint" in text
    (result,) = json.loads((pytester.path / "report.json").read_text(encoding="utf-8"))["results"]
    assert result["cost"]["device_memory"]["accuracy"]["percent"] == 4
    failed = run(pytester, source.format('footprint="1GiB"'))
    assert outcomes(failed) == {"failed": 1}
    assert_clear(failed, "over budget: estimated footprint 2", "a footprint of 2", "+- 4 % (T4, 100 models)")


def test_a_broken_limit_names_the_modules_that_keep_memory(pytester):
    """What modules keep at the peak, in bytes as for ``memory``: the time that each takes is none of it."""
    source = '@budget({}, device="T4", res=32)\ndef test_it():\n    return Net()'
    by_memory = where(run(pytester, source.format('memory="1KiB"')))
    assert by_memory
    by_footprint = where(run(pytester, source.format('footprint="1GiB"'), "--budget-report=report.md"))
    assert by_footprint[:-1] == by_memory
    assert by_footprint[-1] == "told by memory: modules do not have footprint"
    assert "told by memory" in (pytester.path / "report.md").read_text(encoding="utf-8")


def where(result):
    """The rows of ``where`` in a failure message."""
    lines = [line.removeprefix("E").strip() for line in result.outlines]
    start = next(i for i, line in enumerate(lines) if line.startswith("where"))
    end = next(i for i, line in enumerate(lines) if i > start and (not line or line.startswith(("fits", "==="))))
    return [line.removeprefix("where").strip() for line in lines[start:end]]


def test_a_property_is_named_by_its_unit(pytester):
    source = '@budget(footprint="4GiB", latency="1s", device="T4", res=32)\ndef test_it():\n    return Net()'
    run(pytester, source, "--junitxml=junit.xml")
    root = ElementTree.parse(pytester.path / "junit.xml").getroot()
    found = {one.get("name"): one.get("value") for one in root.iter("property")}
    assert found["modelbudget.estimated_footprint.limit"] == str(4 * GIB)
    assert found["modelbudget.estimated_latency_ns.limit"] == "1000000000"
    assert int(found["modelbudget.estimated_footprint"]) > 2 * GIB


def test_no_estimate_is_in_a_baseline(pytester):
    source = '@budget(device="T4", res=32)\ndef test_it():\n    return Net()'
    run(pytester, source, "--budget-update")
    assert "footprint" not in (pytester.path / "modelbudget.json").read_text(encoding="utf-8")


def test_without_a_named_device_there_is_none():
    for device in (None, "cuda", "cpu"):
        assert measure(nn.Linear(4, 4), inputs=(2, 4), device=device).footprint is None


class Wide(nn.Module):
    def forward(self, x):
        return x * 2


def test_only_where_a_card_is_larger_are_there_larger_ones():
    """2 GiB a sample, and 2 of the card: 142 GiB are more than the 141 of an H200, and the B200 is the largest."""
    for batch, says in (
        (70, "fits on  B200 (180 GiB): an estimated 142 GiB"),
        (69, "(141 GiB) and larger: an estimated"),
    ):
        cost = measure(Wide, inputs=("batch", 256, 1 << 20), batch=batch, device="T4")
        assert says in memory_text(cost)


def test_fit_asks_what_the_card_holds():
    """1 GiB a sample and its double: (16 - 2) / 2 = 7 samples."""
    shape = ("batch", 256, 1 << 20)
    for options in ({"fits": True}, {}):
        found = fit(Wide, inputs=shape, device="T4", **options)
        assert found.limits == {"footprint": 16 * GIB}
        assert found.batch == 7
    assert fit(Wide, inputs=shape, device="T4", footprint="10GiB").batch == 4
