"""The scripts that fit the calibration: tables are read as they are, models are split, and fits find known factors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.calibrate import features, fit, memory, memory_fits, pages, tables
from benchmarks.calibrate.samples import Sample
from pytest_modelbudget.counting.calibrating.fit import KERNELS, believed
from pytest_modelbudget.values.fits import Way
from pytest_modelbudget.values.footprint import Taken
from pytest_modelbudget.values.work import Products, Work

GIB = 1 << 30


def test_tables_are_read_with_their_conditions(tmp_path):
    (tmp_path / "infer_speed.csv").write_text(
        "table,card,model,res,batch,measured_samples_per_s\n"
        "4090 nchw pt291 compiled,RTX 4090,resnet50,224,512,2000\n4090 nhwc pt240,RTX 4090,vit,224,512,1000\n"
    )
    (tmp_path / "train_rtx3090.csv").write_text(
        "model,layout,res,batch,next_batch,samples_per_sec,step_ms,params\nresnet50,nhwc,224,256,384,900,284,25.6\n"
    )
    third, compiled, whole = tables.rows(tmp_path)
    assert (compiled.seconds, compiled.next_batch, compiled.setting.channels_last) == (0.256, 768, False)
    assert (whole.next_batch, whole.setting.channels_last) == (0, True)  # 512 is where that table begins
    assert (third.seconds, third.next_batch, third.setting.keeps_gradients) == (0.284, 384, True)
    assert tables.larger(96) == 128


def test_what_was_counted_is_read_back(tmp_path):
    work = Work("", "conv2d", "float16", 10, 20, 1, 3, Products(1, 2, 3, 4, 4, bias=True), reorders=True)
    key = features.Key(tables.Setting("infer", "fp16"), 224, 0, 8)
    step = features.Step((work,), [512], [1024, -1], {"forward": 0}, 1536, {"optimizer": 0, "gradients": 0}, ())
    path = tmp_path / "net.json.gz"
    features.save(path, {key: step, key._replace(batch=9): "ValueError: no"})
    found = features.load(path)
    assert list(found) == [key]
    assert found[key].work == (work,)
    assert list(found[key][1:5]) == [[512], [1024, -1], {"forward": 0}, 1536]
    assert memory.taken(found[key], keeps_gradients=False) == Taken(
        1536, 2 << 20, {"narrow convolution": 20}
    )  # of 1 channel and 4 taps


def sample(model: str, seconds: float, **columns: float) -> Sample:
    row = tables.Row("t", "RTX 4090", model, tables.Setting("infer"), 224, 0, 1, 0, seconds, 0)
    found = np.zeros(KERNELS + 1)
    found[0], found[1] = columns["one"], columns["two"]
    return Sample(row, Way(), found)


def test_known_factors_are_found_on_models_that_were_not_seen():
    """Times are 2 and 0.5 of two columns, but for a row that is ten times as long, which does not rule."""
    generator = np.random.default_rng(0)
    many = [
        sample(f"net{i}", 2 * a + 0.5 * b, one=a, two=b) for i, (a, b) in enumerate(generator.uniform(1, 9, (60, 2)))
    ]
    factors = fit.fitted([*many, sample("odd", 100, one=4, two=4)], believed(), 0.001)
    assert factors[:2] == pytest.approx([2, 0.5], rel=0.02)
    guess = fit.unseen(many, lambda some: fit.fitted(some, believed(), 0.001))
    assert guess == pytest.approx([one.row.seconds for one in many], rel=0.01)
    assert len({fit.fold(one.row.model) for one in many}) == fit.FOLDS


def test_a_ladder_is_right_where_the_listed_batch_fits_and_the_next_does_not():
    row = tables.Row("t", "RTX 3090", "net", tables.Setting("train"), 224, 0, 64, 96, 1, 0)
    rungs = [
        memory.Rung(row, Taken(size * GIB, size * GIB, {}), Taken(larger * GIB, larger * GIB, {}))
        for size, larger in ((10, 23), (20, 30), (22, 25), (10, 15))
    ]
    assert list(memory_fits.right(rungs, 3.0, 1.0, 0.5)) == [True, True, False, False]
    outside, live = memory_fits.least(rungs[:2], 0.5)
    assert outside + 23 * (live - 1) + 1e-9 > 24 - 23
    assert list(memory_fits.right(rungs[:2], outside, live, 0.5)) == [True, True]


def test_a_section_is_put_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{pages.BEGIN}\nold\n{pages.END}\n\nafter\n")
    pages.put(page, "new")
    assert page.read_text() == f"before\n\n{pages.BEGIN}\n\nnew\n\n{pages.END}\n\nafter\n"
    assert pages.family("tf_efficientnet_b0") == "efficientnet"
