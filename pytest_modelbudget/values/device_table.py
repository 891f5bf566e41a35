"""The table of named devices, a row with its source for each.

Peaks are dense: data sheets that quote tensor cores "with sparsity" quote twice as much. They are what the silicon
can do at its boost clock, which no program reaches.
"""

from __future__ import annotations

from .device import GIB, Device

_TERA, _GIGA = 10**12, 10**9

LAUNCH_SOURCE = (
    "NVIDIA's blog 'Getting Started with CUDA Graphs' (2019) launches a kernel of 2.9 us on a V100 again and again: "
    "9.6 us each where every one is waited for, 3.8 us each back to back. 4 us is a rough figure for what a small "
    "kernel costs at the least when PyTorch calls it; that of the Jetson, whose cores are slower, and that of the "
    "CPU, which is PyTorch's own way to a kernel, are guesses of the same kind"
)
"""Where the cost of a launch comes from."""


def _tera(*, fp64: float, fp32: float, tf32: float, fp16: float, bf16: float) -> dict[str, int]:
    peaks = {"float64": fp64, "float32": fp32, "tf32": tf32, "float16": fp16, "bfloat16": bf16}
    return {dtype: round(peak * _TERA) for dtype, peak in peaks.items()}


_HOPPER = _tera(fp64=67, fp32=67, tf32=494.5, fp16=989.5, bf16=989.5)
_A100 = _tera(fp64=19.5, fp32=19.5, tf32=156, fp16=312, bf16=312)
_V100_SXM2 = _tera(fp64=7.8, fp32=15.7, tf32=15.7, fp16=125, bf16=15.7)

