"""torchvision's models and the figures torchvision publishes for them.

The published figures (``_ops``: multiply-adds in billions, to three decimals) were made on a 512x512 picture of
noise, or 16 frames of it, after the model's own preprocessing: ``get_ops`` in torchvision's
``test/common_extended_utils.py``.
"""

from __future__ import annotations

import torch
from torch import nn
from torchvision import models
from torchvision.models import detection, get_model_builder, get_model_weights, list_models
from zoo.comparison import Compared, Figure

from pytest_modelbudget import measure

PICTURES = [*list_models(module=models), *list_models(module=models.segmentation)]
FILMS = list_models(module=models.video)
PAIRS = list_models(module=models.optical_flow)
STATIC = {
    **{name: [(1, 3, 512, 512)] for name in PICTURES},
    **{name: [(1, 16, 3, 512, 512)] for name in FILMS},
    **{name: [(1, 3, 512, 512)] * 2 for name in PAIRS},
}
"""Models whose shapes do not depend on data, and the pictures they were published on."""

# What the published model was built with, where it is not what the builder does without weights.
AS_PUBLISHED = {
    "googlenet": {"aux_logits": False, "init_weights": True},  # its auxiliary heads were dropped when it was published
    "inception_v3": {"init_weights": True},
    "vit_h_14": {"image_size": 518},
    "lraspp_mobilenet_v3_large": {"weights_backbone": None},
    **{
        name: {"weights_backbone": None, "aux_loss": True}
        for name in list_models(module=models.segmentation)
        if not name.startswith("lraspp")
    },
}


def published(name):
    return get_model_weights(name).DEFAULT.meta


def static_model(name):
    return get_model_builder(name)(weights=None, **AS_PUBLISHED.get(name, {}))


def static_inputs(name):
    """The shapes that the model's preprocessing makes of the pictures."""
    prepared = get_model_weights(name).DEFAULT.transforms()(*map(torch.zeros, STATIC[name]))
    return [tuple(tensor.shape) for tensor in ([prepared] if isinstance(prepared, torch.Tensor) else prepared)]


def compared_static(name):
    """A static model beside its published figures, and its `Cost`."""
    shapes = static_inputs(name)
    cost = measure(lambda: static_model(name), inputs=shapes)
    meta = published(name)
    work, params = Figure(cost.macs, meta["_ops"], "G", 3), Figure(cost.params, meta["num_params"])
    return Compared(name, " and ".join("x".join(map(str, shape)) for shape in shapes), work, params), cost


DETECTORS = list_models(module=detection)

# A detector has a fixed part, and heads that run once for each proposal and once for each detection. With random
# weights there are other proposals than with trained ones: the published figure is compared after exchanging them.

CLASSES = 91
BOX_HEAD = 256 * 7 * 7 * 1024 + 1024 * 1024  # two fully connected layers on 7x7 features
BOX_HEAD_V2 = 4 * (7 * 7 * 256 * 256 * 9) + 256 * 7 * 7 * 1024  # four convolutions and one fully connected layer
PREDICTOR = 1024 * (CLASSES + 4 * CLASSES)  # a score and a box for each class
MASK_HEAD = 4 * (14 * 14 * 256 * 256 * 9)  # four convolutions on 14x14 features
MASKS = 14 * 14 * 256 * 256 * 4 + 28 * 28 * 256 * CLASSES  # a 2x2 transposed convolution, a 1x1 one
MASK_HEAD_V2 = MASK_HEAD
KEYPOINT_HEAD = 14 * 14 * (256 * 512 + 7 * 512 * 512) * 9  # eight convolutions on 14x14 features
KEYPOINTS = 14 * 14 * 512 * 17 * 4 * 4  # a 4x4 transposed convolution to 17 keypoints
PERSON = 1024 * (2 + 4 * 2)  # keypointrcnn tells people from background

