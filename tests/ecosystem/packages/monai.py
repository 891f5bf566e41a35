"""MONAI: networks for volumes."""

from __future__ import annotations

import torch
from ecosystem.case import Case
from monai.networks import nets


def volume(side: int = 32) -> torch.Tensor:
    return torch.zeros(1, 1, side, side, side)


CASES = [
    Case("UNet", lambda: nets.UNet(3, 1, 2, channels=(8, 16, 32), strides=(2, 2), num_res_units=2), (volume(),)),
    Case("AttentionUnet", lambda: nets.AttentionUnet(3, 1, 2, channels=(8, 16), strides=(2,)), (volume(16),)),
    Case("SegResNet", lambda: nets.SegResNet(init_filters=8, blocks_down=(1, 1), blocks_up=(1,)), (volume(16),)),
    Case(
        "DynUNet",
        lambda: nets.DynUNet(3, 1, 2, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2],
                             filters=[8, 16, 16]),
        (volume(16),),
    ),
    Case("UNETR", lambda: nets.UNETR(1, 2, (32, 32, 32), 8, 24, 48, 2), (volume(),)),
    Case("SwinUNETR", lambda: nets.SwinUNETR(1, 2, feature_size=12, depths=(1, 1, 1, 1)), (volume(64),)),
    Case("DenseNet121", lambda: nets.DenseNet121(2, 1, 3), (torch.zeros(1, 1, 64, 64),)),
]  # fmt: skip
