"""Operators inside other things: transforms, scripts, checkpoints, autocast, gradients, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from four_ways import WAYS, Calls, Case, each, each_way, free, module, not_on_meta
from one_attempt import attempt
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

from pytest_modelbudget import measure

# A linear layer from 8 to 4 features on 5 rows; the tests put it inside things.
X = (5, 8)
LINEAR = {"macs": 5 * 8 * 4, "activations": 5 * 4}


def linear(**options: Any) -> nn.Linear:
    return nn.Linear(8, 4, **options)


class Around(nn.Module):
    """A linear layer, and how it is called."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.linear = linear()
        self.call = call

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(self.linear, x)


def around(name: str, call: Callable[..., Any], **expected: Any) -> Case:
    return module(name, lambda: Around(call), X, **{**LINEAR, **expected})


def autocast(layer: Any, x: Any) -> Any:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return layer(x)


class Ensemble(nn.Module):
    """Five layers at once, each on its own row."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(5, 4, 8))

    def forward(self, x: torch.Tensor) -> Any:
        return torch.func.vmap(F.linear)(x, self.weights)


def padded_rows(layer: Any, x: Any) -> Any:
    """Rows of two lengths as one nested tensor; autograd has its own operators for those."""
    return layer(torch.nested.nested_tensor([x[:2], x[2:]], layout=torch.jagged))


WRAPPED = [
    around("vmap", lambda layer, x: torch.func.vmap(layer)(x)),
    around("vmap in chunks", lambda layer, x: torch.func.vmap(layer, chunk_size=2)(x)),
    module("vmap of an ensemble", Ensemble, X, **LINEAR),
    around("functional_call", lambda layer, x: torch.func.functional_call(layer, dict(layer.named_parameters()), x)),
    around("checkpoint, reentrant", lambda layer, x: checkpoint(layer, x, use_reentrant=True)),
    around("checkpoint, not reentrant", lambda layer, x: checkpoint(layer, x, use_reentrant=False)),
    around("autocast", autocast),
    around("no_grad inside", torch.no_grad()(lambda layer, x: layer(x))),
    around("inference_mode inside", torch.inference_mode()(lambda layer, x: layer(x))),
    around("forked", lambda layer, x: torch.jit.wait(torch.jit.fork(layer, x))),
    around("jagged rows", padded_rows),
    around("mkldnn", lambda layer, x: F.linear(x.to_mkldnn(), layer.weight.to_mkldnn(), layer.bias.to_mkldnn()),
           not_on=not_on_meta("mkldnn")),
    # v·w / |w| is element-wise
    module("weight_norm", lambda: parametrizations.weight_norm(linear()), X, **LINEAR),
    module("weight_norm, by hook", lambda: weight_norm(linear()), X, **LINEAR),
    # in eval the norm is u·(W v): a matrix (4, 8) by a vector, and a dot product of 4
    module("spectral_norm", lambda: parametrizations.spectral_norm(linear()), X,
           macs=160 + 4 * 8 + 4, activations=20 + 4 + 1),
    module("spectral_norm, by hook", lambda: spectral_norm(linear()), X, macs=160 + 4 * 8 + 4, activations=20 + 4 + 1),
]  # fmt: skip


class Twice(torch.autograd.Function):
    """A function with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return 2 * (x @ weight.t())

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return 2 * (grad @ ctx.saved_tensors[0]), None


def three_times(layer: Any, x: Any) -> Any:
    from torch._higher_order_ops.while_loop import while_loop

    step = lambda i, x: (i + 1, torch.cat([layer(x), layer(x)], 1))  # noqa: E731
    return while_loop(lambda i, x: i < 3, step, (torch.tensor(0), x))


def rows(layer: Any, x: Any) -> Any:
    from torch._higher_order_ops.map import map as map_rows

    return map_rows(lambda row: layer(row), x)


CONTROLLED = [
    around("autograd.Function", lambda layer, x: Twice.apply(x, layer.weight)),
    # two calls of the layer each time
    around("while_loop", three_times, macs=6 * 160, activations=6 * 20),
    around("map", rows),
    around("compiled inside", lambda layer, x: torch.compile(lambda x: layer(x))(x)),
]  # fmt: skip


@each_way([*WRAPPED, *CONTROLLED])
def test_a_product_inside_something_costs_what_it_does_outside(case: Case, way: str) -> None:
    case.check(way)


