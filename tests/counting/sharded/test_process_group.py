"""The process group of a count, and of the user's own: what is there before is there after, whatever happens."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from counting.sharded.models import INPUTS, built
from torch import nn

from pytest_modelbudget import BudgetError, UsageError, measure

pytestmark = pytest.mark.filterwarnings("ignore")
X = INPUTS["mlp"]()


@pytest.fixture
def own_group(tmp_path):
    """A group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def groups():
    return list(dist.distributed_c10d._world.pg_map)


class Raises(nn.Linear):
    def forward(self, x):
        raise ValueError("not today")


def test_there_is_no_group_after_a_count():
    before = sys.excepthook
    assert measure(lambda: built("mlp", "fsdp", 4), inputs=X, ranks=4).global_params
    with pytest.raises(BudgetError, match="not today"):
        measure(lambda: Raises(2, 2), inputs=X, ranks=4)
    with pytest.raises(BudgetError, match="by 5 or not at all"):
        measure(lambda: exec('raise ValueError("by 5 or not at all")'), inputs=X, ranks=4)
    assert not dist.is_initialized()
    assert sys.excepthook is before


def test_the_users_own_group_is_used_and_left(own_group):
    before = groups()
    cost = measure(lambda: built("mlp", "fsdp", 1), inputs=X, ranks=1, mode="train")
    assert cost.memory == measure(lambda: built("mlp", "fsdp", 1), inputs=X, mode="train").memory
    with pytest.raises(BudgetError, match="not today"):
        measure(lambda: Raises(2, 2), inputs=X, ranks=1)
    with pytest.raises(UsageError, match="2 ranks are asked for, and this process is in a group of 1"):
        measure(lambda: built("mlp", "fsdp", 2), inputs=X, ranks=2)
    assert dist.group.WORLD is own_group
    assert groups() == before
    one = torch.ones(1)
    dist.all_reduce(one)
    assert one == 1


def test_groups_made_beside_the_users_own_are_gone(own_group):
    before = groups()

    def factory():
        dist.new_group([0])
        return built("mlp", "fsdp", 1)

    measure(factory, inputs=X)
    assert groups() == before


@pytest.mark.parametrize("name", ["mlp", "gpt", "vit"])
@pytest.mark.parametrize("way", ["fsdp", "tp", "ddp", "ddp, views"])
@pytest.mark.parametrize("has_run", [False, True], ids=["new", "has run"])
def test_an_instance_is_measured_and_left_whole(own_group, name, way, has_run):
    """Afterwards it trains as one that was never measured."""
    models, x = [], INPUTS[name]()
    for _ in range(2):
        torch.manual_seed(0)
        model = built(name, way, 1)
        models.append((model, torch.optim.SGD(model.parameters(), lr=0.1)))
        if has_run:
            step(*models[-1], x)
    (measured, optimizer), (other, others) = models
    tensors = dict(measured.state_dict())
    for mode in ("infer", "train"):
        cost = measure(measured, inputs=x, mode=mode)
        factory = measure(lambda: built(name, way, 1), inputs=x, mode=mode)
        assert (cost.memory, cost.flops, cost.collectives) == (factory.memory, factory.flops, factory.collectives)
        assert cost.executed == "meta"
    assert all(measured.state_dict()[key] is tensor or key for key, tensor in tensors.items())
    assert [p.grad for p in measured.parameters()] == [None] * len(tensors)
    step(measured, optimizer, x)
    step(other, others, x)
    torch.testing.assert_close(measured(x), other(x))


def step(model, optimizer, x):
    model(x).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_an_instance_is_left_whole_when_it_raises(own_group):
    torch.manual_seed(0)
    model = built("mlp", "fsdp", 1)
    expected = model(X)
    with pytest.raises(BudgetError):
        measure(model, inputs=(6, 5), mode="train")
    torch.testing.assert_close(model(X), expected)


