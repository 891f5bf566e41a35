"""Where "compute grows with the square of the resolution, parameters do not move" is not so: each case, counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from networks import Flattened, UNet, vit_b_16
from tables import markdown
from torchvision import models

from pytest_modelbudget import ModelError, measure
from pytest_modelbudget.text.units import share
from pytest_modelbudget.values.metrics import show


def sections() -> Iterator[str]:
    """One section for each exception."""
    yield "# Exceptions"
    yield f"## Position embeddings fix the resolution\n\n{_positions()}"
    yield f"## Global attention is quartic in the side\n\n{_attention()}"
    yield f"## A head that flattens has a weight for every pixel\n\n{_heads()}"
    yield f"## One pixel more can be a row more at every scale\n\n{_rounding()}"
    yield f"## Skips that must meet refuse odd sizes\n\n{_skips()}"


def _refusal(factory: Callable[..., Any], **point: Any) -> str:
    try:
        measure(factory, **point)
    except ModelError as error:
        return str(error).splitlines()[0].split(": ", 1)[-1]
    return "accepted"


def _positions() -> str:
    rows = [[str(res), _refusal(models.vit_b_16, res=res)] for res in (192, 224, 256)]
    built = [[str(res), show(measure(vit_b_16, res=res).params, "params", digits=4)] for res in (192, 224, 384, 1024)]
    return (
        "ViT-B/16 as trained at 224 pixels, given others:\n\n"
        + markdown(rows, ["res", "answer"])
        + "\n\nBuilt for others, its parameters move:\n\n"
        + markdown(built, ["res", "params"])
    )


def _exponent(factory: Callable[..., Any], res: int) -> str:
    """How FLOPs grow from ``res`` to twice that."""
    small, large = (measure(factory, res=side).flops for side in (res, 2 * res))
    return f"{math.log2(large / small):.2f}"


def _attention() -> str:
    rows = []
    for res in (128, 256, 512, 1024, 2048):
        cost = measure(vit_b_16, res=res)
        attention = sum(flops for name, flops in cost.by_operator().items() if "attention" in name)
        rows.append(
            [
                f"{res} -> {2 * res}",
                *(_exponent(factory, res) for factory in (vit_b_16, models.swin_t, models.resnet50)),
                share(attention, cost.flops),
            ]
        )
    headers = ["from -> to", "ViT-B/16", "Swin-T", "ResNet-50", "attention's share in ViT, from"]
    return "The exponent of FLOPs in the resolution, octave by octave:\n\n" + markdown(rows, headers)


def _heads() -> str:
    rows = []
    for res in (64, 128, 224, 512, 1024):
        flat, mean = measure(Flattened, res=res), measure(models.resnet18, res=res)
        rows.append(
            [str(res), show(mean.params, "params"), show(flat.params, "params"), share(flat.params, mean.params)]
        )
    headers = ["res", "ResNet-18", "with a head that flattens", "of the usual"]
    return markdown(rows, headers)


def _rounding() -> str:
    rows = []
    for name, factory in (
        ("ResNet-50", models.resnet50),
        ("MobileNet-v3", models.mobilenet_v3_large),
        ("Swin-T", models.swin_t),
    ):
        usual = measure(factory, res=224).flops / 224**2
        rows.append([name, *(f"{measure(factory, res=res).flops / res**2 / usual:.2f}" for res in _SIDES)])
    return "FLOPs a pixel, relative to those at 224 pixels:\n\n" + markdown(rows, ["", *map(str, _SIDES)])


_SIDES = (32, 33, 48, 64, 65, 96, 128, 129, 224, 225, 256, 1024, 1025)


def _skips() -> str:
    rows = [[str(res), _refusal(UNet, res=res)] for res in (256, 264, 250)]
    return "U-Net, four levels down:\n\n" + markdown(rows, ["res", "answer"])
