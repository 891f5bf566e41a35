"""timm's models, and the figures timm publishes for them.

``timm_published.csv``: multiply-adds in billions and activations in millions as fvcore counted them (norms included,
timm's fused attention off, since fvcore has no formula for it), and millions of parameters, all to two decimals.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import timm
from timm.layers import set_fused_attn, use_fused_attn
from timm.utils.model import reparameterize_model
from zoo.comparison import Compared, Figure

from pytest_modelbudget import measure


class Published(NamedTuple):
    res: int
    gmacs: float
    macts: float
    millions: float


def _published():
    with (Path(__file__).parent / "timm_published.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            row["model"]: Published(
                int(row["infer_img_size"]), *(float(row[key]) for key in ("infer_gmacs", "infer_macts", "param_count"))
            )
            for row in rows
        }


PUBLISHED = _published()


def _families():
    """The models of each file of timm's, as timm lists them."""
    families = {module: timm.list_models(module=module) for module in timm.list_modules()}
    return {module: names for module, names in families.items() if names}


FAMILIES = _families()
ALL = [name for names in FAMILIES.values() for name in names]


def _representative(names):
    """The cheapest published model of a family, or its first."""
    known = [name for name in names if name in PUBLISHED]
    return min(known, key=lambda name: PUBLISHED[name].gmacs) if known else names[0]


SAMPLE = {_representative(names) for names in FAMILIES.values()}

NOT_IN_FVCORE = {  # operators that it counts as zero, by the name they have here
    "lstm": "an LSTM",
    "upsample_bicubic2d": "bicubic interpolation",
    "_upsample_bicubic2d_aa": "bicubic interpolation of smoothed pixels",
}

RE_PARAMETRISED = ("ghostnetv3_", "shvit_")
"""Published after ``timm.utils.model.reparameterize_model``: branches fused into one convolution."""

UNFUSED = ("vit_dwee_", "vit_dpwee_")
"""Differential attention: unfused, two maps are subtracted and multiply the values once; fused, each does."""

WRONG_MACTS = {
    "vit_small_patch16_rope_mixed_ape_224": "rotary angles were a matrix product, and are element-wise in timm 1.0.31"
}
WRONG_GMACS = {"vit_so150m_patch16_reg4_map_256": "fvcore counts 37.17 G of timm 1.0.31 too"}


def inputs(name):
    """Channels, height and width: as published, or what the model's configuration says."""
    if name in PUBLISHED:
        return (3, PUBLISHED[name].res, PUBLISHED[name].res)
    return timm.get_pretrained_cfg(name).input_size


def measured(name, model=None):
    """The `Cost` of a model, or of one made otherwise."""
    channels, *res = inputs(name)
    return measure(model or (lambda: timm.create_model(name)), channels=channels, res=tuple(res))


def measured_as_published(name):
    """The `Cost` of what the published figures were made from, and what that is, where it is a special form."""
    if name.startswith(RE_PARAMETRISED):
        model = reparameterize_model(timm.create_model(name).eval())
        return measured(name, model), "published re-parametrised for inference"
    if name.startswith(UNFUSED):
        with unfused_attention():
            return measured(name), "published with fused attention off: one product fewer"
    return None


@contextmanager
def unfused_attention():
    """Models made inside write attention as products, which fvcore has formulas for."""
    fused = use_fused_attn()
    set_fused_attn(False)
    try:
        yield
    finally:
        set_fused_attn(fused)


def fvcore_flops(cost):
    """What fvcore sees of the FLOPs of ``cost``, and what it does not see."""
    unseen = {NOT_IN_FVCORE[op]: flops for op, flops in cost.by_operator().items() if op in NOT_IN_FVCORE and flops}
    same = [row.flops for row in cost.by_module().values() if row.kind == "Conv2d" and "padding=same" in row.config]
    if same:
        unseen["a convolution with padding='same'"] = sum(same)
    return cost.flops - sum(unseen.values()), sorted(unseen)


def figures(name, cost, flops):
    """FLOPs, activations and parameters beside the published ones."""
    theirs = PUBLISHED[name]
    return (
        Figure(flops, theirs.gmacs, "G", 2),
        Figure(cost.activations, theirs.macts, "M", 2),
        Figure(cost.params, theirs.millions, "M", 2),
    )


def compared(name):
    """A model as ``timm.create_model`` makes it beside its published figures, and why they differ if they do."""
    cost = measured(name)
    work, _, params = figures(name, cost, cost.flops)
    why = []
    if not (work.agrees and params.agrees):
        as_published, *why = measured_as_published(name) or [cost]
        unseen = fvcore_flops(as_published)[1]
        why += [f"fvcore has no formula for {' and '.join(unseen)}"] if unseen else []
        why += [WRONG_GMACS[name]] if name in WRONG_GMACS else []
    return Compared(name, "x".join(map(str, inputs(name))), work, params, "; ".join(why))
