"""Operators that take lengths, borders or counts as tensors: what they cost is in the values, and never a bound."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from counting.operators.kernels import count, meta
from four_ways import Calls, calls, each, each_way
from one_attempt import attempt
from torch import nn

from pytest_modelbudget import measure

varlen = pytest.importorskip("torch.nn.attention.varlen")
H, E = 2, 16
HALF = torch.bfloat16


def borders(*lengths: int) -> torch.Tensor:
    return torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0).to(torch.int32)


def attends(*pairs: tuple[int, int]) -> int:
    """Two products of each sequence's queries with its keys, in each of H heads of width E."""
    return H * sum(queries * keys for queries, keys in pairs) * 2 * E


class Packed(nn.Module):
    """Self-attention over sequences end to end, whose borders come with them."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 3 * H * E, dtype=HALF)

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).view(-1, 3, H, E).unbind(1)
        return varlen.varlen_attn(q, k, v, at, at, 100, 100)


LENGTHS = (100, 10, 10, 5)
PACKED = (torch.zeros(125, 8, dtype=HALF), borders(*LENGTHS))
OF_PACKED = attends(*zip(LENGTHS, LENGTHS, strict=True))


def test_packed_sequences_attend_to_themselves() -> None:
    """Not to the longest of all, which would be 4·100² for 10 225 pairs."""
    cost = measure(Packed, inputs=PACKED)
    assert cost.by_operator()["torch_attn::_varlen_attn"] == OF_PACKED
    assert cost.activations == 125 * 3 * H * E + H * (100 * 100 + 2 * 10 * 10 + 5 * 5) + 125 * H * E
    assert (cost.executed, cost.uncounted) == ("meta", {})


def test_packed_sequences_train() -> None:
    """Four products for the two of attention; the linear layer's weight has one, its input asks for none."""
    cost = measure(Packed, inputs=PACKED, mode="train", optimizer="none")
    assert cost.macs == 3 * OF_PACKED + 2 * 125 * 8 * 3 * H * E
    assert cost.by_operator()["torch_attn::_varlen_attn_backward"] == 2 * OF_PACKED


def test_lengths_that_the_model_makes_itself_are_known() -> None:
    """What follows from numbers alone stays real beside meta."""

    class Even(Packed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x, torch.arange(0, 126, 25, dtype=torch.int32, device=x.device))

    cost = measure(Even, inputs=(torch.zeros(125, 8, dtype=HALF),))
    assert cost.by_operator()["torch_attn::_varlen_attn"] == attends(*[(25, 25)] * 5)


def test_queries_and_keys_of_different_lengths() -> None:
    def cross(q: torch.Tensor, k: torch.Tensor, of_queries: Any, of_keys: Any) -> Any:
        return varlen.varlen_attn(q, k, k, of_queries, of_keys, 4, 9)

    inputs = (torch.zeros(7, H, E), torch.zeros(14, H, E), borders(3, 4), borders(5, 9))
    assert measure(lambda: Calls(cross), inputs=inputs).macs == attends((3, 5), (4, 9))


@pytest.mark.skipif(
    "block_table" not in inspect.signature(varlen.varlen_attn).parameters, reason="varlen_attn takes no pages"
)
def test_a_cache_of_pages_is_as_long_as_what_is_in_use() -> None:
    """One query for each of two sequences, over pages of 16 keys of which 20 and 3 are in use."""

    def decode(q: torch.Tensor, pages: torch.Tensor, at: Any, used: Any, table: Any) -> Any:
        return varlen.varlen_attn(q, pages, pages, at, None, 1, 32, seqused_k=used, block_table=table)

    used, table = torch.tensor([20, 3], dtype=torch.int32), torch.zeros(2, 2, dtype=torch.int32)
    inputs = (torch.zeros(2, H, E), torch.zeros(5, 16, H, E), borders(1, 1), used, table)
    assert measure(lambda: Calls(decode), inputs=inputs).macs == attends((1, 20), (1, 3))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a real run would tell")
def test_lengths_that_nothing_knows_are_reported() -> None:
    """Computed from what is on meta, for a kernel that only a GPU has: no bound, and no error of somebody else's."""

    class Unknown(Packed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x, x[:4, 0].to(torch.int32))

    cost = measure(Unknown, inputs=(torch.zeros(125, 8, dtype=HALF),))
    assert cost.uncounted == {"torch_attn::_varlen_attn": 1}
    assert cost.macs == 125 * 8 * 3 * H * E
    assert any("torch_attn::_varlen_attn" in note for note in cost.notes)


def test_borders_that_are_all_zero_are_not_known() -> None:
    """So integers are that are given by their shape alone: they do not make attention cost nothing."""
    cost = measure(Packed, inputs=(torch.zeros(125, 8, dtype=HALF), torch.zeros(4, dtype=torch.int32)))
    assert cost.uncounted == {"torch_attn::_varlen_attn": 1}


Q = meta(10, H, E)
BORDERS = borders(2, 3, 5)
EACH = attends((2, 2), (3, 3), (5, 5))