PER_PROPOSAL = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": BOX_HEAD + PREDICTOR,
    "fasterrcnn_mobilenet_v3_large_fpn": BOX_HEAD + PREDICTOR,
    "fasterrcnn_resnet50_fpn": BOX_HEAD + PREDICTOR,
    "fasterrcnn_resnet50_fpn_v2": BOX_HEAD_V2 + PREDICTOR,
    "maskrcnn_resnet50_fpn": BOX_HEAD + PREDICTOR,
    "maskrcnn_resnet50_fpn_v2": BOX_HEAD_V2 + PREDICTOR,
    "keypointrcnn_resnet50_fpn": BOX_HEAD + PERSON,
}
PER_DETECTION = {
    "maskrcnn_resnet50_fpn": MASK_HEAD + MASKS,
    "maskrcnn_resnet50_fpn_v2": MASK_HEAD_V2 + MASKS,
    "keypointrcnn_resnet50_fpn": KEYPOINT_HEAD + KEYPOINTS,
}

# How often the heads ran in the published run: proposals (rpn_post_nms_top_n_test=1000 at most), and detections. It is
# not published, but follows from the figure: for Keypoint R-CNN and the second Mask R-CNN no other numbers give it; the
# first has the figure of its Faster R-CNN.
PUBLISHED_HEADS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (0, 0),  # trained, it sees nothing in noise: rpn_score_thresh=0.05
    "fasterrcnn_mobilenet_v3_large_fpn": (0, 0),
    "fasterrcnn_resnet50_fpn": (1000, 0),
    "fasterrcnn_resnet50_fpn_v2": (1000, 0),
    "fcos_resnet50_fpn": (0, 0),
    "keypointrcnn_resnet50_fpn": (1000, 1),
    "maskrcnn_resnet50_fpn": (1000, 0),
    "maskrcnn_resnet50_fpn_v2": (1000, 100),  # box_detections_per_img=100
    "retinanet_resnet50_fpn": (0, 0),
    "retinanet_resnet50_fpn_v2": (0, 0),
    "ssd300_vgg16": (0, 0),
    "ssdlite320_mobilenet_v3_large": (0, 0),
}
QUICK = {
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
}
"""Detectors that run at the size they were published at in every run of the tests, rather than on small pictures."""

SMALL = {"min_size": 64, "max_size": 64}


def detector(name, **size):
    return get_model_builder(name)(weights=None, weights_backbone=None, **size)


def frozen_when_published(name):
    """Elements of batch norms that are parameters here and frozen, so buffers, in the published model."""
    if name.endswith("_v2") or name.startswith("ssd"):
        return 0
    with torch.device("meta"):
        backbone = detector(name).backbone
    return 2 * sum(m.num_features for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))


def heads(name, cost):
    """How often the heads ran, by what a run costs: (proposals, detections)."""
    if name not in PER_PROPOSAL:
        return 0, 0
    rows = cost.by_module()
    box = rows["roi_heads.box_head"].macs + rows["roi_heads.box_predictor"].macs
    proposals, rest = divmod(box, PER_PROPOSAL[name])
    assert rest == 0
    detections, rest = divmod(rows["roi_heads"].macs - box, PER_DETECTION.get(name, 1))
    assert rest == 0
    return proposals, detections


def compared_detector(name, *, small=False):
    """A detector beside its published figures, and its `Cost`. Raises if its heads did not run a whole number of times.

    Its multiply-adds are those with the published number of proposals and detections. On a ``small`` picture they are
    not compared.
    """
    side = 64 if small else 512
    cost = measure(lambda: detector(name, **(SMALL if small else {})), inputs=[torch.zeros(3, side, side)])
    meta, frozen, theirs = published(name), frozen_when_published(name), PUBLISHED_HEADS[name]
    each = PER_PROPOSAL.get(name, 0), PER_DETECTION.get(name, 0)
    ours = heads(name, cost)
    macs = cost.macs + sum((t - o) * macs for t, o, macs in zip(theirs, ours, each, strict=True))
    why = []
    if name in PER_PROPOSAL:
        why.append(f"work as if {theirs[0]} proposals and {theirs[1]} detections were made, as when it was published")
    if frozen:
        why.append(f"published with {frozen:,} norm parameters frozen: buffers")
    work = Figure(macs, None if small else meta["_ops"], "G", 3)
    return Compared(name, f"3x{side}x{side}", work, Figure(cost.params, meta["num_params"]), "; ".join(why)), cost
