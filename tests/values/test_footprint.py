"""Footprints by hand, the nearest measured card, and the strict reading of a calibration."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.text.checks import Wrong
from pytest_modelbudget.values import calibration
from pytest_modelbudget.values.calibration import memory_fit, packaged, time_fit
from pytest_modelbudget.values.device_table import NAMED
from pytest_modelbudget.values.devices import find_device
from pytest_modelbudget.values.fits import Accuracy, Calibration, Fit, Memory, Way, read
from pytest_modelbudget.values.footprint import Footprint, Taken, footprint
from pytest_modelbudget.values.operator_classes import CLASSES
from pytest_modelbudget.values.work import Products, Work

GIB = 1 << 30

BYTES = Memory("A100 40GB", "train", 2 * GIB, 1000, 3 * GIB, 750, {"convolution": 500}, 4, 0, 300, 100, "by hand")
LADDER = Memory("RTX 3090", "train", GIB, 1000, 2 * GIB, 0, {}, 0, 95, 200, 80, "by hand")


@pytest.fixture
def by_hand(monkeypatch):
    monkeypatch.setattr(calibration, "packaged", lambda: Calibration("2026-01-01", (), (), (BYTES, LADDER)))


def test_parts_by_hand(by_hand):
    """16 GiB live in blocks of 20, 2 GiB of workspace (half of 4), 2 of context: 24 of 40 GiB."""
    found = footprint(Taken(16 * GIB, 20 * GIB, {"convolution": 4 * GIB}), find_device("A100"), "train")
    assert found.parts == {"live": 16 * GIB, "blocks": 4 * GIB, "workspaces": 2 * GIB, "context": 2 * GIB}
    assert found.total == 24 * GIB
    assert found.least == 3 * GIB + 16 * GIB + 3 * GIB  # of 4 GiB that a convolution moves, 3 to try algorithms
    assert found.fits
    assert str(found.accuracy) == "+- 4 % (A100 40GB, 100 models)"


def test_a_full_card_shows_no_more_than_it_has_until_the_step_needs_more(by_hand):
    """30 GiB live in blocks of 50, or of 36 that are tight: 3 + 36, so 40 are shown; 34 live in 38 need 3 + 38."""
    card = find_device("A100")
    full = footprint(Taken(30 * GIB, 50 * GIB, {}, tight=36 * GIB), card, "train")
    assert (full.total, full.fits, full.least) == (40 * GIB, True, 39 * GIB)
    over = footprint(Taken(34 * GIB, 50 * GIB, {}, tight=38 * GIB), card, "train")
    assert over.total == over.least == 41 * GIB
    assert not over.fits
    assert sum(over.parts.values()) == over.total


def test_the_nearest_card_lends_what_it_has_and_the_estimate_says_so(by_hand):
    found = footprint(Taken(16 * GIB, 20 * GIB, {}), find_device("RTX 4090"), "train")
    assert found.parts["context"] == GIB  # of the RTX 3090, which is for desktops as well
    assert (
        str(found.accuracy) == "+- 4 % (as A100 40GB, 100 models; right for 95 % of batches that RTX 3090 held or not)"
    )
    assert found.on("A100").parts["context"] == 2 * GIB
    assert Footprint.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_an_error_that_nobody_measured_is_not_zero():
    assert str(Accuracy(0, "my card", 1)) == "+- unknown (my card, 1 model)"


def test_what_is_no_gpu_by_name_has_no_footprint(by_hand):
    taken = Taken(1, 1, {})
    assert footprint(taken, find_device("cuda"), "infer") is None
    assert footprint(taken, find_device("laptop CPU"), "infer") is None
    with pytest.raises(UsageError, match="like no card"):
        Footprint("A100 40GB", "infer", GIB, {}, 0, taken, Accuracy(1, "", 1)).on("laptop CPU")


def test_the_workspace_is_that_of_the_convolution_that_moves_the_most():
    work = [
        Work("", "conv2d", "float32", 9, size, 1, 1, Products(1, 9, channels, 9 * channels, 9))
        for size, channels in ((100, 32), (300, 32), (500, 4))
    ]
    assert Taken.of(1, 2, 1, work).moved == {"convolution": 300, "narrow convolution": 500}


# -- the calibration of the package ------------------------------------------------------------------------------------


def test_it_is_read_back_and_says_where_it_is_from():
    found = packaged()
    assert found.made
    assert found.sources
    assert read(json.loads(json.dumps(found.to_dict()))) == found
    for one in found.fits:
        assert set(one.factors) == set(CLASSES)
        assert min(one.rows, one.models, one.percent) > 0


@pytest.mark.parametrize("device", [one for one in NAMED if one.kind == "cuda"], ids=lambda one: one.name)
@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("rest", [(False, False, False), (True, True, False), (True, False, True)])
def test_every_gpu_is_like_one_that_was_measured(device, mode, rest):
    way = Way(mode, *rest)
    fit, accuracy = time_fit(device, way)
    assert fit.way.half == way.half
    assert accuracy.own == (fit.card == device.name and fit.way == way)
    assert memory_fit(device, way.mode) is not None


def test_the_same_card_goes_before_another():
    def chosen(name: str, way: Way) -> tuple[str, Way]:
        fit, _ = time_fit(find_device(name), way)
        return fit.card, fit.way

    half = Way("infer", half=True)
    assert chosen("RTX 4090", half) == ("RTX 4090", half)
    assert chosen("A6000", half) == ("RTX 3090", half)  # the same chip
    assert chosen("L40S", half) == ("RTX 4090", half)
    assert chosen("RTX PRO 6000", half) == ("RTX 5090", half)
    assert chosen("V100", Way()) == ("A100 40GB", Way())
    assert chosen("T4", Way()) == ("L4", Way())


def test_a_cpu_is_like_none():
    assert time_fit(find_device("laptop CPU"), Way()) is None


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("format",), "other", "one of 'modelbudget-calibration'"),
        (("schema",), 2, "another schema"),
        (("made",), 3, "where a text belongs"),
        (("extra",), 3, "unknown field"),
        (("time", 0, "percent"), -1, "where a whole number"),
        (("time", 0, "way", "half"), 1, "neither true nor false"),
        (("time", 0, "way", "mode"), "test", "where one of 'infer', 'train'"),
        (("time", 0, "factors", "product"), [1], "1 numbers where two belong"),
        (("time", 0, "factors"), {}, "'element-wise' is missing"),
        (("memory", 0, "workspaces"), {"convolution": -1}, "where a whole number"),
    ],
)
def test_what_is_wrong_in_a_calibration_is_named(path, value, says):
    fit = Fit("T4", Way(), {"element-wise": (1, 2), "product": (3, 4)}, 1, 2, 3, 4, 5, 6, "by hand")
    data = json.loads(json.dumps(Calibration("2026-01-01", (), (fit,), (BYTES,)).to_dict()))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(Wrong, match=says):
        read(data)


def test_cards_of_other_generations_lend_together_and_the_nearer_one_more(monkeypatch):
    """A Hopper card for the desktop: one generation from Ada, two from Ampere, one from Blackwell."""

    def fit(card: str, product: int, percent: int) -> Fit:
        factors = {"element-wise": (1000, 1000), "product": (product, 0)}
        return Fit(card, Way(), factors, 3000, 10, percent, 20, 5, 5, "by hand")

    made = Calibration(
        "2026-01-01",
        (),
        (fit("RTX 3090", 1000, 4), fit("RTX 4090", 2000, 6), fit("L4", 9000, 3), fit("RTX 5090", 4000, 5)),
    )
    monkeypatch.setattr(calibration, "packaged", lambda: made)
    between = replace(find_device("RTX 4090"), name="between", generation="hopper")
    found, accuracy = time_fit(between, Way())
    assert found.factors["product"] == (round((1000 / 2 + 2000 + 4000) / 2.5), 0)
    assert found.kernel == 3000
    assert str(accuracy) == "+- 20 % (as RTX 4090, RTX 5090 and RTX 3090, 5 models)"
    assert time_fit(replace(between, generation="ada"), Way())[0].card == "RTX 4090"