NAMED = (
    Device(
        "B200", "cuda", _tera(fp64=37, fp32=75, tf32=1125, fp16=2250, bf16=2250), 8000 * _GIGA, 180 * GIB, 4000,
        "NVIDIA HGX B200 data sheet, an eighth of its eight GPUs; tensor cores halved to dense",
        "blackwell", "data center", 148,
    ),
    Device(
        "H200", "cuda", _HOPPER, 4800 * _GIGA, 141 * GIB, 4000,
        "NVIDIA H200 Tensor Core GPU data sheet, H200 SXM; tensor cores halved to dense",
        "hopper", "data center", 132,
    ),
    Device(
        "H100", "cuda", _HOPPER, 3350 * _GIGA, 80 * GIB, 4000,
        "NVIDIA H100 Tensor Core GPU data sheet, H100 SXM; tensor cores halved to dense",
        "hopper", "data center", 132,
    ),
    Device(
        "H100 PCIe", "cuda", _tera(fp64=51, fp32=51, tf32=378, fp16=756.5, bf16=756.5), 2000 * _GIGA, 80 * GIB, 4000,
        "NVIDIA H100 Tensor Core GPU data sheet, H100 PCIe; tensor cores halved to dense",
        "hopper", "data center", 114,
    ),
    Device(
        "A100 80GB", "cuda", _A100, 2039 * _GIGA, 80 * GIB, 4000,
        "NVIDIA A100 Tensor Core GPU data sheet, A100 80GB SXM",
        "ampere", "data center", 108,
    ),
    Device(
        "A100 40GB", "cuda", _A100, 1555 * _GIGA, 40 * GIB, 4000,
        "NVIDIA A100 Tensor Core GPU data sheet, A100 40GB",
        "ampere", "data center", 108,
    ),
    Device(
        "V100", "cuda", _V100_SXM2, 900 * _GIGA, 16 * GIB, 4000,
        "NVIDIA Tesla V100 GPU Accelerator data sheet, V100 SXM2 of 16 GB; TF32 and bf16, which its tensor cores lack, "
        "run as fp32",
        "volta", "data center", 80,
    ),
    Device(
        "V100 32GB", "cuda", _V100_SXM2, 900 * _GIGA, 32 * GIB, 4000,
        "NVIDIA Tesla V100 GPU Accelerator data sheet, V100 SXM2 of 32 GB; TF32 and bf16 as for V100",
        "volta", "data center", 80,
    ),
    Device(
        "V100 PCIe 32GB", "cuda", _tera(fp64=7, fp32=14, tf32=14, fp16=112, bf16=14), 900 * _GIGA, 32 * GIB, 4000,
        "NVIDIA Tesla V100 GPU Accelerator data sheet, V100 PCIe of 32 GB; TF32 and bf16 as for V100",
        "volta", "data center", 80,
    ),
    Device(
        "RTX PRO 6000", "cuda", _tera(fp64=1.97, fp32=126, tf32=251.9, fp16=503.8, bf16=503.8),
        1792 * _GIGA, 96 * GIB, 4000,
        "NVIDIA RTX Blackwell PRO GPU Architecture white paper, RTX PRO 6000 Blackwell Workstation Edition; tensor "
        "cores dense, halves accumulating in fp32; fp64 is 1/64 of fp32",
        "blackwell", "desktop", 188,
    ),
    Device(
        "L40S", "cuda", _tera(fp64=1.43, fp32=91.6, tf32=183, fp16=362.05, bf16=362.05), 864 * _GIGA, 48 * GIB, 4000,
        "NVIDIA L40S GPU data sheet; tensor cores as its first figure, dense; fp64 is 1/64 of fp32 (NVIDIA Ada GPU "
        "Architecture white paper)",
        "ada", "desktop", 142,
    ),
    Device(
        "A6000", "cuda", _tera(fp64=0.605, fp32=38.7, tf32=77.4, fp16=154.8, bf16=154.8), 768 * _GIGA, 48 * GIB, 4000,
        "NVIDIA RTX A6000 data sheet: 309.7 sparse TFLOP/s of tensor cores, halved to dense, and half of that in TF32; "
        "fp64 is 1/64 of fp32 (NVIDIA Ampere GA102 GPU Architecture white paper: 1/64 rate)",
        "ampere", "desktop", 84,
    ),
    Device(
        "A10", "cuda", _tera(fp64=0.488, fp32=31.2, tf32=62.5, fp16=125, bf16=125), 600 * _GIGA, 24 * GIB, 4000,
        "NVIDIA A10 Tensor Core GPU data sheet; tensor cores dense; fp64 is 1/64 of fp32 (NVIDIA Ampere GA102 GPU "
        "Architecture white paper)",
        "ampere", "low power", 72,
    ),
    Device(
        "L4", "cuda", _tera(fp64=0.473, fp32=30.3, tf32=60, fp16=121, bf16=121), 300 * _GIGA, 24 * GIB, 4000,
        "NVIDIA L4 Tensor Core GPU data sheet; tensor cores halved to dense; fp64 is 1/64 of fp32 "
        "(NVIDIA Ada GPU Architecture white paper)",
        "ada", "low power", 58,
    ),
    Device(
        "T4", "cuda", _tera(fp64=0.253, fp32=8.1, tf32=8.1, fp16=65, bf16=8.1), 320 * _GIGA, 16 * GIB, 4000,
        "NVIDIA T4 Tensor Core GPU data sheet; TF32 and bf16, which its tensor cores lack, run as fp32; fp64 is 1/32 "
        "of fp32 (NVIDIA Turing GPU Architecture white paper)",
        "turing", "low power", 40,
    ),
    Device(
        "RTX 5090", "cuda", _tera(fp64=1.64, fp32=104.8, tf32=104.8, fp16=209.5, bf16=209.5),
        1792 * _GIGA, 32 * GIB, 4000,
        "NVIDIA RTX Blackwell GPU Architecture white paper, appendix A, GeForce RTX 5090; tensor cores dense, halves "
        "accumulating in fp32, as PyTorch's products do; fp64 is 1/64 of fp32",
        "blackwell", "desktop", 170,
    ),
    Device(
        "RTX 4090", "cuda", _tera(fp64=1.29, fp32=82.6, tf32=82.6, fp16=165.2, bf16=165.2),
        1008 * _GIGA, 24 * GIB, 4000,
        "NVIDIA Ada GPU Architecture white paper, appendix A, GeForce RTX 4090; fp16 that accumulates in fp32, as "
        "PyTorch's products do; fp64 is 1/64 of fp32",
        "ada", "desktop", 128,
    ),
    Device(
        "RTX 3090", "cuda", _tera(fp64=0.556, fp32=35.6, tf32=35.6, fp16=71, bf16=71), 936 * _GIGA, 24 * GIB, 4000,
        "NVIDIA Ampere GA102 GPU Architecture white paper, appendix A, GeForce RTX 3090; tensor cores dense, halves "
        "accumulating in fp32, as PyTorch's products do; fp64 is 1/64 of fp32",
        "ampere", "desktop", 82,
    ),
    Device(
        "Jetson AGX Orin 64GB", "cuda", _tera(fp64=0.083, fp32=5.3, tf32=21.25, fp16=42.5, bf16=42.5),
        204_800_000_000, 64 * GIB, 10_000,
        "NVIDIA Jetson AGX Orin Series technical brief: 5.3 TFLOP/s fp32 and 170 sparse int8 TOPS, which is 85 dense, "
        "and half of that in fp16, a quarter in TF32; memory is shared with the CPU; fp64 is 1/64 of fp32",
        "ampere", "low power", 16,
    ),
    Device(
        "laptop CPU", "cpu", _tera(fp64=0.1792, fp32=0.3584, tf32=0.3584, fp16=0.3584, bf16=0.3584),
        51_200_000_000, 16 * GIB, 1000,
        "Intel Core i7-1165G7 product specifications: 4 cores at 2.8 GHz with AVX-512, which is 32 fp32 FLOPs a cycle; "
        "two channels of DDR4-3200, which is 2 * 8 bytes * 3.2 GHz; halves run as fp32; all cores at work",
    ),
)  # fmt: skip
"""The devices whose step times can be predicted."""
