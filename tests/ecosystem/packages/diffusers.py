"""diffusers: what denoises, and what encodes pictures to latents."""

from __future__ import annotations

import diffusers
import torch
from ecosystem.case import Case, image

BLOCKS_2D = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
CROSS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
TIME = torch.tensor([10])
TEXT = torch.zeros(1, 7, 24)


def vae() -> torch.nn.Module:
    return diffusers.AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
    )


def flux() -> torch.nn.Module:
    return diffusers.FluxTransformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=24, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip


def wan() -> torch.nn.Module:
    return diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=24,
        freq_dim=16, ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
    )  # fmt: skip


CASES = [
    Case(
        "UNet2DModel",
        lambda: diffusers.UNet2DModel(
            32, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, attention_head_dim=8, **BLOCKS_2D
        ),
        {"sample": image(32), "timestep": TIME},
    ),
    Case(
        "UNet2DConditionModel",
        lambda: diffusers.UNet2DConditionModel(16, up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **CROSS),
        {"sample": image(16, channels=4), "timestep": TIME, "encoder_hidden_states": TEXT},
    ),
    Case(
        "ControlNetModel",
        lambda: diffusers.ControlNetModel(conditioning_embedding_out_channels=(8, 16), **CROSS),
        {
            "sample": image(16, channels=4), "timestep": TIME, "encoder_hidden_states": TEXT,
            "controlnet_cond": image(32),
        },
    ),
    Case("AutoencoderKL", vae, (image(32),)),
    Case("AutoencoderTiny", lambda: diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1)), (image(32),)),
    Case(
        "DiTTransformer2DModel",
        lambda: diffusers.DiTTransformer2DModel(2, 12, num_layers=2, sample_size=8, num_embeds_ada_norm=10),
        {"hidden_states": image(8, channels=4), "timestep": TIME, "class_labels": torch.tensor([3])},
    ),
    Case(
        "SD3Transformer2DModel",
        lambda: diffusers.SD3Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=2,
            joint_attention_dim=24, caption_projection_dim=16, pooled_projection_dim=24, out_channels=4,
        ),
        {
            "hidden_states": image(8, channels=4), "encoder_hidden_states": TEXT,
            "pooled_projections": torch.zeros(1, 24), "timestep": TIME,
        },
    ),
    Case(
        "FluxTransformer2DModel",
        flux,
        {
            "hidden_states": torch.zeros(1, 16, 4), "encoder_hidden_states": TEXT,
            "pooled_projections": torch.zeros(1, 24), "timestep": torch.tensor([0.5]),
            "img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(7, 3),
        },
    ),
    Case(
        "WanTransformer3DModel",
        wan,
        {"hidden_states": torch.zeros(1, 4, 2, 8, 8), "timestep": TIME, "encoder_hidden_states": TEXT},
    ),
]  # fmt: skip
