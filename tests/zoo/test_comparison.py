"""Figures beside published ones: rounding, differences, and the file that shows them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoo import timm_models, torchvision_models, transformers_models
from zoo.comparison import Compared, Figure, table

ACCURACY = Path(__file__).parents[2] / "docs" / "accuracy.md"


@pytest.mark.parametrize(
    ("figure", "cells"),
    [
        (Figure(4_089_184_256, 4.089, "G", 3), ["4.089", "4.089", "0"]),
        (Figure(4_089_500_000, 4.089, "G", 3), ["4.090", "4.089", "0"]),  # the half may have gone either way
        (Figure(4_089_500_001, 4.089, "G", 3), ["4.090", "4.089", "+0.01 %"]),
        (Figure(4_088_499_999, 4.089, "G", 3), ["4.088", "4.089", "-0.01 %"]),
        (Figure(432_896_016, 0.17, "G", 2), ["0.43", "0.17", "+154.64 %"]),
        (Figure(12_000_000, 12.0, "M", 2), ["12.00", "12.00", "0"]),
        (Figure(25_557_032, 25_557_032), ["25,557,032", "25,557,032", "0"]),
        (Figure(25_557_033, 25_557_032), ["25,557,033", "25,557,032", "+0.00 %"]),
        (Figure(1_500_000, None, "M", 2), ["1.50", "", ""]),
    ],
)
def test_figure(figure, cells):
    assert figure.cells() == cells


def test_table():
    row = Compared("net", "1x3x8x8", Figure(1_010_000_000, 1.0, "G", 2), Figure(7, 7), "one layer more")
    assert table([row], work="GMACs", params="parameters") == (
        "| model | inputs | GMACs | published | difference | parameters | published | difference | why |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        "| net | 1x3x8x8 | 1.01 | 1.00 | +1.00 % | 7 | 7 | 0 | one layer more |\n"
    )


def written():
    """The rows of docs/accuracy.md that compare a model with a published figure, as cells."""
    text = ACCURACY.read_text(encoding="utf-8").partition("\n## Other packages\n")[0]
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    return [cells for cells in lines if len(cells) > 5 and cells[0] not in ("model", "---")]


def test_the_file_shows_every_model_that_has_a_published_figure():
    vision = [*torchvision_models.STATIC, *torchvision_models.DETECTORS]
    names = [*vision, *timm_models.PUBLISHED, *transformers_models.ARCHITECTURES]
    assert [cells[0] for cells in written()] == names


def test_the_file_explains_every_difference():
    differing = [cells for cells in written() if {cells[4], cells[7]} - {"0", ""}]
    assert differing
    for cells in differing:
        assert len(cells) > 8, cells


@pytest.mark.parametrize(
    ("model", "compare"),
    [
        ("resnet50", lambda name: torchvision_models.compared_static(name)[0]),
        ("shvit_s2", timm_models.compared),
        ("gpt2", lambda name: transformers_models.compared(name)[0]),
    ],
)
def test_the_file_is_what_the_command_writes(model, compare):
    line = table([compare(model)], work="", params="").splitlines()[-1]
    assert line in ACCURACY.read_text(encoding="utf-8").splitlines()
