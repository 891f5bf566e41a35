"""What kernels compute beyond what is asked, by hand."""

from __future__ import annotations

import pytest

from pytest_modelbudget.values.operator_classes import arithmetic_of
from pytest_modelbudget.values.work import Products, Work


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        (Products(1, 1280, 1280, 64), 1),  # 100 tiles of 128 x 128 on 100 multiprocessors
        (Products(1, 1280, 1408, 64), 500 * 64 * 64 * 1.25 / (1280 * 1408)),  # 440 of 64 x 64 are five waves
        (Products(100, 128, 64, 64), 1.1),  # 100 tiles of 128 x 64, each of which reads more for what it computes
        (Products(1, 1280, 1, 64), 2),  # a vector: the depth is split
    ],
)
def test_products_are_computed_in_whole_tiles_and_waves(shape, times):
    results = shape.groups * shape.rows * shape.columns
    work = Work("", "mm", "float32", 2 * results * shape.depth, 1, 1, 1, shape)
    name = "product" if shape.groups == 1 else "batched product"
    assert arithmetic_of(work, name, 100) / work.flops == pytest.approx(times, rel=1e-4)
    assert arithmetic_of(work, name) == arithmetic_of(work, "convolution", 100) == work.flops


def test_gradients_of_grouped_convolutions_are_computed_as_full_ones():
    work = Work("", "convolution_backward", "float16", 1000, 1, 1, 1, Products(32, 10, 8, 72, 9))
    assert arithmetic_of(work, "grouped backward", 100) == 32_000
