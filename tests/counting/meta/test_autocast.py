"""Autocast on the meta device against PyTorch's own on the CPU: the same dtypes, and the same bytes alive."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from counting.live_bytes import LiveBytes, as_written
from one_attempt import attempt
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from pytest_modelbudget import measure
from pytest_modelbudget.counting.meta.autocast import autocast_by_rules_of
from pytest_modelbudget.counting.meta.autocast_policies import OPERATORS, overloads
from pytest_modelbudget.errors import ModelError

HALF = torch.bfloat16


@contextmanager
def autocast(dtype: torch.dtype, device_type: str) -> Iterator[None]:
    """Autocast of a device on the meta device."""
    with autocast_by_rules_of(device_type, on="meta"), torch.autocast(device_type, dtype):
        yield


KEY = torch._C.DispatchKey.AutocastPrivateUse1


# -- which operators ---------------------------------------------------------------------------------------------------


def kernels(device_type: str) -> set[str]:
    """The operators that PyTorch's autocast has a kernel for."""
    key = f"Autocast{device_type.upper()}"
    names = torch._C._dispatch_get_all_op_names()
    return {name for name in names if torch._C._dispatch_has_kernel_for_dispatch_key(name, key)}


def listed(device_type: str) -> list[str]:
    """The operators on our lists, as often as they stand there."""
    return [
        operator.name()
        for names in OPERATORS.values()
        for name in names[device_type].split()
        for operator in overloads(name, device_type)
    ]


@pytest.mark.parametrize(
    ("device_type", "refused"),
    [
        ("cpu", set()),
        # PyTorch refuses the first there, since it overflows; the second is a layer of cuDNN, not called on meta
        ("cuda", {"aten::binary_cross_entropy", "aten::_cudnn_rnn"}),
    ],
)
def test_every_operator_of_pytorchs_autocast_is_listed(device_type, refused):
    found = listed(device_type)
    assert set(found) == {name for name in kernels(device_type) if name.startswith("aten::")} - refused


NOT_IN_EVERY_RELEASE = {
    "rms_norm": "from 2.10 on",
    "linalg_matrix_sqrth": "from 2.14 on",
    "cholesky": "until 2.14",
    "qr": "until 2.14",
    "softmax.Dimname": "until 2.12",
    "log_softmax.Dimname": "until 2.12",
    "norm.names_ScalarOpt_dim": "until 2.12",
}
"""The names listed that only some releases cast, and which."""


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_every_name_listed_is_an_operator(device_type):
    names = [name for lists in OPERATORS.values() for name in lists[device_type].split()]
    assert [name for name in names if not overloads(name, device_type)] == [
        name for name in names if name in NOT_IN_EVERY_RELEASE and not overloads(name, device_type)
    ]


# -- dtypes ------------------------------------------------------------------------------------------------------------

FULL = torch.float32


def x(*shape: int, dtype: torch.dtype = FULL) -> torch.Tensor:
    return torch.rand(shape or (4, 4), dtype=dtype)


def h(*shape: int) -> torch.Tensor:
    return x(*shape, dtype=HALF)