@pytest.mark.parametrize(
    ("kernel", "given"),
    [
        ("_flash_attention_forward", {"query": Q, "cum_seq_q": BORDERS, "cum_seq_k": BORDERS}),
        *(
            (
                f"_{kind}_attention_forward_no_dropout_inplace",
                {"out": Q, "query": Q, "cum_seq_q": BORDERS, "cum_seq_k": BORDERS},
            )
            for kind in ("flash", "cudnn")
        ),
        ("_efficient_attention_forward", {"query": Q[None], "cu_seqlens_q": BORDERS, "cu_seqlens_k": BORDERS}),
        ("_cudnn_attention_forward", {"query": Q, "cum_seq_q": BORDERS, "cum_seq_k": BORDERS}),
    ],
)
def test_a_kernel_of_packed_sequences(kernel: str, given: dict[str, Any]) -> None:
    query = given["query"]
    macs, _, activations = count(kernel, (query,), key=query, value=query, **given)
    assert (macs, activations) == (EACH, H * (2 * 2 + 3 * 3 + 5 * 5) + H * 10 * E)


@pytest.mark.parametrize(
    ("kernel", "grad", "names"),
    [
        ("_flash_attention_backward", "grad_out", ("cum_seq_q", "cum_seq_k")),
        ("_efficient_attention_backward", "grad_out_", ("cu_seqlens_q", "cu_seqlens_k")),
        ("_cudnn_attention_backward", "grad_out", ("cum_seq_q", "cum_seq_k")),
    ],
)
def test_the_gradients_of_packed_sequences(kernel: str, grad: str, names: tuple[str, str]) -> None:
    given = {grad: Q, "query": Q, "key": Q, "value": Q, **dict.fromkeys(names, BORDERS)}
    assert count(kernel, (Q, Q, Q), **given)[0] == 2 * EACH


@pytest.mark.parametrize("name", ["_flash_attention_backward", "_efficient_attention_backward"])
def test_the_gradients_of_a_dense_batch(name: str) -> None:
    """``(B, L, H, E)`` without borders, or with borders that are empty."""
    query = meta(3, 5, H, E)
    grad = "grad_out" if name.startswith("_flash") else "grad_out_"
    empty = {"cum_seq_q": meta(0), "cum_seq_k": meta(0)} if name.startswith("_flash") else {}
    macs = count(name, (query,) * 3, **{grad: query}, query=query, key=query, value=query, **empty)[0]
    assert macs == 2 * attends(*[(5, 5)] * 3)


def test_keys_in_use_of_a_dense_batch() -> None:
    query, used = meta(2, 4, H, E), torch.tensor([3, 1])
    macs = count("_efficient_attention_forward", (query,), query=query, key=query, value=query, seqlen_k=used)[0]
    assert macs == attends((4, 3), (4, 1))


# 6 + 4 rows of 8 features: a nested batch has no padding
ROWS = (10, 8)


def nested(x: torch.Tensor) -> torch.Tensor:
    return torch.nested.as_nested_tensor([x[:6], x[6:]])


def heads(batch: torch.Tensor) -> torch.Tensor:
    return torch.nested.as_nested_tensor([item.view(-1, 2, 4).transpose(0, 1) for item in batch.unbind()])


def attention(x: torch.Tensor) -> Any:
    q = heads(nested(x))
    return F.scaled_dot_product_attention(q, q, q).to_padded_tensor(0.0)


NOT_ON_META = dict.fromkeys(["meta", "meta+grad"], "_nested_tensor_from_tensor_list")
NESTED = [
    calls("bmm", lambda x: torch.bmm(nested(x), nested(x).transpose(1, 2)).to_padded_tensor(0.0), [ROWS],
          macs=6 * 6 * 8 + 4 * 4 * 8, activations=6 * 6 + 4 * 4, not_on=NOT_ON_META),
    calls("linear", lambda x, w: F.linear(nested(x), w).to_padded_tensor(0.0), [ROWS, (5, 8)],
          macs=10 * 8 * 5, activations=10 * 5, not_on=NOT_ON_META),
    # two heads of width 4
    calls("attention", attention, [ROWS], macs=2 * (6 * 6 + 4 * 4) * 2 * 4,
          activations=2 * (6 * 6 + 4 * 4) + 10 * 8, not_on=NOT_ON_META),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@each_way(NESTED)
def test_a_nested_batch_counts_its_rows(case: Any, way: str) -> None:
    case.check(way)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@each(NESTED)
def test_a_multiply_add_is_two_flops_for_torch(case: Any) -> None:
    case.check_torch_convention()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_gradients_of_a_nested_batch() -> None:
    """The layer before, whose weight alone has a gradient; two gradients of the product of the batch with itself."""

    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch = nested(self.layer(x))
            return torch.bmm(batch, batch.transpose(1, 2)).to_padded_tensor(0.0)

    cost = attempt(Product, inputs=[ROWS], real=True, grad=True, mode="train", optimizer="none")
    assert cost.macs == 2 * 10 * 8 * 8 + 3 * (6 * 6 * 8 + 4 * 4 * 8)


def test_jagged_attention_of_a_real_run_counts_each_sequence() -> None:
    """The jagged layout is unwrapped by PyTorch: its linear layers count rows, its attention each sequence."""

    class Jagged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch = torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, 6, 10], device=x.device))
            q, k, v = (layer(batch).unflatten(-1, [2, 4]).transpose(1, 2) for layer in (self.q, self.k, self.v))
            out: torch.Tensor = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2).values()
            return out

    cost = attempt(Jagged, inputs=[ROWS], real=True, grad=True)
    assert (cost.macs, cost.uncounted) == (3 * 10 * 8 * 8 + 2 * (6 * 6 + 4 * 4) * 2 * 4, {})
