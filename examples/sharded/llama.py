"""Llama 3 as torchtitan trains it: FSDP2 by block, tensor and sequence parallelism, checkpointing, bf16 products.

Each factory calls what a training script calls. ``modelbudget`` runs it as one of ``ranks`` processes, of which there
is only this one, without a GPU:

    modelbudget count examples/sharded/llama.py:llama_70b --ranks 64 --batch 1 --seq 8192 --mode train --device H100
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.utils.checkpoint import checkpoint


class Attention(nn.Module):
    """Grouped queries, with rotary embeddings; over the heads that this rank has."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.head = width // heads
        self.wq = nn.Linear(width, heads * self.head, bias=False)
        self.wk = nn.Linear(width, kv_heads * self.head, bias=False)
        self.wv = nn.Linear(width, kv_heads * self.head, bias=False)
        self.wo = nn.Linear(heads * self.head, width, bias=False)

    def forward(self, x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        q, k, v = (part(x).unflatten(-1, (-1, self.head)).transpose(1, 2) for part in (self.wq, self.wk, self.wv))
        q, k = rotated(q, rotation), rotated(k, rotation)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.wo(seen.transpose(1, 2).flatten(2))


def rotated(x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """Pairs of a head's numbers, turned by an angle that grows with the position, in fp32 as Llama does it."""
    pairs = x.float().unflatten(-1, (-1, 2))
    cos, sin = rotation.unbind(-1)
    one, other = pairs.unbind(-1)
    return torch.stack((one * cos - other * sin, one * sin + other * cos), -1).flatten(-2).type_as(x)


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w1, self.w3 = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    """A block, of which backward computes everything again but its input."""

    def __init__(self, width: int, heads: int, kv_heads: int, inner: int) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.attention, self.feed_forward = Attention(width, heads, kv_heads), FeedForward(width, inner)

    def forward(self, x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        return checkpoint(self._whole, x, rotation, use_reentrant=False)

    def _whole(self, x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x), rotation)
        return x + self.feed_forward(self.ffn_norm(x))


class Llama(nn.Module):
    """Llama 3, with its loss over the part of the vocabulary that this rank has."""

    def __init__(self, width: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(Block(width, heads, kv_heads, inner) for _ in range(layers))
        self.norm, self.output = nn.RMSNorm(width), nn.Linear(width, vocabulary, bias=False)
        self.head = width // heads

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        rotation = torch.empty(tokens.shape[1], self.head // 2, 2, device=tokens.device)
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x, rotation)
        scores = self.output(self.norm(x)).flatten(0, 1).float()
        return F.cross_entropy(scores, tokens.flatten())


def parallelised(model: Llama, fsdp: int, tp: int) -> nn.Module:
    """Tensor parallelism inside, the sequence divided between; then FSDP, which gathers in bf16 and sums in fp32."""
    mesh = init_device_mesh("cuda", (fsdp, tp), mesh_dim_names=("fsdp", "tp"))
    if tp > 1:
        whole, sequence = Replicate(), Shard(1)
        parallelize_module(
            model,
            mesh["tp"],
            {
                "tok_embeddings": RowwiseParallel(input_layouts=whole, output_layouts=sequence),
                "norm": SequenceParallel(),
                "output": ColwiseParallel(input_layouts=sequence),
            },
        )
        for layer in model.layers:
            parallelize_module(
                layer,
                mesh["tp"],
                {
                    "attention_norm": SequenceParallel(),
                    "attention": PrepareModuleInput(
                        input_layouts=(sequence, None), desired_input_layouts=(whole, None)
                    ),
                    **{f"attention.{name}": ColwiseParallel() for name in ("wq", "wk", "wv")},
                    "attention.wo": RowwiseParallel(output_layouts=sequence),
                    "ffn_norm": SequenceParallel(),
                    "feed_forward": PrepareModuleInput(input_layouts=(sequence,), desired_input_layouts=(whole,)),
                    "feed_forward.w1": ColwiseParallel(),
                    "feed_forward.w3": ColwiseParallel(),
                    "feed_forward.w2": RowwiseParallel(output_layouts=sequence),
                },
            )
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for layer in model.layers:
        fully_shard(layer, mesh=mesh["fsdp"], mp_policy=policy)
    return fully_shard(model, mesh=mesh["fsdp"], mp_policy=policy)


def llama_8b(ranks: int) -> nn.Module:
    """Llama 3 8B with FSDP2."""
    return parallelised(Llama(4096, 32, 32, 8, 14336, 128256), ranks, 1)


def llama_70b(ranks: int) -> nn.Module:
    """Llama 3 70B with FSDP2."""
    return parallelised(Llama(8192, 80, 64, 8, 28672, 128256), ranks, 1)


def llama_70b_tp(ranks: int) -> nn.Module:
    """Llama 3 70B, each layer divided among 8 ranks, FSDP2 over the others."""
    return parallelised(Llama(8192, 80, 64, 8, 28672, 128256), ranks // 8, 8)