CALLS: dict[str, Callable[[], Any]] = {
    "linear": lambda: F.linear(x(), x()),
    "matmul, one wide": lambda: x(dtype=torch.float64) @ x(dtype=torch.float64),
    "matmul of whole numbers": lambda: torch.ones(4, 4, dtype=torch.int64) @ torch.ones(4, 4, dtype=torch.int64),
    "bmm": lambda: torch.bmm(x(2, 4, 4), h(2, 4, 4)),
    "einsum": lambda: torch.einsum("bij,bjk->bik", x(2, 3, 4), x(2, 4, 5)),
    "einsum of three": lambda: torch.einsum("ij,jk,kl->il", x(), h(), x()),
    "conv1d": lambda: F.conv1d(x(1, 2, 8), x(3, 2, 3)),
    "conv2d": lambda: F.conv2d(x(1, 2, 8, 8), x(3, 2, 3, 3)),
    "conv_transpose2d": lambda: F.conv_transpose2d(x(1, 2, 8, 8), x(2, 3, 3, 3)),
    "attention": lambda: F.scaled_dot_product_attention(x(1, 2, 4, 8), x(1, 2, 4, 8), x(1, 2, 4, 8)),
    "softmax": lambda: F.softmax(h(), -1),
    "log_softmax": lambda: F.log_softmax(h(), -1),
    "layer_norm": lambda: F.layer_norm(h(), (4,)),
    "batch_norm": lambda: F.batch_norm(h(2, 4), x(4), x(4)),
    "group_norm": lambda: F.group_norm(h(2, 4, 3), 2),
    "gelu": lambda: F.gelu(h()),
    "pow": lambda: h() ** 2,
    "exp": lambda: h().exp(),
    "sum": lambda: h().sum(),
    "prod": lambda: h().prod(),
    "cumsum": lambda: h().cumsum(0),
    "norm": lambda: torch.linalg.vector_norm(h()),
    "add of mixed": lambda: x() + h(),
    "cat of mixed": lambda: torch.cat([x(), h()]),
    "cat of half": lambda: torch.cat([h(), h()]),
    "cat of whole numbers": lambda: torch.cat([torch.arange(3), torch.arange(3)]),
    "stack of mixed": lambda: torch.stack([h(), x()]),
    "index_copy of mixed": lambda: torch.index_copy(x(), 0, torch.tensor([1]), h(1, 4)),
    "grid_sample": lambda: F.grid_sample(h(1, 2, 4, 4), h(1, 3, 3, 2), align_corners=False),
    "avg_pool3d": lambda: F.avg_pool3d(h(1, 2, 4, 4, 4), 2),
    "avg_pool2d": lambda: F.avg_pool2d(h(1, 2, 4, 4), 2),
    "cross_entropy": lambda: F.cross_entropy(h(), torch.arange(4)),
    "nll_loss": lambda: F.nll_loss(h(), torch.arange(4)),
    "mse_loss": lambda: F.mse_loss(h(), x()),
    "l1_loss": lambda: F.l1_loss(h(), h()),
    "smooth_l1_loss": lambda: F.smooth_l1_loss(h(), h()),
    "huber_loss": lambda: F.huber_loss(h(), h()),
    "kl_div": lambda: F.kl_div(h(), h(), reduction="batchmean"),
    "binary_cross_entropy": lambda: F.binary_cross_entropy(h(), h()),
    "binary_cross_entropy_with_logits": lambda: F.binary_cross_entropy_with_logits(h(), h()),
    "cosine_embedding_loss": lambda: F.cosine_embedding_loss(h(), h(), torch.ones(4)),
    "cdist": lambda: torch.cdist(h(), h()),
    "fft": lambda: torch.fft.rfft(h()),
    "prelu": lambda: F.prelu(x(), x(1)),
    "lstm cell": lambda: nn.LSTMCell(4, 4)(x()),
}


def dtypes(value: Any) -> list[torch.dtype]:
    return [leaf.dtype for leaf in tree_leaves(value)]


@pytest.mark.parametrize("name", CALLS)
def test_dtypes_are_those_of_pytorch(name):
    with torch.no_grad():
        with torch.autocast("cpu", HALF):
            expected = CALLS[name]()
        with torch.device("meta"), autocast(HALF, "cpu"):
            found = CALLS[name]()
    assert all(leaf.is_meta for leaf in tree_leaves(found))
    assert dtypes(found) == dtypes(expected)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        # the lists of PyTorch's documentation for CUDA, of which no kernel runs here
        ("linear", HALF),
        ("conv2d", HALF),
        ("einsum", HALF),
        ("attention", HALF),
        ("softmax", FULL),
        ("log_softmax", FULL),
        ("layer_norm", FULL),
        ("batch_norm", HALF),
        ("group_norm", FULL),
        ("gelu", HALF),
        ("pow", FULL),
        ("exp", FULL),
        ("sum", FULL),
        ("prod", FULL),
        ("cumsum", FULL),
        ("norm", FULL),
        ("avg_pool3d", HALF),
        ("cross_entropy", FULL),
        ("nll_loss", FULL),
        ("mse_loss", FULL),
        ("cdist", FULL),
    ],
)
def test_dtypes_by_the_rules_of_cuda(call, expected):
    with torch.no_grad(), torch.device("meta"), autocast(HALF, "cuda"):
        assert dtypes(CALLS[call]()) == [expected]


