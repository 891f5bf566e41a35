"""The table of devices: names as people write them, peaks that are dense, and cards by memory size."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.values.device import GIB
from pytest_modelbudget.values.device_table import LAUNCH_SOURCE, NAMED
from pytest_modelbudget.values.devices import CARDS, find_device, fits_on


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("T4", "T4"),
        ("t4", "T4"),
        (" t4 ", "T4"),
        ("NVIDIA T4", "T4"),
        ("a100", "A100 40GB"),
        ("A100 80GB", "A100 80GB"),
        ("a100-80gb", "A100 80GB"),
        ("A100_80G", "A100 80GB"),
        ("RTX 4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("GeForce RTX 4090", "RTX 4090"),
        ("H100", "H100"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("rtx 5090", "RTX 5090"),
        ("RTX A6000", "A6000"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla V100-PCIE-32GB", "V100 PCIe 32GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80GB"),
        ("B200", "B200"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000"),
        ("H100 SXM", "H100"),
        ("h100 pcie", "H100 PCIe"),
        ("Jetson Orin", "Jetson AGX Orin 64GB"),
        ("laptop cpu", "laptop CPU"),
        ("cuda", "cuda"),
        ("cuda:0", "cuda"),
        ("CPU", "cpu"),
    ],
)
def test_a_name_as_people_write_it(written, name):
    assert find_device(written).name == name


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("T5", "Did you mean 'T4'?"),
        ("RTX 4080", "Did you mean 'RTX 4090'?"),
        ("A10080", "Did you mean 'A100 80GB'?"),
        ("tpu-v4", "Allowed: 'cuda', 'cpu', 'B200', 'H200', 'H100', 'H100 PCIe', 'A100 80GB', 'A100 40GB', 'V100'"),
        ("", "device='' is not a device"),
        (4, "device=4 is not a device"),
        ("T4:0", "device='T4:0' is not a device"),
    ],
)
def test_an_unknown_device_is_refused_with_the_nearest_names(written, says):
    with pytest.raises(UsageError) as caught:
        find_device(written)
    assert says in str(caught.value)
    assert "'laptop CPU', and the file of a device of your own, such as './my-card.json'" in str(caught.value)


def test_a_plain_kind_has_memory_rules_and_no_speed():
    for kind in ("cuda", "cpu"):
        assert find_device(kind).kind == kind
        assert not find_device(kind).has_speed


@pytest.mark.parametrize("device", NAMED, ids=lambda device: device.name)
def test_a_named_device_is_whole(device):
    """Every figure is there, with its source, and no dtype is slower than the wider one it is a part of."""
    assert device.has_speed
    assert device.source
    assert min(device.bandwidth, device.memory, device.launch, *device.peaks.values()) > 0
    assert device.peak("float64") <= device.peak("float32") <= device.peak("tf32") <= device.peak("float16")
    assert device.peak("float32") <= device.peak("bfloat16") <= device.peak("float16")
    assert device.peak("int8") == device.peak("float32")
    assert find_device(device.name) is device


@pytest.mark.parametrize(
    ("name", "multiprocessors", "per_cycle", "hertz", "dtype"),
    [
        ("A100 40GB", 108, 2048, 1.41e9, "float16"),  # 4 tensor cores of 256 multiply-adds (Ampere white paper)
        ("A100 40GB", 108, 128, 1.41e9, "float32"),  # 64 cores of one multiply-add
        ("T4", 40, 1024, 1.59e9, "float16"),  # 8 tensor cores of 64 multiply-adds (Turing white paper)
        ("T4", 40, 128, 1.59e9, "float32"),
        ("RTX 4090", 128, 512, 2.52e9, "float16"),  # half rate where it accumulates in float32 (Ada white paper)
        ("RTX 4090", 128, 256, 2.52e9, "float32"),
        ("H100", 132, 4096, 1.83e9, "float16"),  # 4 tensor cores of 512 multiply-adds (Hopper white paper)
        ("H100", 132, 256, 1.98e9, "float32"),
        ("RTX 3090", 82, 256, 1.695e9, "float32"),  # 128 cores of one multiply-add (GA102 white paper)
        ("RTX 3090", 82, 512, 1.695e9, "float16"),  # half rate where it accumulates in float32
        ("A6000", 84, 1024, 1.8e9, "float16"),
        ("A10", 72, 1024, 1.695e9, "float16"),
        ("L40S", 142, 1024, 2.52e9, "float16"),  # 4 tensor cores of 128 multiply-adds (Ada white paper)
        ("RTX 5090", 170, 512, 2.407e9, "float16"),
        ("RTX 5090", 170, 256, 2.407e9, "float32"),
        ("RTX PRO 6000", 188, 1024, 2.617e9, "float16"),
        ("V100", 80, 1024, 1.53e9, "float16"),  # 8 tensor cores of 64 multiply-adds (Volta white paper)
        ("V100", 80, 128, 1.53e9, "float32"),
        ("Jetson AGX Orin 64GB", 16, 256, 1.3e9, "float32"),
    ],
)
def test_a_peak_is_dense(name, multiprocessors, per_cycle, hertz, dtype):
    """As many FLOPs as the units of a chip make at its boost clock; a data sheet that counts zeros says twice that."""
    assert find_device(name).peak(dtype) == pytest.approx(multiprocessors * per_cycle * hertz, rel=0.03)


@pytest.mark.parametrize("device", NAMED, ids=lambda device: device.name)
def test_the_documentation_has_the_table(device):
    text = (Path(__file__).parents[2] / "docs" / "throughput.md").read_text(encoding="utf-8")
    peaks = [f"{device.peak(d) / 1e12:.4g}" for d in ("float64", "float32", "tf32", "float16", "bfloat16")]
    rest = [f"{device.bandwidth / 1e9:g} GB/s", f"{device.memory // GIB} GiB", f"{device.launch / 1000:g} us"]
    assert f"| {' | '.join([device.name, *peaks, *rest])} |" in text.splitlines()
    assert f"- {device.name}: {device.source}." in text.splitlines()
    assert f"The cost of a launch: {LAUNCH_SOURCE}." in text.splitlines()


def test_cards_by_memory():
    assert [card.memory // GIB for card in CARDS] == [8, 12, 16, 24, 40, 48, 80, 141]
    assert fits_on(8 * GIB) == CARDS
    assert fits_on(8 * GIB + 1) == CARDS[1:]
    assert fits_on(60 * GIB)[0].name == "A100 80GB, H100"
    assert fits_on(142 * GIB) == ()
    assert all(card.source for card in CARDS)
