"""The scripts that fit the calibration: tables are read as they are, models are split, and fits find known factors."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.calibrate import features, fit, kernel_limits, memory, memory_fits, pages, tables
from benchmarks.calibrate.samples import Sample
from pytest_modelbudget.counting.calibrating.fit import LOOPS, believed
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
    row = tables.Row("t", "RTX 4090", "net", key.setting, 224, 0, 8, 0, 1, 0)
    assert memory.taken(found[key], row) == Taken(1536, 2 << 20, {"narrow convolution": 20}, tight=1536)
    larger = memory.taken(found[key], row._replace(next_batch=16))
    assert larger.tight == 2 << 20  # one segment of small blocks


def sample(model: str, seconds: float, **columns: float) -> Sample:
    row = tables.Row("t", "RTX 4090", model, tables.Setting("infer"), 224, 0, 1, 0, seconds, 0)
    found = np.zeros(LOOPS + 1)
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
        memory.Rung(row, *(Taken(one * GIB, 40 * GIB, {}, tight=one * GIB) for one in pair))
        for pair in ((10, 23), (20, 30), (22, 25), (10, 15))
    ]
    assert list(memory_fits.right(rungs, 3.0, 0.0)) == [True, True, False, False]
    outside, searched = memory_fits.full({"RTX 3090": rungs[:2]}, "train")
    assert searched == 0
    assert 24 - 23 < outside["RTX 3090"] < 24 - 20
    (ladder,) = memory_fits.ladders_of([*rungs[:2], rungs[3]._replace(refused=True)])
    assert 24 - 23 < ladder.outside < 24 - 20  # the one that a kernel refused does not count
    assert ladder.right[2] == 0


def test_kernels_refuse_grids_and_indices():
    """64 windows of 1,024 samples; a strided depthwise convolution of 96 channels that reads 1024 x 96 x 150 x 150."""
    row = tables.Row("4090 nchw pt240", "RTX 4090", "net", tables.Setting("infer", "fp16"), 224, 0, 768, 1024, 1, 0)
    read, made = 1024 * 96 * 150 * 150, 1024 * 96 * 75 * 75
    work = Work("", "conv2d", "float16", 1, 2 * (read + made + 96 * 9), 1, 1, Products(96, made // 96, 1, 9, 9))
    step = features.Step((work,), [], [], {}, 0, {}, ())
    assert kernel_limits.refused(step, row, 1024)
    assert not kernel_limits.refused(step, row._replace(table="4090 nchw pt291"), 1024)
    assert not kernel_limits.refused(step, row._replace(setting=row.setting._replace(channels_last=True)), 1024)
    few = replace(work, bytes=2 * (made + made + 96 * 9))  # of stride 1
    assert not kernel_limits.refused(step._replace(work=(few,)), row, 1024)
    many = replace(work, shape=Products(512, made // 512, 1, 9, 9), bytes=2 * (read + made + 512 * 9))  # cuDNN's
    assert not kernel_limits.refused(step._replace(work=(many,)), row, 1024)
    assert kernel_limits.refused(step._replace(work=(), sequences=64 * 1024), row, 1024)
    assert not kernel_limits.refused(step._replace(work=(), sequences=64 * 1024 - 1), row, 1024)


def test_tables_of_one_card_are_held_against_each_other():
    def row(table: str, model: str, batch: int) -> tables.Row:
        larger = 0 if batch == 1024 else tables.larger(batch)
        return tables.Row(table, "RTX 4090", model, tables.Setting("infer"), 224, 0, batch, larger, 1, 0)

    batches = {"a": (768, 768), "b": (768, 1024), "c": (1024, 1024), "d": (512, 384)}
    found = [row("4090 nchw pt240", name, first) for name, (first, _) in batches.items()]
    found += [row("4090 nchw pt291", name, second) for name, (_, second) in batches.items()]
    assert pages.agreement(found) == [["RTX 4090, torch 2.4 and 2.9", 3, "33.3 %"]]


def test_a_section_is_put_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{pages.BEGIN}\nold\n{pages.END}\n\nafter\n")
    pages.put(page, "new")
    assert page.read_text() == f"before\n\n{pages.BEGIN}\n\nnew\n\n{pages.END}\n\nafter\n"
    assert pages.family("tf_efficientnet_b0") == "efficientnet"