# -- bytes -------------------------------------------------------------------------------------------------------------


class Attends(nn.Module):
    """Attention over itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(tokens, tokens, tokens, need_weights=False)[0]


class Einsums(nn.Module):
    """Two weights in one product each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.rand(16, 3, 8))
        self.second = nn.Parameter(torch.rand(3, 8, 16))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        heads = torch.einsum("btc,chd->bhtd", tokens, self.first)
        return torch.einsum("bhtd,hdc->btc", heads, self.second)


class Mixed(nn.Module):
    """Puts what is low precision beside what is not."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat([tokens, self.layer(tokens)], -1)


class Twice(nn.Module):
    """One weight in two products: PyTorch casts it once."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(tokens))


class Partly(nn.Module):
    """Leaves autocast for one of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        low = self.low(tokens)
        with torch.autocast("cpu", enabled=False):
            return self.high(low.float())


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 8), nn.Softmax(-1))


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3))


TOKENS = (2, 6, 16)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear, norm, softmax": (dense, TOKENS),
    "convolution, norm": (convolutional, (2, 3, 12, 12)),
    "MultiheadAttention": (Attends, TOKENS),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), TOKENS),
    "einsum": (Einsums, TOKENS),
    "cat of mixed": (Mixed, TOKENS),
    "one weight twice": (Twice, TOKENS),
    "partly without": (Partly, TOKENS),
}


def cross_entropy(output: torch.Tensor) -> torch.Tensor:
    scores = output.flatten(1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.int64, device=output.device))


LOSSES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda output: output.mean(),
    "mse": lambda output: F.mse_loss(output, torch.zeros_like(output)),
    "smooth l1": lambda output: F.smooth_l1_loss(output, torch.zeros_like(output)),
    "cross entropy": cross_entropy,
    "binary cross entropy": lambda output: F.binary_cross_entropy_with_logits(output, torch.ones_like(output)),
}


def inference_peak(model: nn.Module, given: torch.Tensor) -> int:
    """Really run on the CPU, in PyTorch's autocast."""
    model.eval()
    held = (*model.parameters(), *model.buffers(), given)
    with as_written(), torch.no_grad(), LiveBytes(*held) as mode, torch.autocast("cpu", HALF):
        model(given)
    return mode.peak


