"""open-clip-torch: pictures and text."""

from __future__ import annotations

from ecosystem.case import Case, ids, image
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP

VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 16, "vocab_size": 50, "width": 32, "heads": 2, "layers": 2}
PAIR = {"image": image(32), "text": ids()}

CASES = [
    Case("CLIP", lambda: CLIP(32, VISION, TEXT), PAIR),
    Case("CLIP with a ResNet", lambda: CLIP(32, {**VISION, "layers": (1, 1, 1, 1), "width": 16}, TEXT), PAIR),
    Case("CustomTextCLIP", lambda: CustomTextCLIP(32, VISION, TEXT, quick_gelu=True), PAIR),
    Case("CoCa", lambda: CoCa(
        32, {**TEXT, "mlp_ratio": 2}, {**TEXT, "embed_cls": True, "output_tokens": True},
        {**VISION, "attentional_pool": True, "attn_pooler_queries": 8, "attn_pooler_heads": 4, "output_tokens": True}),
        PAIR),
]  # fmt: skip
