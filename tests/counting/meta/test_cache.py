"""What the cache returns for an operator on meta is what PyTorch would return again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.counting.meta import cache
from pytest_modelbudget.counting.recording.counting_mode import CountingMode

aten = torch.ops.aten


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def described(result):
    if isinstance(result, torch.Tensor):
        return (tuple(result.shape), result.stride(), result.dtype, result.device.type, result.storage_offset())
    return [described(item) for item in result]


CALLS = {
    "conv2d": (aten.conv2d.default, (meta(2, 3, 8, 8), meta(4, 3, 3, 3), None, [2, 2], [1, 1]), {}),
    "channels last": (
        aten.conv2d.default,
        (meta(2, 3, 8, 8).to(memory_format=torch.channels_last), meta(4, 3, 3, 3)),
        {},
    ),
    "batch_norm": (
        aten.batch_norm.default,
        (meta(2, 4, 8, 8), meta(4), meta(4), meta(4), meta(4), False, 0.1, 1e-5, False),
        {},
    ),
    "broadcast": (aten.add.Tensor, (meta(2, 1, 8), meta(5, 1)), {"alpha": 2}),
    "promotion": (aten.add.Tensor, (meta(3, dtype=torch.int64), 1.5), {}),
    "transposed operand": (aten.mul.Tensor, (meta(4, 5).t(), meta(5, 4)), {}),
    "cat": (aten.cat.default, ([meta(2, 3), meta(4, 3)], 0), {}),
    "two results": (aten.topk.default, (meta(3, 9), 4), {}),
    "list of results": (aten._foreach_mul.Scalar, ([meta(6, 2), meta(3)], 2.0), {}),
    "cast": (aten._to_copy.default, (meta(3, 4),), {"dtype": torch.bfloat16}),
    "attention": (
        aten.scaled_dot_product_attention.default,
        (meta(2, 4, 6, 8), meta(2, 4, 7, 8), meta(2, 4, 7, 8)),
        {},
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_second_call_gives_what_the_first_gave_without_asking_pytorch(name):
    operator, args, kwargs = CALLS[name]
    cache.clear()
    with torch.inference_mode():
        first = cache.cached(operator, args, kwargs, lambda: operator(*args, **kwargs))
        again = cache.cached(operator, args, kwargs, lambda: pytest.fail("PyTorch was asked again"))
    assert described(again) == described(first) == described(operator(*args, **kwargs))


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        (aten.view.default, (meta(4, 6), [6, 4])),
        (aten.transpose.int, (meta(4, 6), 0, 1)),
        (aten.dropout.default, (meta(4, 6), 0.5, False)),  # gives its argument back in eval mode
        (aten.contiguous.default, (meta(4, 6),)),
        (aten.reshape.default, (meta(4, 6), [24])),
    ],
)
def test_views_and_results_that_share_memory_are_made_by_pytorch_each_time(operator, args):
    calls = []

    def run():
        calls.append(operator)
        return operator(*args)

    with torch.inference_mode():
        for _ in range(2):
            out = cache.cached(operator, args, {}, run)
            assert out.untyped_storage()._cdata == args[0].untyped_storage()._cdata
    assert len(calls) == 2


def test_a_change_in_place_gives_the_tensor_that_was_changed():
    cache.clear()
    one, other = meta(3, 4), meta(3, 4)
    with torch.inference_mode():
        assert cache.cached(aten.relu_.default, (one,), {}, lambda: aten.relu_(one)) is one
        assert cache.cached(aten.relu_.default, (other,), {}, lambda: pytest.fail("asked again")) is other


def test_equal_numbers_of_different_types_are_different_calls():
    x = meta(3, dtype=torch.int64)
    results = [
        cache.cached(aten.mul.Tensor, (x, factor), {}, lambda factor=factor: aten.mul.Tensor(x, factor))
        for factor in (1, 1.0, True)
    ]
    assert [r.dtype for r in results] == [torch.int64, torch.float32, torch.int64]


def test_the_default_dtype_is_part_of_a_call():
    x = meta(3, dtype=torch.int64)

    def add():
        return cache.cached(aten.add.Tensor, (x, 1.5), {}, lambda: aten.add.Tensor(x, 1.5)).dtype

    before = add()
    torch.set_default_dtype(torch.float64)
    try:
        assert (before, add()) == (torch.float32, torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)


def test_it_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(cache, "_CAPACITY", 10)
    cache.clear()
    for size in range(1, 30):
        x = meta(size)
        cache.cached(aten.relu.default, (x,), {}, lambda x=x: aten.relu(x))
    assert len(cache._CACHE) == 10


RECURRENT = {
    f"{kind.__name__}{options}": (kind, options)
    for kind in (nn.LSTM, nn.GRU, nn.RNN)
    for options in (
        {},
        {"batch_first": True, "bidirectional": True},
        {"num_layers": 3, "bias": False},
        *([{"proj_size": 3, "bidirectional": True}] if kind is nn.LSTM else []),
    )
}


@pytest.mark.parametrize("name", RECURRENT)
def test_the_outputs_of_recurrent_layers_are_those_of_pytorch(name):
    kind, options = RECURRENT[name]
    layer = kind(5, 4, **options)
    x = torch.randn(6, 2, 5)
    shapes = []

    class Records(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            output, state = self.layer(x)
            states = state if isinstance(state, tuple) else (state,)
            shapes.append([(tuple(t.shape), t.dtype) for t in (output, *states)])
            return output

    measure(Records(), inputs=x)
    Records()(x)
    assert shapes[0] == shapes[1]


def test_a_very_long_sequence_costs_no_more_calls_than_a_long_one():
    """A few steps are run, from which the bytes alive in all of them follow."""

    def calls(length):
        seen = []
        count = CountingMode.__torch_dispatch__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                CountingMode, "__torch_dispatch__", lambda self, *call: seen.append(call) or count(self, *call)
            )
            measure(lambda: nn.LSTM(4, 4), inputs=(length, 1, 4))
        return len(seen)

    assert calls(100_000) == calls(50) < 12 * calls(1)