def training_peak(model: nn.Module, given: torch.Tensor, loss: Callable[[Any], torch.Tensor]) -> int:
    """The second of two real steps, the way that PyTorch's documentation writes them."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with as_written(), LiveBytes(*model.parameters(), *model.buffers(), given) as mode:
        for _ in range(2):
            optimizer.zero_grad()
            mode.peak = mode.live
            with torch.autocast("cpu", HALF):
                value = loss(model(given))
            value.backward()
            optimizer.step()
            del value
    return mode.peak


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forward_pass_to_the_byte(name):
    build, shape = NETWORKS[name]
    cost = measure(build, inputs=shape, amp="bf16", attention="math")
    assert cost.executed == "meta"
    assert cost.memory == inference_peak(build(), torch.rand(shape))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_step_to_the_byte(name, loss):
    build, shape = NETWORKS[name]
    given = {"inputs": shape, "mode": "train", "optimizer": "sgd", "loss": LOSSES[loss]}
    cost = measure(build, amp="bf16", attention="math", **given)
    assert cost.executed == "meta"
    assert cost.memory == training_peak(build(), torch.rand(shape), LOSSES[loss])


def test_weights_are_cast_once():
    """By hand: a weight and a bias of 16 in bf16, 32 * 16 + 32 bytes, beside inputs and outputs of 6 * 16 each."""
    cost = measure(Twice, inputs=(6, 16), amp="bf16", mode="train", optimizer="none")
    weights, inputs = 4 * (16 * 16 + 16), 4 * 6 * 16
    assert cost.peak is not None
    assert cost.peak.kinds["weights"] == weights
    assert cost.peak.kinds["inputs"] == inputs
    in_half = 2 * (16 * 16 + 16) + 3 * 2 * 6 * 16  # both casts; the input, and two outputs, in bf16
    assert cost.peak.phases["forward"] == weights + inputs + in_half + 2  # and the loss, in bf16


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("steps", [8, 40])
def test_a_recurrent_layer_to_the_byte_however_many_its_steps(steps, bidirectional):
    """Of 40 steps a few tell what all have alive: in the precision that they are cast to, and each weight cast once."""

    def build():
        return nn.GRU(16, 32, batch_first=True, bidirectional=bidirectional)

    cost = measure(build, inputs=(4, steps, 16), amp="bf16", measured=True)
    if cost.measured.device == "cpu":
        assert cost.memory == cost.measured.memory


# -- inside, and after -------------------------------------------------------------------------------------------------


def state() -> tuple[Any, ...]:
    """What autocast changes in a process."""
    return (
        *(torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")),
        *(torch.get_autocast_dtype(kind) for kind in ("cpu", "cuda")),
        torch._C._dispatch_tls_is_dispatch_key_excluded(KEY),
        torch._C._dispatch_tls_is_dispatch_key_included(KEY),
        torch._C._dispatch_has_kernel_for_dispatch_key("aten::linear", KEY.name),
        torch._C._dispatch_has_backend_fallback(KEY) if hasattr(torch._C, "_dispatch_has_backend_fallback") else None,
    )


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_it_can_be_left_inside(device_type):
    weight, given = torch.rand(4, 4, device="meta"), torch.rand(4, 4, device="meta")
    with autocast(HALF, device_type):
        assert F.linear(given, weight).dtype == HALF
        with torch.autocast(device_type, enabled=False):
            assert F.linear(given, weight).dtype == FULL
            assert F.softmax(given.to(HALF), -1).dtype == HALF
        assert F.linear(given, weight).dtype == HALF


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_nothing_of_it_is_left(device_type):
    before = state()
    with autocast(HALF, device_type):
        assert state() != before
    assert state() == before
    assert F.linear(torch.rand(4, 4, device="meta"), torch.rand(4, 4, device="meta")).dtype == FULL


class Breaks(nn.Module):
    """Raises after a layer that is cast."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        assert self.layer(given).dtype == HALF
        raise ArithmeticError("broken")


@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.parametrize("device", [None, "cuda"])
def test_nothing_of_it_is_left_after_an_error(mode, device):
    before = state()
    with pytest.raises(ModelError, match="broken"):
        measure(Breaks, inputs=(2, 4), amp="bf16", mode=mode, device=device)
    assert state() == before
    assert F.linear(torch.rand(4, 4, device="meta"), torch.rand(4, 4, device="meta")).dtype == FULL


def test_pytorchs_own_works_around_it_and_after():
    """A measurement inside PyTorch's autocast is that outside, and leaves it as it was."""
    alone = measure(dense, inputs=TOKENS, amp="bf16")
    with torch.autocast("cpu", HALF):
        within = measure(dense, inputs=TOKENS, amp="bf16")
        assert F.linear(x(), x()).dtype == HALF
    assert within == alone


