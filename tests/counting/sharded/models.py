"""Small models, and the ways in which they are spread over ranks: written as a training script writes them."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

WIDTH, HEADS, TOKENS, VOCABULARY = 32, 4, 12, 64


class Feed(nn.Module):
    """An MLP with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.gelu(self.up(x)))


class Attention(nn.Module):
    """Attention over the heads that this rank has."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = WIDTH // HEADS
        q, k, v = (part(x).unflatten(-1, (-1, size)).transpose(1, 2) for part in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(seen.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A block of a transformer, normalised before."""

    def __init__(self, *, causal: bool) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(WIDTH), Attention(causal=causal)
        self.norm2, self.feed = nn.LayerNorm(WIDTH), Feed()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm(x))
        return x + self.feed(self.norm2(x))


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Feed() for _ in range(3))
        self.head = nn.Linear(WIDTH, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block(causal=True) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        self.place = nn.Parameter(torch.zeros(1, 16, WIDTH))
        self.blocks = nn.ModuleList(Block(causal=False) for _ in range(3))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


class Stage(nn.Module):
    """What one rank has of an MLP in a pipeline, with its schedule of four micro-batches."""

    def __init__(self, schedule: type) -> None:
        super().__init__()
        self.block = Feed()
        rank, size, batch = dist.get_rank(), dist.get_world_size(), (4, WIDTH)
        stage = PipelineStage(
            self, rank, size, torch.device("cpu"),
            input_args=torch.empty(batch, device="meta", requires_grad=rank > 0),
            output_args=torch.empty(batch, device="meta", requires_grad=True),
        )  # fmt: skip
        self.schedule = schedule(stage, n_microbatches=4, loss_fn=F.mse_loss)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


def scheduled(stage: Stage, x: torch.Tensor) -> None:
    """Forward and backward of all micro-batches."""
    rank, size = dist.get_rank(), dist.get_world_size()
    stage.schedule.step(*[x] if rank == 0 else [], target=torch.zeros_like(x) if rank == size - 1 else None)


SCHEDULES = {"gpipe": ScheduleGPipe, "1f1b": Schedule1F1B}

MODELS = {"mlp": MLP, "gpt": GPT, "vit": ViT}
INPUTS = {
    "mlp": lambda: torch.zeros(6, WIDTH),
    "gpt": lambda: torch.zeros(2, TOKENS, dtype=torch.int64),
    "vit": lambda: torch.zeros(2, 3, 16, 16),
    "stage": lambda: torch.zeros(16, WIDTH),
}

FEED = {"up": ColwiseParallel(), "down": RowwiseParallel()}
BLOCK = {
    **{f"attention.{name}": ColwiseParallel() for name in "qkv"},
    "attention.out": RowwiseParallel(),
    **{f"feed.{name}": style for name, style in FEED.items()},
}


def tensor_parallel(model: nn.Module, mesh: object) -> nn.Module:
    for block in model.blocks:
        parallelize_module(block, mesh, FEED if isinstance(block, Feed) else BLOCK)
    return model


def sharded(model: nn.Module, mesh: object) -> nn.Module:
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def built(name: str, way: str, world: int) -> nn.Module:
    """The model ``name``, spread over ``world`` ranks in a ``way``; for a stage of a pipeline, that is its schedule."""
    if name == "stage":
        return Stage(SCHEDULES[way])
    model = MODELS[name]()
    if way == "fsdp":
        return sharded(model, init_device_mesh("cpu", (world,)))
    if way == "tp":
        return tensor_parallel(model, init_device_mesh("cpu", (world,)))
    if way == "fsdp x tp":
        mesh = init_device_mesh("cpu", (world // 2, 2), mesh_dim_names=("fsdp", "tp"))
        return sharded(tensor_parallel(model, mesh["tp"]), mesh["fsdp"])
    if way == "hsdp":
        return sharded(model, init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("replicas", "shards")))
    if way == "ddp":
        return DistributedDataParallel(model)
    if way == "ddp, views":
        return DistributedDataParallel(model, gradient_as_bucket_view=True)
    return model


WAYS = ("fsdp", "tp", "fsdp x tp", "hsdp", "ddp", "ddp, views")
