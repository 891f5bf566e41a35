"""kornia: what finds and describes points of a picture."""

from __future__ import annotations

import torch
from ecosystem.case import Case, image
from kornia import feature

PATCHES = (torch.zeros(4, 1, 32, 32),)

CASES = [
    Case("HardNet", lambda: feature.HardNet(pretrained=False), PATCHES),
    Case("HyNet", lambda: feature.HyNet(pretrained=False), PATCHES),
    Case("SOSNet", lambda: feature.SOSNet(pretrained=False), PATCHES),
    Case("TFeat", lambda: feature.TFeat(pretrained=False), PATCHES),
    Case("DISK", lambda: feature.DISK(), (image(32),), real="as many points as the picture has"),
    Case(
        "LoFTR",
        lambda: feature.LoFTR(None),
        ({"image0": image(64, channels=1), "image1": image(64, channels=1)},),
        real="as many matches as the pictures have",
    ),
]
