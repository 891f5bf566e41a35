"""vit-pytorch: vision transformers."""

from __future__ import annotations

import torch
from ecosystem.case import Case, image
from vit_pytorch import SimpleViT, ViT
from vit_pytorch.cait import CaiT
from vit_pytorch.cct import CCT
from vit_pytorch.cvt import CvT
from vit_pytorch.max_vit import MaxViT
from vit_pytorch.na_vit import NaViT
from vit_pytorch.simple_flash_attn_vit import SimpleViT as FlashViT
from vit_pytorch.simple_vit_with_fft import SimpleViT as FourierViT
from vit_pytorch.xcit import XCiT

SMALL = {"image_size": 32, "patch_size": 8, "num_classes": 10, "dim": 32, "heads": 2, "mlp_dim": 48, "dim_head": 16}

CASES = [
    Case("ViT", lambda: ViT(**SMALL, depth=2), (image(32),)),
    Case("SimpleViT", lambda: SimpleViT(**SMALL, depth=2), (image(32),)),
    Case("SimpleViT, flash", lambda: FlashViT(**SMALL, depth=2), (image(32),), attention="fused",
         beyond={"scaled_dot_product_attention": 2 * 2 * 2 * 16 * 16 * 32}),
    Case("SimpleViT with FFT", lambda: FourierViT(**SMALL, freq_patch_size=8, depth=2), (image(32),),
         beyond={"fft2": 5 * 3 * 32 * 32 * 10},
         memory="counts its two tables of positions, plain attributes, once .to() returns them"),
    Case("CaiT", lambda: CaiT(**SMALL, depth=2, cls_depth=1), (image(32),)),
    Case("XCiT", lambda: XCiT(**SMALL, depth=2, cls_depth=1), (image(32),)),
    Case("CCT", lambda: CCT(32, embedding_dim=32, n_conv_layers=1, num_layers=2, num_heads=2, mlp_ratio=2,
                            num_classes=10), (image(32),)),
    Case("CvT", lambda: CvT(num_classes=10, s1_emb_dim=16, s2_emb_dim=32, s2_heads=2, s2_depth=1, s3_emb_dim=48,
                            s3_heads=2, s3_depth=1), (image(64),)),
    Case("MaxViT", lambda: MaxViT(num_classes=10, dim_conv_stem=16, dim=16, dim_head=8, depth=(1, 1), window_size=4),
         (image(64),)),
    Case("NaViT", lambda: NaViT(**SMALL, depth=2), ([[torch.zeros(3, 16, 24), torch.zeros(3, 32, 8)],
                                                    [torch.zeros(3, 32, 32)]],)),
]  # fmt: skip
