"""The models of the tables, built on the meta device as the tables' runs had them: timm's by name, and transformers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import torchvision_ops

torchvision_ops.install()

import timm  # noqa: E402
import timm.layers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from .tables import Setting  # noqa: E402

GPT = {  # layers, width, heads
    "gpt2_large": (36, 1280, 20, 1024),
    "gpt3_xl": (24, 3072, 24, 2048),
    "gpt3_27": (32, 2560, 32, 2048),
}
"""NeuSight's sizes of GPT (S. Lee et al., ASPLOS 2025, DLmodel_configs): layers, width, heads, context."""


@contextmanager
def built(name: str, setting: Setting, res: int) -> Iterator[tuple[torch.nn.Module, Callable[[Any], Any] | None]]:
    """A model without memory, its loss, and timm's switches as they were."""
    if name in GPT or name.startswith(("bert", "opt")):
        yield transformer(name, setting.mode), None
        return
    timm.layers.set_fast_norm(setting.fast_norm)
    timm.layers.set_fused_attn(not setting.written_attention)
    try:
        yield _timm(name, setting.mode, setting.fast_norm, setting.written_attention, res), None
    finally:
        timm.layers.set_fast_norm(False)
        timm.layers.set_fused_attn(True)


@lru_cache(maxsize=2)
def _timm(name: str, mode: str, fast_norm: bool, written: bool, res: int) -> torch.nn.Module:
    options: list[dict[str, Any]] = [{}]
    if mode == "train" and written:
        options.insert(0, {"global_pool": "fast"})
    default = timm.get_pretrained_cfg(name)
    if default is not None and default.input_size[1] != res:
        options = [{**one, "img_size": res} for one in options] + options
    for number, one in enumerate(options):
        try:
            with torch.device("meta"):
                return timm.create_model(name, **one)
        except (TypeError, AssertionError, ValueError, RuntimeError) as error:
            if "autocast" in str(error):  # its constructor runs a part of it, with fast norms
                return timm.create_model(name, **one)
            if number == len(options) - 1:
                raise
    raise AssertionError("there is always a last one")


def transformer(name: str, mode: str) -> torch.nn.Module:
    """One of NeuSight's models: attention written out, as in its runs."""
    with torch.device("meta"):
        if name in GPT:
            layers, width, heads, context = GPT[name]
            config = transformers.GPT2Config(
                n_layer=layers, n_embd=width, n_head=heads, n_positions=context, use_cache=False
            )
            config._attn_implementation = "eager"
            return transformers.GPT2LMHeadModel(config)
        if name.startswith("bert"):
            config = transformers.BertConfig(
                vocab_size=30522, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
            )
            config._attn_implementation = "eager"
            if mode == "train":
                return transformers.BertForPreTraining(config)
            return transformers.BertForSequenceClassification(config)
        config = transformers.OPTConfig(
            hidden_size=2048,
            ffn_dim=8192,
            num_attention_heads=32,
            num_hidden_layers=24,
            word_embed_proj_dim=2048,
            max_position_embeddings=2048,
            vocab_size=50272,
            use_cache=False,
        )
        config._attn_implementation = "eager"
        return transformers.OPTForCausalLM(config)
