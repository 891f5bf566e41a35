"""The tables and pictures of docs/memory.md: counts on the meta device, so no GPU and few seconds.

    python docs/memory_pictures.py

Writes docs/images/memory_*.png and prints the tables. Needs torchvision and matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "batch_and_resolution"))
import torchvision_ops

torchvision_ops.install()  # with builds of torch and torchvision that belong together, delete these lines

import matplotlib  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import torch  # noqa: E402
from networks import UNet, vit_b_16  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint_sequential  # noqa: E402
from torchvision import models  # noqa: E402

from pytest_modelbudget import Cost, measure  # noqa: E402
from pytest_modelbudget.values.metrics import show  # noqa: E402
from pytest_modelbudget.values.peak import KINDS  # noqa: E402

GIB, MIB = 2**30, 2**20
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
SIDES = (128, 192, 256, 320, 384, 448, 512)
LENGTHS = (256, 512, 1024, 2048, 4096)
COLOURS = dict(zip(KINDS, ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aaaaaa"), strict=True))


def vit(res: int = 224) -> nn.Module:
    """ViT-B/16 for one resolution."""
    return vit_b_16(res)


MODELS: dict[str, Callable[[int], Callable[[], nn.Module]]] = {
    "ResNet-50": lambda res: models.resnet50,
    "ViT-B/16": lambda res: partial(vit, res),
    "U-Net": lambda res: UNet,
}


class Checkpointed(nn.Module):
    """ResNet-50 whose four stages are run again in backward."""

    def __init__(self) -> None:
        super().__init__()
        self.net = models.resnet50()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        blocks = [block for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for block in stage]
        x = checkpoint_sequential(nn.Sequential(*blocks), 4, x, use_reentrant=False)
        return net.fc(net.avgpool(x).flatten(1))


def frozen() -> nn.Module:
    """ResNet-50 of which only the head is trained."""
    net = models.resnet50().requires_grad_(False)
    net.fc.requires_grad_(True)
    return net


class Attention(nn.Module):
    """One layer of attention, 12 heads of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(768, 12, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(tokens, tokens, tokens, need_weights=False)[0]


def peak(cost: Cost) -> int:
    """The peak in bytes, which our own counter always has."""
    assert cost.memory is not None
    return cost.memory


def table(title: str, headers: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print one table of the page."""
    print(f"\n{title}\n\n{tabulate(lines, headers, tablefmt='github', disable_numparse=True)}")


def batch_and_resolution() -> None:
    """Inference and training of three models over batch and over resolution: two rows of pictures, two tables."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    by_batch, by_side = [], []
    for column, (name, make) in enumerate(MODELS.items()):
        for mode, colour in (("infer", "#4477aa"), ("train", "#ee6677")):
            batches = [peak(measure(make(224), batch=b, res=224, mode=mode, device="cuda")) for b in BATCHES]
            sides = [peak(measure(make(s), batch=8, res=s, mode=mode, device="cuda")) for s in SIDES]
            by_batch.append([name, mode, *(show(value, "memory") for value in batches)])
            by_side.append([name, mode, *(show(value, "memory") for value in sides)])
            for row, (sizes, values) in enumerate(((BATCHES, batches), (SIDES, sides))):
                label = "training, AdamW" if mode == "train" else "inference"
                axes[row][column].plot(sizes, [v / GIB for v in values], "o-", color=colour, label=label)
        for row, (what, sizes) in enumerate(
            (("batch size (images of 224 x 224)", BATCHES), ("side in pixels (batch 8)", SIDES))
        ):
            axis = axes[row][column]
            axis.set(title=name, xlabel=what, ylabel="peak memory in GiB", ylim=(0, None))
            axis.set_xticks([b for b in sizes if b >= 16] if row == 0 else sizes)
            axis.grid(alpha=0.3)
            axis.legend()
    figure.suptitle("Peak memory over batch size and resolution, fp32")
    save(figure, "batch_resolution")
    table("Over batch, 224 x 224", ["model", "step", *map(str, BATCHES)], by_batch)
    table("Over resolution, batch 8", ["model", "step", *map(str, SIDES)], by_side)


KINDS_OF_STEP: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "inference": (models.resnet50, {}),
    "no optimizer": (models.resnet50, {"mode": "train", "optimizer": "none"}),
    "SGD": (models.resnet50, {"mode": "train", "optimizer": "sgd"}),
    "momentum": (models.resnet50, {"mode": "train", "optimizer": "momentum"}),
    "AdamW": (models.resnet50, {"mode": "train", "optimizer": "adamw"}),
    "AdamW, amp bf16": (models.resnet50, {"mode": "train", "optimizer": "adamw", "amp": "bf16"}),
    "AdamW, all in bf16": (models.resnet50, {"mode": "train", "optimizer": "adamw", "dtype": "bf16"}),
    "AdamW, checkpointed": (Checkpointed, {"mode": "train", "optimizer": "adamw"}),
    "AdamW, head alone": (frozen, {"mode": "train", "optimizer": "adamw"}),
}


def what_it_is_made_of() -> None:
    """A step of ResNet-50 in different ways: what was alive at the peak."""
    figure, axes = plt.subplots(1, 2, figsize=(13, 4.8), layout="constrained", sharey=True)
    for axis, batch in zip(axes, (4, 32), strict=True):
        lines, costs = [], {}
        for name, (build, how) in KINDS_OF_STEP.items():
            cost = costs[name] = measure(build, batch=batch, res=224, device="cuda", **how)
            assert cost.peak is not None
            sizes = [show(size, "memory") if size else "" for size in cost.peak.kinds.values()]
            lines.append([name, show(cost.peak.total, "memory"), cost.peak.phase, *sizes, show(cost.flops, "flops")])
        left = [0.0] * len(costs)
        for kind in KINDS:
            widths = [cost.peak.kinds[kind] / GIB for cost in costs.values() if cost.peak]
            axis.barh(list(costs), widths, left=left, color=COLOURS[kind], label=kind)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axis.set(title=f"batch {batch}", xlabel="memory alive at the peak in GiB")
        for bar, (total, cost) in enumerate(zip(left, costs.values(), strict=True)):
            axis.text(total, bar, f" {show(peak(cost), 'memory')}", va="center", fontsize=9)
        axis.margins(x=0.14)
        axis.set_axisbelow(True)
        axis.grid(axis="x", alpha=0.3)
        table(f"ResNet-50, batch {batch}", ["step", "peak", "in", *KINDS, "FLOPs"], lines)
    axes[0].invert_yaxis()
    axes[1].legend(loc="lower right", framealpha=1)
    figure.suptitle("ResNet-50 at 224 x 224: what the peak is made of")
    save(figure, "made_of")


def attention() -> None:
    """One layer of attention over sequence length, fused and as mathematics."""
    figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    lines = []
    for mode, style in (("infer", "--"), ("train", "-")):
        for kept, colour in (("math", "#ee6677"), ("fused", "#4477aa")):
            values = [
                peak(
                    measure(
                        Attention,
                        batch=1,
                        seq=length,
                        inputs=("batch", "seq", 768),
                        dtype="bf16",
                        mode=mode,
                        attention=kept,
                        device="cuda",
                        **({"optimizer": "sgd"} if mode == "train" else {}),
                    )
                )
                for length in LENGTHS
            ]
            step = "training" if mode == "train" else "inference"
            axis.plot(LENGTHS, [v / MIB for v in values], "o", ls=style, color=colour, label=f"{kept}, {step}")
            lines.append([kept, mode, *(show(value, "memory") for value in values)])
    axis.set(
        title="One layer of attention, 12 heads of 64, batch 1, bf16",
        xlabel="sequence length in tokens",
        ylabel="peak memory in MiB (both axes logarithmic)",
    )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_xticks(LENGTHS, LENGTHS)
    axis.set_yticks([2**n for n in range(3, 13)], [2**n for n in range(3, 13)])
    axis.grid(alpha=0.3)
    axis.legend()
    save(figure, "attention")
    table("Attention", ["kept", "step", *map(str, LENGTHS)], lines)


def save(figure: Any, name: str) -> None:
    """Write one picture."""
    path = Path(__file__).parent / "images" / f"memory_{name}.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    batch_and_resolution()
    what_it_is_made_of()
    attention()
