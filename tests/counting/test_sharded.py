"""Sharded models are refused with the way out, and stay as they were."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn

from pytest_modelbudget import UsageError, measure

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this PyTorch has no torch.distributed")
X = torch.zeros(3, 4)


@pytest.fixture
def mesh(tmp_path):
    """A group of this process alone."""
    from torch.distributed.device_mesh import init_device_mesh

    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def fsdp2(mesh):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    if not hasattr(fsdp, "fully_shard"):
        pytest.skip("this PyTorch has no fully_shard")
    model = net()
    fsdp.fully_shard(model[0], mesh=mesh)
    return fsdp.fully_shard(model, mesh=mesh)


def tensor_parallel(mesh):
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    return parallelize_module(net(), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


def a_buffer(mesh):
    from torch.distributed.tensor import Replicate, distribute_tensor

    model = net()
    model[0].register_buffer("table", distribute_tensor(torch.ones(4), mesh, [Replicate()]))
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", [fsdp2, tensor_parallel, a_buffer], ids=lambda build: build.__name__)
@pytest.mark.parametrize("arguments", [{}, {"mode": "train"}, {"measured": True}, {"counter": "fvcore"}], ids=str)
def test_a_sharded_model_is_refused_and_stays_whole(mesh, build, arguments):
    model, expected = build(mesh), net()(X)
    tensors = {
        name: (t, t.to_local().data_ptr() if hasattr(t, "to_local") else 0) for name, t in model.state_dict().items()
    }
    for target in (model, lambda: build(mesh)):
        with pytest.raises(UsageError, match="Sharded models are not measured yet: measure the model as it is before"):
            measure(target, inputs=X, **arguments)
    after = model.state_dict()
    assert [*after] == [*tensors]
    for name, (tensor, pointer) in tensors.items():
        assert type(after[name]) is type(tensor)
        assert not hasattr(tensor, "to_local") or after[name].to_local().data_ptr() == pointer
    torch.testing.assert_close(model(X), expected)
    model(X).sum().backward()


@pytest.mark.filterwarnings("ignore")
def test_sharded_inputs_are_refused(mesh):
    from torch.distributed.tensor import Replicate, distribute_tensor

    x = distribute_tensor(X, mesh, [Replicate()])
    for inputs in (x, {"input": x}):
        with pytest.raises(UsageError, match="inputs= is a DTensor"):
            measure(net(), inputs=inputs)
    assert measure(net(), inputs=X).macs == 3 * (4 * 4 + 4 * 2)
