"""torchvision's models against the figures torchvision publishes for them.

The published figures (``_ops``: multiply-adds in billions, to three decimals) were made on a 512x512 picture of
noise, or 16 frames of it, after the model's own preprocessing: ``get_ops`` in torchvision's
``test/common_extended_utils.py``.
"""

from __future__ import annotations

import pytest
import torch
import torchvision_kernels
from torch import nn
from torchvision import models
from torchvision.models import detection, get_model_builder, get_model_weights, list_models
from torchvision.ops import DeformConv2d

from pytest_modelbudget import measure
from pytest_modelbudget.core.measure import attempt

PICTURES = [*list_models(module=models), *list_models(module=models.segmentation)]
FILMS = list_models(module=models.video)
PAIRS = list_models(module=models.optical_flow)

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


def build(name):
    return get_model_builder(name)(weights=None, **AS_PUBLISHED.get(name, {}))


def preprocessed(name, *pictures):
    """The shapes that the model's preprocessing makes of pictures."""
    prepared = get_model_weights(name).DEFAULT.transforms()(*map(torch.zeros, pictures))
    return [tuple(tensor.shape) for tensor in ([prepared] if isinstance(prepared, torch.Tensor) else prepared)]


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        *((name, [(1, 3, 512, 512)]) for name in PICTURES),
        *((name, [(1, 16, 3, 512, 512)]) for name in FILMS),
        *((name, [(1, 3, 512, 512)] * 2) for name in PAIRS),
    ],
    ids=[*PICTURES, *FILMS, *PAIRS],
)
def test_static_model(name, pictures):
    """Multiply-adds to the last published digit, parameters exactly, every operator known, nothing computed."""
    published = get_model_weights(name).DEFAULT.meta
    cost = measure(lambda: build(name), inputs=preprocessed(name, *pictures))
    assert round(cost.macs / 1e9, 3) == published["_ops"]
    assert cost.params == published["num_params"]
    assert cost.uncounted == {}
    assert cost.executed == "meta"


# Detectors: a fixed part, and heads that run once for each proposal and once for each detection. With random weights
# there are other proposals than with trained ones, so the published figure is compared after exchanging them.

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

# Those that run at the size they were published at, and how often the heads ran in that run.
PUBLISHED_HEADS = {
    "ssdlite320_mobilenet_v3_large": (0, 0),
    "ssd300_vgg16": (0, 0),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (0, 0),  # trained, it sees nothing in noise: rpn_score_thresh=0.05
    "fasterrcnn_resnet50_fpn": (1000, 0),  # all it may keep: rpn_post_nms_top_n_test=1000
}
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


@pytest.mark.parametrize("name", list_models(module=detection))
def test_detector(name):
    """A detector's shapes depend on its data: it is run for real, says so, and every operator is known."""
    published = get_model_weights(name).DEFAULT.meta
    if name in PUBLISHED_HEADS:
        cost = measure(lambda: detector(name), inputs=[torch.zeros(3, 512, 512)])
    else:
        cost = measure(lambda: detector(name, **SMALL), inputs=[torch.zeros(3, 64, 64)])
    assert cost.executed == "real"
    assert "reads values that the meta device does not have" in cost.notes[0]
    assert cost.uncounted == {}
    assert cost.params == published["num_params"] + frozen_when_published(name)
    proposals, detections = heads(name, cost)
    assert proposals <= 1000
    assert detections <= 100
    if name in PER_PROPOSAL:
        assert proposals > 0
    if name in PUBLISHED_HEADS:
        theirs = PUBLISHED_HEADS[name]
        macs = cost.macs + (theirs[0] - proposals) * PER_PROPOSAL.get(name, 0)
        macs += (theirs[1] - detections) * PER_DETECTION.get(name, 0)
        assert round(macs / 1e9, 3) == published["_ops"]


def test_detector_twice():
    """Weights and inputs of a real run are seeded: the number does not depend on what ran before."""
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    torch.manual_seed(1)
    first = measure(lambda: detector(name, **SMALL), inputs=([(3, 64, 64)],))
    torch.manual_seed(2)
    assert measure(lambda: detector(name, **SMALL), inputs=([(3, 64, 64)],)) == first


class Deformed(nn.Module):
    """A 3x2 deformable convolution in two groups, its offsets and masks predicted by plain convolutions."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Conv2d(6, 2 * 3 * 2, (3, 2))
        self.mask = nn.Conv2d(6, 3 * 2, (3, 2))
        self.deformed = DeformConv2d(6, 8, (3, 2), groups=2)

    def forward(self, x):
        return self.deformed(x, self.offset(x), self.mask(x).sigmoid())


@pytest.mark.parametrize("real", [False, True], ids=["meta", "real"])
def test_deformable_convolution(real):
    """It costs what the convolution costs: for each output, 6 / 2 channels of 3x2 taps. Sampling is free."""
    outputs = 2 * (9 - 2) * (11 - 1)  # batch 2, 9x11 pixels, no padding
    cost = attempt(Deformed, real=real, grad=False, inputs=[(2, 6, 9, 11)])
    assert cost.by_module()["deformed"].macs == outputs * 8 * (6 // 2 * 3 * 2)
    assert cost.macs == outputs * (8 * (6 // 2 * 3 * 2) + (12 + 6) * (6 * 3 * 2))
    assert cost.activations == outputs * (8 + 12 + 6)
    assert cost.uncounted == {}


class TestKernels:
    """The kernels that stand in for torchvision's, by what is known of their results."""

    def test_nms(self):
        """Of two boxes that share 4 of 4.2 the better one stays; the third, alone, stays after it."""
        boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 2.1], [5, 5, 6, 6]])
        kept = torchvision_kernels.nms(boxes, torch.tensor([0.1, 0.9, 0.5]), 0.5)
        assert kept.tolist() == [1, 2]

    @pytest.mark.parametrize("sampling_ratio", [2, 0])
    def test_roi_align_of_a_slope(self, sampling_ratio):
        """On a slope the mean of a bin is the value at its middle: bins of 2x3 pixels from (1, 2) on."""
        slope = (10 * torch.arange(16.0)[:, None] + torch.arange(16.0)).expand(2, 1, 16, 16)
        regions = torch.tensor([[1, 2, 1, 2 + 3 * 3, 1 + 2 * 2]]).float()
        pooled = torchvision_kernels.roi_align(slope, regions, 1.0, 2, 3, sampling_ratio, False)
        middles = [[10 * y + x for x in (3.5, 6.5, 9.5)] for y in (2.0, 4.0)]
        torch.testing.assert_close(pooled, torch.tensor([[middles]]))

    def test_deform_conv2d_without_offsets(self):
        """Offsets of zero leave a convolution; of one, a convolution of the picture moved by one."""
        image, weight, bias = torch.randn(2, 6, 9, 11), torch.randn(8, 3, 3, 2), torch.randn(8)
        whole = torch.nn.functional.pad(image, (0, 1, 0, 1))
        for step in (0, 1):
            offset = torch.full((2, 2 * 2 * 6, 7, 10), float(step))
            moved = whole[:, :, step : step + 9, step : step + 11]
            plain = torch.nn.functional.conv2d(moved, weight, bias, groups=2)
            mask = torch.full((2, 2 * 6, 7, 10), 1.0)
            ours = torchvision_kernels.deform_conv2d(image, weight, offset, mask, bias, 1, 1, 0, 0, 1, 1, 2, 2, True)
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
