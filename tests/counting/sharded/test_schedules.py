"""Steps that ranks share in other ways: schedules of a pipeline, and attention over parts of a sequence."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from counting.sharded.models import WIDTH, Feed
from releases import RELEASE
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.distributed.pipelining import schedules as all_schedules
from torch.distributed.tensor.experimental import context_parallel

from pytest_modelbudget import BudgetError, measure

pytestmark = pytest.mark.filterwarnings("ignore")


class Stages(nn.Module):
    """Two stages of four, in the places that a schedule gives to this rank."""

    def __init__(self, schedule: str) -> None:
        super().__init__()
        rank, size = dist.get_rank(), 2 * dist.get_world_size()
        self.places = (rank, size - 1 - rank) if schedule == "ScheduleZBVZeroBubble" else (rank, rank + size // 2)
        self.blocks = nn.ModuleList(Feed() for _ in self.places)
        self.last = size - 1
        stages = [
            PipelineStage(
                block, place, size, torch.device("cuda", rank),
                input_args=torch.empty(4, WIDTH, device="meta", requires_grad=place > 0),
                output_args=torch.empty(4, WIDTH, device="meta", requires_grad=True),
            )
            for block, place in zip(self.blocks, self.places, strict=True)
        ]  # fmt: skip
        self.schedule = getattr(all_schedules, schedule)(stages, n_microbatches=4, loss_fn=F.mse_loss)


def step(model: Stages, x: torch.Tensor) -> None:
    target = torch.zeros_like(x) if model.last in model.places else None
    model.schedule.step(*[x] if 0 in model.places else [], target=target)


@pytest.mark.parametrize(
    ("schedule", "sends"),
    # of 4 micro-batches: to the next stage forward, to the one before backward, where that is another rank's
    [
        ("ScheduleInterleaved1F1B", 12),
        ("ScheduleInterleavedZeroBubble", 12),
        pytest.param(
            "ScheduleZBVZeroBubble",
            8,
            marks=pytest.mark.skipif(
                RELEASE < (2, 10), reason="PyTorch 2.8 also sends what a stage gives to the next one of the same rank"
            ),
        ),
    ],
)
def test_several_stages_of_one_rank(schedule, sends):
    """The first stage needs no gradient of its input; the device that a script names is not there."""
    forward = 2 * 16 * 2 * 4 * WIDTH * WIDTH  # two linear layers in each of two stages, 16 samples
    for rank in (0, 1):
        cost = measure(lambda: Stages(schedule), inputs=(16, WIDTH), ranks=2, rank=rank, mode="train", step=step)
        assert cost.executed == "meta"
        assert cost.macs == 3 * forward - (16 * 4 * WIDTH * WIDTH if rank == 0 else 0)
        sent = {one.kind: (one.calls, one.sent) for one in cost.collectives}
        assert sent["send"] == (sends, sends * 4 * WIDTH * 4)


@pytest.mark.skipif(RELEASE < (2, 12), reason="the stage reads sizes that were sent, which is told as any other read")
def test_a_stage_has_to_know_its_shapes():
    """PyTorch lets the stage before send them, and that rank does not run. From 2.15 on, PyTorch says so itself."""

    def step(model, x):
        stage = PipelineStage(model, dist.get_rank(), 2, torch.device("cpu"))
        ScheduleGPipe(stage, n_microbatches=2, loss_fn=F.mse_loss).step(x)

    with pytest.raises(BudgetError, match=r"give it input_args= and output_args=|Provide complete static metadata"):
        measure(Feed, inputs=(8, WIDTH), ranks=2, mode="train", step=step)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class InParts(nn.Module):
    """Attention, of which each rank has a part of the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        with context_parallel(init_device_mesh("cuda", (dist.get_world_size(),)), buffers=[x], buffer_seq_dims=[1]):
            return self.inner(x)


def and_back(model: InParts, x: torch.Tensor) -> None:
    x = x.clone()
    with context_parallel(init_device_mesh("cuda", (dist.get_world_size(),)), buffers=[x], buffer_seq_dims=[1]):
        model.inner(x).sum().backward()


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_context_parallel(mode):
    """Ring attention of 2 ranks over 128 tokens, of which each has 64: it skips what comes later, by halves.

    A rank multiplies its 64 queries with its own 64 keys, then 64 x 32 with those of the other rank, whose keys and
    values it gathers; backward does so again and sends their gradients on.
    """
    batch, tokens = 2, 64
    linear = batch * tokens * 4 * WIDTH * WIDTH
    attention = 2 * batch * WIDTH * (64 * 64 + 64 * 32)
    own = 2 * batch * tokens * WIDTH * 4  # bytes of the keys and values of one rank
    training = {"mode": "train", "step": and_back} if mode == "train" else {}
    for rank in (0, 1):
        cost = measure(InParts, inputs=(batch, 2 * tokens, WIDTH), ranks=2, rank=rank, **training)
        assert cost.executed == "meta"
        sent = {one.kind: (one.calls, one.payload, one.sent) for one in cost.collectives}
        if mode == "infer":
            assert cost.macs == linear + attention
            assert sent == {"all_gather": (1, 2 * own, own)}
        else:  # the input needs no gradient
            assert cost.macs == 3 * linear - batch * tokens * 3 * WIDTH * WIDTH + 3 * attention
            assert sent == {"all_gather": (2, 4 * own, 2 * own), "all_to_all": (2, 2 * own, 2 * own)}


def test_exchange_of_parts_of_other_sizes():
    """Rank 1 of 2 keeps its own part: 2 of 8 rows of 4 numbers."""

    class Uneven(Feed):
        def forward(self, x):
            dist.all_to_all_single(torch.empty_like(x), x, output_split_sizes=[6, 2], input_split_sizes=[6, 2])
            return x

    (one,) = measure(Uneven, inputs=(8, 4), ranks=2, rank=1).collectives
    assert (one.payload, one.sent) == (8 * 4 * 4, 6 * 4 * 4)


def test_gradients_taken_by_a_step():
    """A step that returns nothing and takes gradients by ``torch.autograd.grad`` has gone back."""

    def step(model, x):
        loss = model(x).sum()
        for parameter, gradient in zip(
            model.parameters(), torch.autograd.grad(loss, [*model.parameters()]), strict=True
        ):
            parameter.grad = gradient

    cost = measure(Feed, inputs=(8, WIDTH), mode="train", step=step)
    assert cost.macs == 8 * 4 * WIDTH * WIDTH * 5  # two layers; of the first one's input, no gradient
    assert cost.peak.kinds["gradients"] or cost.peak.kinds["optimizer"]