def test_the_first_measurement_of_a_process_is_like_the_second():
    """Some meta kernels load PyTorch's compiler when they first run, which holds on to whatever runs then."""
    code = """
import sys
import torch
from torch import nn
from pytest_modelbudget import measure

net = lambda: nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32, elementwise_affine=False), nn.GELU(), nn.Linear(32, 8))
before = "torch._dynamo" in sys.modules
print(before, *(measure(net, inputs=(12, 16), amp="bf16").memory for _ in range(2)), "torch._dynamo" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, first, second, after = result.stdout.split()
    assert first == second
    assert (before, after) == ("False", "True")  # else this tests nothing


# -- a model's own -----------------------------------------------------------------------------------------------------

# 512 rows through layers of 256 x 1,024 and 1,024 x 256, 4 bytes each, 2 in low precision. The peak is at the ReLU.
ROWS = (512, 256)
STATIC = 4 * (2 * 256 * 1024 + 1024 + 256) + 4 * 512 * 256  # weights and input
CAST, WIDE = 2 * (256 * 1024 + 1024), 512 * 1024  # the first layer's weights in low precision; elements of its output
IN_HALF, IN_FULL = STATIC + CAST + 2 * 2 * WIDE, STATIC + 2 * 4 * WIDE


class Layers(nn.Module):
    """Two layers; ``forward`` of the classes below decides in which precision."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 256))

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.layers(given)


def within(context: Callable[[torch.Tensor], Any]) -> Callable[[], nn.Module]:
    """A model that runs its layers in a context of its own."""

    class Within(Layers):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            with context(given):
                return self.layers(given)

    return Within


class Decorated(Layers):
    @torch.autocast("cpu", dtype=HALF)
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.layers(given)


class Asks(Layers):
    """Casts for itself where autocast is on."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        kind = given.device.type
        assert torch.amp.is_autocast_available(kind)
        if torch.is_autocast_enabled(kind):
            given = given.to(torch.get_autocast_dtype(kind))
            assert given.dtype == HALF
        return self.layers(given)


class ReadsValues(Layers):
    """Is run for real."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        with torch.autocast(given.device.type, dtype=HALF):
            out = self.layers(given)
        return out * (1 if bool(out.sum() < 1e9) else 2)


class Nested(Layers):
    """Off inside of on inside of off."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        kind = given.device.type
        with torch.autocast(kind, dtype=HALF, enabled=False), torch.autocast(kind, dtype=HALF):
            with torch.autocast(kind, enabled=False):
                assert self.layers[0](given[:1]).dtype == FULL
            out = self.layers(given)
        assert self.layers[0](given[:1]).dtype == FULL
        return out


OWN: dict[str, tuple[Callable[[], nn.Module], str | None, int]] = {
    "of the CPU": (within(lambda given: torch.autocast("cpu", dtype=HALF)), None, IN_HALF),
    "of the input's device": (within(lambda given: torch.autocast(given.device.type, dtype=HALF)), None, IN_HALF),
    "float16": (within(lambda given: torch.autocast("cpu", dtype=torch.float16)), None, IN_HALF),
    "with the default dtype": (within(lambda given: torch.autocast(given.device.type)), None, IN_HALF),
    "by the older name": (within(lambda given: torch.cpu.amp.autocast(dtype=HALF)), None, IN_HALF),
    "as a decorator": (Decorated, None, IN_HALF),
    "off in amp": (within(lambda given: torch.autocast(given.device.type, enabled=False)), "bf16", IN_FULL),
    "of another device": (within(lambda given: torch.autocast("cuda", dtype=HALF)), None, IN_FULL),
    "of another device in amp": (within(lambda given: torch.autocast("cuda", enabled=False)), "bf16", IN_HALF),
    "in a real run": (ReadsValues, None, IN_HALF),
    "asked for, off": (Asks, None, IN_FULL),
    "nested": (Nested, None, IN_HALF),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore:.*torch.cpu.amp.autocast.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*CUDA is not available.*:UserWarning")
def test_a_models_own_autocast(name):
    build, amp, expected = OWN[name]
    before = state()
    cost = measure(build, inputs=ROWS, amp=amp)
    assert (cost.memory, cost.executed) == (expected, "real" if build is ReadsValues else "meta")
    assert cost.macs == 2 * 512 * 256 * 1024 + (0 if build is not Nested else 2 * 256 * 1024)
    assert state() == before


CUDA = {
    "of CUDA": lambda given: torch.autocast("cuda", dtype=HALF),
    "of the input's device": lambda given: torch.autocast(given.device.type, dtype=torch.float16),
    "with the default dtype": lambda given: torch.autocast("cuda"),
}


@pytest.mark.parametrize("name", CUDA)
def test_a_models_own_autocast_of_cuda_on_a_machine_without(name):
    """Sizes above are whole blocks of 512 bytes, but for the first layer's bias: 4 KiB in full, 2 in half."""
    cost = measure(within(CUDA[name]), inputs=ROWS, device="cuda")
    assert (cost.memory, cost.executed) == (IN_HALF, "meta")


