"""The study of batch and resolution: its U-Net by hand, and one command that makes it all, on a small grid."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "batch_and_resolution"
PICTURES = ("compute", "parameters", "memory", "throughput", "throughput_by_resolution")

SMALL = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import study

study.BATCHES, study.RESOLUTIONS, study.TRAINED = (1, 16), (64, 224, 250), (64, 224)
for name in ("ResNet-50", "ViT-B/16", "Swin-T"):
    del study.STUDIED[name]
study.main(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("torchvision")
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("study") / "results"
    subprocess.run([sys.executable, "-c", SMALL, str(EXAMPLE), str(folder)], check=True, capture_output=True, text=True)
    return folder


def test_every_table_and_picture_is_made(made):
    assert sorted(path.name for path in made.iterdir()) == sorted(
        ["cells.csv", "tables.md", *(f"{name}.png" for name in PICTURES)]
    )
    for name in PICTURES:
        assert (made / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_cells_by_hand(made):
    """U-Net: multiply-adds of a 3 x 3 convolution are 9 for each pair of channels and pixel; four levels down and up.

    250 pixels are refused, since 125 halves to 62 and comes back as 124.
    """
    with (made / "cells.csv").open(encoding="utf-8") as file:
        cells = {(row["model"], int(row["batch"]), int(row["res"])): row for row in csv.DictReader(file)}
    assert len(cells) == 2 * 2 * 3
    widths = [64, 128, 256, 512, 1024]
    side = 64
    down = sum(
        (side >> i) ** 2 * 9 * (c * w + w * w) for i, (c, w) in enumerate(zip([3, *widths], widths, strict=False))
    )
    levels = range(4)
    up = sum(
        (side >> i) ** 2 * (9 * (2 * widths[i] + widths[i]) * widths[i] + widths[i + 1] * widths[i]) for i in levels
    )
    head = side**2 * 64 * 21
    assert int(cells["U-Net", 1, 64]["macs"]) == down + up + head
    assert int(cells["U-Net", 16, 64]["macs"]) == 16 * (down + up + head)
    assert int(cells["U-Net", 16, 224]["memory_train"]) > int(cells["U-Net", 16, 224]["memory_infer"]) > 0
    assert cells["U-Net", 1, 250]["flops"] == ""
    assert "Sizes of tensors must match" in cells["U-Net", 1, 250]["refused"]
    assert cells["MobileNet-v3", 1, 250]["refused"] == ""


def test_the_readme_shows_what_is_made():
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for name in PICTURES:
        assert f"](results/{name}.png)" in text
    assert "results/tables.md" in text
    assert "estimate" in text