def test_a_model_whose_group_is_gone(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    model = built("mlp", "fsdp", 1)
    dist.destroy_process_group()
    with pytest.raises(UsageError, match="its process group is gone"):
        measure(model, inputs=X)


def test_what_is_refused(own_group):
    from torch.distributed.fsdp import FullyShardedDataParallel
    from torch.distributed.tensor import Replicate, distribute_tensor, init_device_mesh

    sharded = lambda: built("mlp", "fsdp", 1)  # noqa: E731
    with pytest.raises(UsageError, match="measured= is a real run, and a sharded model takes all of its ranks"):
        measure(sharded, inputs=X, measured=True)
    with pytest.raises(UsageError, match="counter='fvcore' counts in a real run, and a sharded model takes all"):
        measure(sharded, inputs=X, counter="fvcore")
    with pytest.raises(UsageError, match="shard it with fully_shard"):
        measure(FullyShardedDataParallel(built("mlp", "", 1), device_id=torch.device("cpu")), inputs=X)
    given = distribute_tensor(X, init_device_mesh("cpu", (1,)), [Replicate()])
    for inputs in (given, {"x": given}):
        with pytest.raises(UsageError, match=r"inputs= is a DTensor\. Give a plain tensor"):
            measure(lambda: built("mlp", "", 1), inputs=inputs)


class Chooses(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y if y.sum().item() > 0 else -y


def test_a_sharded_model_that_reads_values_is_told_so():
    from torch.distributed.fsdp import fully_shard

    with pytest.raises(BudgetError, match=r"aten::_local_scalar_dense.*A sharded model cannot be run for real instead"):
        measure(lambda: fully_shard(Chooses(32, 32)), inputs=X, ranks=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ranks": 0}, "ranks=0 is not a whole number above zero"),
        ({"rank": 1}, "rank=1 is for ranks= or parallel="),
        ({"ranks": 4, "rank": 4}, "rank=4 is none of 4: they are 0 to 3"),
        ({"ranks": 4, "rank": -1}, "rank=-1 is not a whole number from zero"),
        ({"parallel": {"pp": 2}}, "'pp' is no dimension"),
        ({"parallel": {"fsdp": -1}}, r"leaves a size open \(fsdp\): say how many processes there are"),
        ({"parallel": {"fsdp": -1, "tp": 4}, "ranks": 6}, "ranks=6 is no multiple of 4"),
        ({"parallel": {"fsdp": 4}, "ranks": 6}, "ranks=6, and parallel= is a mesh of 4"),
        ({"parallel": {"fsdp": -1, "tp": -1}, "ranks": 4}, "leaves two sizes open"),
        ({"parallel": {"fsdp": 0}}, "fsdp is neither a whole number above zero nor -1"),
        ({"parallel": 8}, "parallel=8 is no mesh"),
    ],
    ids=str,
)
def test_what_cannot_be_meant(arguments, message):
    with pytest.raises(UsageError, match=message):
        measure(lambda: built("mlp", "", 1), inputs=X, **arguments)


def test_without_torch_distributed(monkeypatch):
    monkeypatch.setattr(dist, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"This PyTorch was built without torch.distributed"):
        measure(lambda: built("mlp", "", 1), inputs=X, ranks=2)
    assert measure(lambda: built("mlp", "", 1), inputs=X).communication is None


def test_a_plain_model_loads_nothing_of_it():
    code = """
import sys
from torch import nn
from pytest_modelbudget import measure
measure(lambda: nn.Linear(2, 2), inputs=(1, 2))
print([name for name in ("torch.distributed.fsdp", "torch.distributed.tensor") if name in sys.modules])
for _ in range(2):
    measure(lambda: nn.Linear(2, 2), inputs=(1, 2), mode="train")  # it is PyTorch that loads DTensor for an optimizer
print([name for name in sys.modules if name.startswith("pytest_modelbudget.counting.pytorch.distributed")])
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]


def test_a_cuda_mesh_needs_no_cuda():
    """The device that a training script names is not there, and is not started."""

    def factory():
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        torch.cuda.set_device(0)
        model = built("mlp", "", 1)
        for block in model.blocks:
            fully_shard(block, mesh=init_device_mesh("cuda", (4,)))
        return fully_shard(model, mesh=init_device_mesh("cuda", (4,)))

    on_cuda = measure(factory, inputs=X, ranks=4, mode="train")
    on_cpu = measure(lambda: built("mlp", "fsdp", 4), inputs=X, ranks=4, mode="train")
    assert (on_cuda.memory, on_cuda.flops, on_cuda.collectives) == (on_cpu.memory, on_cpu.flops, on_cpu.collectives)
    assert not torch.cuda.is_initialized()


def test_dtype_and_precision_policy():
    """In bf16 each parameter is half as large, and so is what is sent; FSDP may gather in bf16 what is kept in fp32."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    def mixed():
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        return fully_shard(built("mlp", "", 1), mp_policy=policy)

    one = {"inputs": X, "ranks": 4, "mode": "train", "optimizer": "sgd"}
    full = measure(lambda: fully_shard(built("mlp", "", 1)), **one)
    half = measure(lambda: fully_shard(built("mlp", "", 1)), dtype="bf16", **one)
    cost = measure(mixed, **one)
    assert (half.weights, half.communication) == (full.weights / 2, full.communication / 2)
    assert cost.weights == full.weights
    assert {one.kind: one.payload for one in cost.collectives} == {
        "all_gather": full.weights * 4 / 2,
        "reduce_scatter": full.weights * 4,
    }