def test_a_branch_that_reads_data_counts_the_branch_taken() -> None:
    cost = measure(lambda: Around(lambda layer, x: torch.cond(x.sum() == x.sum(), layer, layer, (x,))), inputs=[X])
    assert (cost.macs, cost.executed, cost.uncounted) == (160, "real", {})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("compiler", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1, 3, 9, 9))])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_costs_what_its_source_does(compiler: Any, way: str) -> None:
    """The first calls of a script run it as it is and optimise it, so it is called before it is measured as well."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 49, 10)).eval()
    script = compiler(model)
    for _ in range(3):
        script(torch.ones(2, 3, 9, 9))
    cost = attempt(script, inputs=[(2, 3, 9, 9)], **WAYS[way])
    conv, classifier = 2 * 4 * 49 * 3 * 9, 2 * 4 * 49 * 10
    assert cost.macs == conv + classifier
    assert cost.flops == conv + classifier + 2 * 2 * 4 * 49
    assert cost.activations == 2 * 4 * 49 + 2 * 10


@pytest.mark.parametrize("way", ["meta", "real"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_pools_as_its_source_does(way: str) -> None:
    """A script calls no Python function, so the operator itself must count: one for each input element."""
    cost = attempt(torch.jit.script(nn.AdaptiveAvgPool2d(1)), inputs=[(2, 3, 9, 9)], **WAYS[way])
    assert (cost.flops, cost.macs) == (2 * 3 * 81, 0)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_kernel_that_a_script_runs_without_an_operator_is_reported(grad: bool) -> None:
    """Optimised for inference a convolution is a oneDNN call inside TorchScript, out of every mode's sight."""
    script = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.ReLU()).eval())
    cost = attempt(torch.jit.optimize_for_inference(script), real=True, grad=grad, inputs=[(2, 3, 9, 9)])
    assert cost.uncounted == {"prim::mkldnn_convolution": 2}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_operators_that_a_script_has_fused_are_counted() -> None:
    """After its first calls a script may run several operators as one kernel that is none; a count undoes that."""
    example = torch.ones(1, 3, 6, 6)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)).eval()
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
    try:
        script = torch.jit.freeze(torch.jit.trace(model, example)).eval()
        fresh = attempt(script, real=True, grad=False, inputs=example)
        with torch.no_grad():
            for _ in range(3):
                script(example)
        fused = attempt(script, real=True, grad=False, inputs=example)
    finally:
        torch.jit.enable_onednn_fusion(before)
    assert (fresh.macs, fresh.uncounted) == (4 * 16 * 3 * 9 + 64 * 5, {})
    assert (fused.macs, fused.uncounted, fused.peak) == (fresh.macs, {}, fresh.peak)


def tanh_of_normed(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    y = nn.functional.batch_norm(nn.functional.linear(x, weight, bias), None, None, bias, bias, True)
    return torch.tanh(y) * torch.sigmoid(y)


class OfParameters(nn.Module):
    """A function of an input and of two parameters."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.weight, self.bias = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, self.weight, self.bias)


SCRIPTED = {
    "a module": lambda: torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh())),
    "a part": lambda: nn.Sequential(torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))), nn.Tanh()),
    "a function": lambda: OfParameters(torch.jit.script(tanh_of_normed)),
}


@pytest.mark.parametrize("way", [{"mode": "train"}, {"mode": "train", "amp": "bf16"}, {}, {"amp": "bf16"}], ids=str)
@pytest.mark.parametrize("build", SCRIPTED.values(), ids=SCRIPTED)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_costs_the_same_however_often_it_ran(build: Any, way: dict[str, str]) -> None:
    """Its executor specialises it to the calls before, of other counts too: by shapes, dtypes, devices and autograd."""
    model = build()
    first = measure(model, inputs=(5, 8), **way)
    for other in ({"mode": "train"}, {"mode": "train", "amp": "bf16"}, {}, {"dtype": "bf16"}):
        measure(model, inputs=(3, 8), **other)
        assert measure(model, inputs=(5, 8), **way) == first


class Recurrent(nn.Module):
    """It keeps its weights in a list, too."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True)
        self.scale = torch.ones(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0] * self.scale


@pytest.mark.parametrize("way", [{}, {"dtype": "bf16"}, {"mode": "train"}, {"mode": "train", "device": "T4"}], ids=str)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_costs_on_meta_what_its_source_does(way: dict[str, str]) -> None:
    """Built by a factory, whole, or as a part: what it keeps in C++ is on the meta device."""
    source = measure(Recurrent, inputs=(4, 5, 8), **way)
    for model in (lambda: torch.jit.script(Recurrent()), torch.jit.script(Recurrent()),
                  nn.Sequential(torch.jit.script(Recurrent()))):  # fmt: skip
        cost = measure(model, inputs=(4, 5, 8), **way)
        assert cost.executed == "meta"
        assert (cost.macs, cost.flops, cost.weights, cost.memory) == (
            source.macs, source.flops, source.weights, source.memory
        )  # fmt: skip


@pytest.mark.parametrize("way", [{"mode": "train"}, {"mode": "train", "amp": "bf16"}, {}], ids=str)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_that_was_trained_costs_what_it_did_before(way: dict[str, str]) -> None:
    model = SCRIPTED["a part"]()
    first = measure(model, inputs=(5, 8), **way)
    for _ in range(4):
        model(torch.ones(5, 8)).sum().backward()
    model.zero_grad(set_to_none=True)
    assert measure(model, inputs=(5, 8), **way) == first


class Energy(nn.Module):
    """The forces of a potential: the gradient of its energy by its positions."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.energy = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_()
        return torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0]


class Adapted(nn.Module):
    """One step of descent on the weights of a convolution, inside forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (slope,) = torch.autograd.grad(self.conv(x).square().mean(), self.conv.weight)
        return F.conv2d(x, self.conv.weight - 0.1 * slope, self.conv.bias)


CONV = 2 * 4 * 49 * 3 * 9
IMAGE = (2, 3, 9, 9)
ATTENTION = 2 * (2 * 6 * 6 * 2 * 8)  # two heads in a batch of two

# The gradient of a product by one of its factors takes as many multiply-adds as the product.
DIFFERENTIATED = [
    module("linear", lambda: Energy(linear(), nn.Tanh(), nn.Linear(4, 1)), X,
           macs=2 * (5 * 8 * 4 + 5 * 4), activations=5 * (4 + 1) + 5 * (4 + 8)),
    module("norm", lambda: Energy(linear(), nn.LayerNorm(4), nn.GELU()), X,
           macs=2 * 160, activations=20 + 40, flops=2 * 160 + 5 * 20),
    module("convolution", lambda: Energy(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), IMAGE,
           macs=2 * CONV, activations=2 * 4 * 49 + 2 * 3 * 81, flops=2 * CONV + 2 * 2 * 4 * 49),
    # its input is spread over the output, and the gradient gathered from there
    module("transposed convolution", lambda: Energy(nn.ConvTranspose2d(3, 4, 3, stride=2)), IMAGE,
           macs=2 * 2 * 3 * 81 * 4 * 9, activations=2 * 4 * 19 * 19 + 2 * 3 * 81),
    # by the weights, and then a second convolution
    module("by the weights", Adapted, IMAGE, macs=3 * CONV, activations=2 * 2 * 4 * 49 + 4 * 3 * 9),
    # scores and their product with the values forward; backward the gradients by both factors of each
    module("attention", lambda: Energy(Calls(lambda x: F.scaled_dot_product_attention(x, x, x))), (2, 2, 6, 8),
           macs=3 * ATTENTION, activations=4 * (2 * 6 * 6 + 4 * 6 * 8)),
    module("recurrent cell", lambda: Energy(Calls(torch.tanh), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8)), X,
           macs=4 * 5 * 8 * 8, activations=4 * 5 * 8),
]  # fmt: skip


