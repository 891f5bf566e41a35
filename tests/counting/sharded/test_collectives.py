"""What each collective sends, by hand: ring algorithms among 4 ranks, and tensors of 8 numbers of 4 bytes."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional
from torch import nn

from pytest_modelbudget import Cost, measure
from pytest_modelbudget.values.communication import by_kind

pytestmark = pytest.mark.filterwarnings("ignore")
N, S = 4, 32  # ranks, and the bytes of a tensor


def whole(x):
    return x.new_empty(N * x.numel())


def parts(x):
    return [x.new_empty(x.numel()) for _ in range(N)]


CALLS = {
    # what is called, and for each rank its payload and the bytes that it sends; the root is rank 0
    "all_reduce": (lambda x: dist.all_reduce(x), S, [2 * 3 * S // 4] * N),
    "all_gather_into_tensor": (lambda x: dist.all_gather_into_tensor(whole(x), x), N * S, [3 * S] * N),
    "all_gather": (lambda x: dist.all_gather(parts(x), x), N * S, [3 * S] * N),
    "reduce_scatter_tensor": (lambda x: dist.reduce_scatter_tensor(x[:2].clone(), x), S, [3 * S // 4] * N),
    "reduce_scatter": (lambda x: dist.reduce_scatter(x.clone(), parts(x)), N * S, [3 * S] * N),
    "all_to_all_single": (lambda x: dist.all_to_all_single(torch.empty_like(x), x), S, [3 * S // 4] * N),
    "all_to_all": (lambda x: dist.all_to_all(parts(x), parts(x)), N * S, [3 * S] * N),
    "broadcast": (lambda x: dist.broadcast(x, 0), S, [S, S, S, 0]),
    "reduce": (lambda x: dist.reduce(x, 0), S, [0, S, S, S]),
    "barrier": (lambda x: dist.barrier(), None, [0] * N),
    "functional all_reduce": (lambda x: functional.all_reduce(x, "sum", dist.group.WORLD), S, [2 * 3 * S // 4] * N),
    "functional all_gather": (
        lambda x: functional.all_gather_tensor(x, 0, dist.group.WORLD), N * S, [3 * S] * N,
    ),
    "functional reduce_scatter": (
        lambda x: functional.reduce_scatter_tensor(x, "sum", 0, dist.group.WORLD), S, [3 * S // 4] * N,
    ),
}  # fmt: skip


class Calls(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        CALLS[self.name][0](x.clone().flatten())
        return self.inner(x)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_sent(name):
    _, payload, sends = CALLS[name]
    for rank in range(N):
        cost = measure(lambda: Calls(name), inputs=(1, 8), ranks=N, rank=rank)
        assert cost.executed == "meta"
        (one,) = cost.collectives
        assert (one.calls, one.ranks, one.sent) == (1, N, sends[rank])
        assert payload is None or one.payload == payload
        assert cost.communication == sends[rank]
        assert cost.uncounted == {}


def test_point_to_point():
    class Sends(Calls):
        def forward(self, x):
            if dist.get_rank() == 0:
                dist.send(x, 1)
            else:
                dist.recv(x.clone(), 0)
            return self.inner(x)

    sent = [measure(lambda: Sends(""), inputs=(1, 8), ranks=2, rank=rank).communication for rank in (0, 1)]
    assert sent == [S, 0]


def test_by_module_and_back():
    """A collective is its module's; plain data has all of it."""
    cost = measure(lambda: nn.Sequential(Calls("all_reduce"), Calls("broadcast")), inputs=(1, 8), ranks=N)
    assert {name: row.communication for name, row in cost.by_module().items() if row.communication} == {
        "": 48 + 32,
        "0": 48,
        "1": 32,
    }
    assert [(one.kind, one.sent) for one in by_kind(cost.collectives)] == [("all_reduce", 48), ("broadcast", 32)]
    assert Cost.from_dict(cost.to_dict()) == cost
    assert measure(lambda: nn.Linear(8, 8), inputs=(1, 8), ranks=N).communication == 0
    assert measure(lambda: nn.Linear(8, 8), inputs=(1, 8)).communication is None