def test_cuda_is_asked_for_by_a_model_that_knows_it_by_name():
    class Asked(Layers):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            assert torch.is_autocast_enabled()
            assert torch.is_autocast_enabled("cuda")
            assert not torch.is_autocast_enabled("cpu")
            assert torch.get_autocast_dtype("cuda") == HALF
            return self.layers(given)

    assert measure(Asked, inputs=ROWS, device="cuda", amp="bf16").memory == IN_HALF


def test_a_function_with_a_backward_of_its_own_casts_its_inputs():
    """``custom_fwd`` casts to float32 where autocast is on, and ``custom_bwd`` runs as forward did."""
    seen = []

    class Scaled(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=FULL)
        def forward(ctx, given, weight):
            ctx.save_for_backward(given, weight)
            seen.append((given.dtype, torch.is_autocast_enabled("cpu")))
            return given @ weight

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            given, weight = ctx.saved_tensors
            return grad @ weight.t(), given.t() @ grad

    class Uses(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(4, 4))

        def forward(self, given):
            return Scaled.apply(given @ self.weight, self.weight)

    # 3 rows: two products forward, two backward for each, less that for the input
    assert measure(Uses, inputs=(3, 4), mode="train", amp="bf16", optimizer="none").macs == (2 + 4 - 1) * 3 * 4 * 4
    assert seen == [(FULL, False)]


class Recomputes(Twice):
    """Its layers run again in backward, where autocast is as it was in forward."""

    reentrant = False

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, dtype=HALF):
            return checkpoint(super().forward, tokens, use_reentrant=self.reentrant)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_a_checkpoint_recomputes_is_cast_as_in_forward(device):
    cost = measure(Recomputes, inputs=(6, 16), mode="train", optimizer="none", device=device)
    product = 6 * 16 * 16
    # forward; the first layer again, since what the second returns is not needed; three gradients, less the input's
    assert (cost.macs, cost.executed) == ((2 + 1 + 3) * product, "meta")


class RecomputesReentrant(Recomputes):
    reentrant = True


TRAINED = {
    "inside": (OWN["of the CPU"][0], ROWS),
    "decorated": (Decorated, ROWS),
    "checkpoint": (Recomputes, TOKENS),
    "reentrant checkpoint": (lambda: nn.Sequential(nn.Linear(16, 16), RecomputesReentrant()), TOKENS),
}


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("real", [False, True], ids=["meta", "real"])
def test_a_models_own_autocast_in_training_to_the_byte(name, real):
    def mean(out: torch.Tensor) -> torch.Tensor:
        return out.float().mean()

    build, shape = TRAINED[name]
    given, model = torch.rand(shape), build().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with as_written(), LiveBytes(*model.parameters(), given) as mode:
        for _ in range(2):
            optimizer.zero_grad()
            mode.peak = mode.live
            value = mean(model(given))
            value.backward()
            optimizer.step()
            del value
    cost = attempt(build, real=real, grad=True, inputs=shape, mode="train", optimizer="sgd", loss=mean)
    assert cost.memory == mode.peak