@each(DIFFERENTIATED)
@pytest.mark.parametrize("way", ["meta+grad", "real+grad"])
def test_a_gradient_in_forward_counts(case: Case, way: str) -> None:
    case.check(way)


@each(DIFFERENTIATED)
def test_measure_finds_out_that_forward_differentiates(case: Case) -> None:
    cost = measure(case.build, inputs=case.inputs)
    assert (cost.macs, cost.activations, cost.executed) == (case.macs, case.activations, "meta")
    assert any("autograd" in note for note in cost.notes)


# torch.func differentiates without autograd's global switch, also in inference mode.
FUNCTIONAL = [
    around("func.grad", lambda layer, x: torch.func.grad(lambda x: layer(x).sum())(x), macs=2 * 160, activations=60),
    around("func.vjp", lambda layer, x: torch.func.vjp(layer, x)[1](x.new_ones(5, 4)), macs=2 * 160, activations=60),
    # a Jacobian by rows: a backward product for each of 4 outputs
    around("func.jacrev", lambda layer, x: torch.func.vmap(torch.func.jacrev(layer))(x),
           macs=160 + 4 * 160, activations=20 + 4 * 40),
    free("pooling inside func.grad", lambda: Calls(torch.func.grad(lambda x: F.adaptive_avg_pool2d(x, 1).sum())),
         (2, 3, 8, 8), flops=2 * 3 * 8 * 8),
]  # fmt: skip


@each_way(FUNCTIONAL)
def test_functional_gradients_count(case: Case, way: str) -> None:
    case.check(way)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_quantized_kernel_that_hides_its_work_is_reported() -> None:
    """A convolution prepacked for oneDNN: the object says nothing of its weight, and there is no zero in silence."""
    packed = torch.ops.mkldnn_prepacked.conv2d_prepack(
        torch.ones(6, 4, 3, 3), None, [1, 1], [0, 0], [1, 1], 1, [2, 4, 9, 9], "none"
    )

    class Prepacked(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = torch.ops.mkldnn_prepacked.conv2d_run(x, packed)
            return out

    cost = measure(Prepacked(), inputs=(2, 4, 9, 9))
    assert (cost.uncounted, cost.executed) == ({"mkldnn_prepacked::conv2d_run": 1}, "real")
