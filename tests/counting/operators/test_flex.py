"""``flex_attention``: the blocks of a mask that are computed, on meta and for real, in inference and in training."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from one_attempt import attempt
from torch import nn
from torch.utils.checkpoint import checkpoint

from pytest_modelbudget import measure

flex = pytest.importorskip("torch.nn.attention.flex_attention")
if not hasattr(flex, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"):
    pytest.skip("this PyTorch compiles it always", allow_module_level=True)
flex_attention, create_block_mask = flex.flex_attention, flex.create_block_mask

H, L, E = 2, 300, 16
LAYER = H * L * E * E


class Attends(nn.Module):
    """A layer, and ``function`` of what it makes: ``(1, H, L, E)``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(E, E, bias=False)
        self.function = function

    def forward(self, x: torch.Tensor, *more: Any) -> Any:
        return self.function(self.layer(x), *more)


def causal(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q >= kv


def window(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return (q - kv).abs() <= 64


def first_head(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return (q >= kv) & (h == 0)


def masked(mask: Any, heads: int | None = None, **options: Any) -> Callable[..., Any]:
    def attend(q: torch.Tensor) -> Any:
        length = q.shape[-2]
        block_mask = create_block_mask(mask, None, heads, length, length, **{"device": q.device, **options})
        return flex_attention(q, q, q, block_mask=block_mask)

    return attend


# Blocks are 128 wide, so of 300 rows there are 128, 128 and 44; a causal mask leaves one, two and three of them.
CAUSAL = 128 * 128 + 128 * 256 + 44 * 300
# Blocks of 32: ten rows of them, the last of 12. A window of 64 back takes a row's own block and the two before it.
BACK = 32 * (32 + 64) + 7 * 32 * 96 + 12 * (64 + 12)
CASES = [
    ("whole", lambda q: flex_attention(q, q, q), H * L * L),
    ("causal", masked(causal), H * CAUSAL),
    ("causal, made on the CPU", masked(causal, device="cpu"), H * CAUSAL),
    ("one head of two", masked(first_head, H), CAUSAL),
    ("sliding window", masked(lambda b, h, q, kv: causal(b, h, q, kv) & window(b, h, q, kv), BLOCK_SIZE=32), H * BACK),
    # one block is computed whole, whatever is masked in it
    ("within a block", masked(causal, BLOCK_SIZE=512), H * L * L),
    ("scores", lambda q: flex_attention(q, q, q, score_mod=lambda s, b, h, i, j: s - (i - j).abs()), H * L * L),
    ("grouped queries", lambda q: flex_attention(q, q[:, :1], q[:, :1], enable_gqa=True), H * L * L),
    ("with its sums", lambda q: flex_attention(q, q, q, return_lse=True), H * L * L),
    ("compiled", torch.compile(flex_attention), None),
]  # fmt: skip
if "separate_full_blocks" in inspect.signature(create_block_mask).parameters:  # later releases
    CASES.append(("causal, without full blocks apart", masked(causal, separate_full_blocks=False), H * CAUSAL))


@pytest.mark.filterwarnings("ignore:return_lse is deprecated")
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize(("function", "scores"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_score_that_is_computed_counts(function: Any, scores: int | None, mode: str, real: bool) -> None:
    """E multiply-adds, and E more for its value; in training twice as many back, and the layer's weight's gradient."""
    if scores is None:
        function, scores = _compiled(function), H * L * L
    train = {"optimizer": "none"} if mode == "train" else {}
    cost = attempt(
        lambda: Attends(function), inputs=[(1, H, L, E)], real=real, grad=mode == "train", mode=mode, **train
    )
    products = scores * 2 * E
    assert cost.macs == (LAYER + products if mode == "infer" else 2 * LAYER + 3 * products)
    assert cost.uncounted == {}
    if mode == "infer":
        assert cost.activations == LAYER // E + scores + H * L * E


def _compiled(function: Any) -> Any:
    return lambda q: function(q, q, q)


def test_training_remembers_what_a_real_run_does() -> None:
    """Attention's output and one number a row, to the byte."""
    given = {"inputs": [(1, H, L, E)], "grad": True, "mode": "train", "optimizer": "adam"}
    peaks = [attempt(lambda: Attends(CASES[0][1]), real=real, **given).memory for real in (False, True)]
    assert peaks[0] == peaks[1]


class Biased(nn.Module):
    """Relative positions that are learned, in the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(E, E, bias=False)
        self.bias = nn.Parameter(torch.zeros(H, 2 * L))

    def forward(self, x: torch.Tensor) -> Any:
        q = self.layer(x)
        return flex_attention(q, q, q, score_mod=lambda score, b, h, i, j: score + self.bias[h, i - j + L])


@pytest.mark.parametrize("real", [False, True])
def test_what_the_scores_have_learned_gets_gradients(real: bool) -> None:
    """So Adam keeps two numbers for each of them, and a count of steps for each of the two parameters."""
    given = {"inputs": [(1, H, L, E)], "grad": True, "mode": "train", "optimizer": "adam"}
    cost = attempt(Biased, real=real, **given)
    assert cost.macs == 2 * LAYER + 3 * H * L * L * 2 * E
    assert cost.peak.kinds["optimizer"] == 4 * 2 * (E * E + H * 2 * L) + 2 * 4


def documents(q: torch.Tensor, ids: torch.Tensor) -> Any:
    """Tokens attend to those of their own document, in blocks of 50."""
    mask = create_block_mask(lambda b, h, i, j: ids[i] == ids[j], None, None, L, L, device=q.device, BLOCK_SIZE=50)
    return flex_attention(q, q, q, block_mask=mask)


@pytest.mark.parametrize("train", [{}, {"mode": "train", "optimizer": "none"}])
def test_documents_are_known_by_the_ids_given(train: Any) -> None:
    """Three of 100 tokens each: their ids are kept, which is noted."""
    ids = torch.arange(L) // 100
    cost = measure(lambda: Attends(documents), inputs=(torch.zeros(1, H, L, E), ids), **train)
    products = H * 3 * 100 * 100 * 2 * E
    assert cost.macs == (2 * LAYER + 3 * products if train else LAYER + products)
    assert (cost.executed, cost.uncounted) == ("meta", {})
    assert any("kept theirs" in note for note in cost.notes)


def test_documents_that_are_data_are_counted_for_real() -> None:
    """Their ids come from a layer: no bound stands in for them."""

    def from_layer(q: torch.Tensor) -> Any:
        return documents(q, (q[0, 0, :, 0] * 0).long() + torch.arange(L, device=q.device) // 100)

    cost = measure(lambda: Attends(from_layer), inputs=[(1, H, L, E)])
    assert (cost.macs, cost.executed) == (LAYER + H * 3 * 100 * 100 * 2 * E, "real")


def test_a_mask_made_before_the_model_runs() -> None:
    block_mask = create_block_mask(causal, None, None, L, L, device="cpu")
    before = block_mask.kv_num_blocks
    model = Attends(lambda q: flex_attention(q, q, q, block_mask=block_mask))
    cost = measure(model, inputs=[(1, H, L, E)])
    assert (cost.macs, cost.executed) == (LAYER + H * CAUSAL * 2 * E, "meta")
    assert block_mask.kv_num_blocks is before


def test_a_mask_that_forward_is_given() -> None:
    block_mask = create_block_mask(causal, None, None, L, L, device="cpu")
    model = Attends(lambda q, mask: flex_attention(q, q, q, block_mask=mask))
    cost = measure(model, inputs=(torch.zeros(1, H, L, E), block_mask))
    assert (cost.macs, cost.executed) == (LAYER + H * CAUSAL * 2 * E, "meta")


def test_long_sequences_are_counted_without_computing() -> None:
    """64 · 65 / 2 blocks of 128² of a causal mask over 8192 tokens."""
    cost = measure(lambda: Attends(masked(causal)), inputs=[(1, H, 8192, E)])
    assert cost.macs == H * (8192 * E * E + 128 * 128 * 64 * 65 // 2 * 2 * E)
    assert cost.executed == "meta"


def test_a_checkpoint_runs_it_again() -> None:
    def again(q: torch.Tensor) -> Any:
        return checkpoint(lambda t: flex_attention(t, t, t), q, use_reentrant=False)

    cost = measure(lambda: Attends(again), inputs=[(1, H, L, E)], mode="train", optimizer="none")
    assert cost.macs == 2 * LAYER + 4 * H * L * L * 2 * E


@pytest.mark.parametrize("options", [{"amp": "bf16"}, {"amp": "bf16", "device": "cuda"}, {"dtype": "bf16"}])
@pytest.mark.parametrize("train", [{}, {"mode": "train", "optimizer": "none"}])
def test_it_runs_in_half_precision(options: Any, train: Any) -> None:
    cost = measure(lambda: Attends(CASES[0][1]), inputs=[(1, H, L, E)], **options, **train)
    products = H * L * L * 2 * E
    assert cost.macs == (2 * LAYER + 3 * products if train else LAYER + products)


def test_autocast_casts_what_it_is_given() -> None:
    """What is float32 again after the layer."""
    seen = []

    def in_full(q: torch.Tensor) -> torch.Tensor:
        seen.append(flex_attention(*[q.float()] * 3).dtype)
        return q

    measure(Attends(in_full), inputs=[(1, H, L, E)], amp="bf16")
    assert seen == [torch.bfloat16]


def test_the_step_is_run_for_real_beside_it() -> None:
    cost = measure(Attends(CASES[0][1]), inputs=[(1, H, L, E)], mode="train", optimizer="sgd", measured=True)
    assert cost.measured is not None
    assert cost.measured.memory == cost.memory


WRONG = [
    ("widths", lambda q: flex_attention(q, q[..., :8], q), "same embedding dimension"),
    ("heads", lambda q: flex_attention(q, q[:, :1], q[:, :1]), "same number of heads"),
    ("lengths", lambda q: flex_attention(q[:, :, :100], q, q, block_mask=create_block_mask(causal, None, None, L, L,
                                         device=q.device)), "block_mask was created for"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_pytorch_refuses_stays_refused(function: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        measure(lambda: Attends(function), inputs=[(1, H, L, E)])


def test_pytorch_is_as_it_was_after_a_measurement() -> None:
    before = dict(vars(flex))
    for options in ({}, {"mode": "train", "optimizer": "none"}):
        measure(lambda: Attends(masked(causal)), inputs=[(1, H, L, E)], **options)
    assert {name: value for name, value in vars(flex).items() if before.get(name) is not value} == {}
    assert "kv_num_blocks" not in vars(flex.BlockMask)


FIRST = """
import sys, torch
from torch import nn
from pytest_modelbudget import measure

class Attends(nn.Module):
    def forward(self, x):
        from torch.nn.attention.flex_attention import flex_attention
        return flex_attention(x, x, x)

assert "torch._dynamo" not in sys.modules
for again in (False, True):
    cost = measure(Attends(), inputs=(1, 2, 128, 16))
    assert (cost.macs, cost.executed, cost.notes) == (2 * 128 * 128 * 32, "meta", ()), cost
"""


def test_it_works_at_the_first_call_of_a_process() -> None:
    """PyTorch's compiler, which it loads then, does not get to trace the counter; nor does an import in forward."""
    run = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
