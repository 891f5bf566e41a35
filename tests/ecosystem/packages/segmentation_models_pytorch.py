"""segmentation-models-pytorch: decoders on a ResNet-18 or a MiT."""

from __future__ import annotations

import segmentation_models_pytorch as smp
from ecosystem.case import Case, image

PLAIN = {"encoder_weights": None, "classes": 3}

CASES = [
    Case("Unet", lambda: smp.Unet("resnet18", decoder_attention_type="scse", **PLAIN), (image(64),)),
    Case("FPN", lambda: smp.FPN("resnet18", **PLAIN), (image(64),)),
    Case("MAnet", lambda: smp.MAnet("resnet18", **PLAIN), (image(64),)),
    Case("DeepLabV3Plus", lambda: smp.DeepLabV3Plus("resnet18", **PLAIN), (image(64, batch=2),)),
    Case("Segformer", lambda: smp.Segformer("mit_b0", **PLAIN), (image(64),)),
]
