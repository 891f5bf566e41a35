"""To the digit: fvcore's and PyTorch's own counters, on models whose every operator they know."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from pytest_modelbudget import UsageError, measure

MODELS = [
    ("alexnet", {}, (1, 3, 64, 64)),
    ("convnext_tiny", {}, (1, 3, 64, 64)),
    ("densenet121", {}, (1, 3, 64, 64)),
    ("efficientnet_b0", {}, (1, 3, 64, 64)),
    ("efficientnet_v2_s", {}, (1, 3, 64, 64)),
    ("googlenet", {"init_weights": False}, (1, 3, 64, 64)),
    ("inception_v3", {"init_weights": False}, (1, 3, 96, 96)),
    ("mnasnet0_5", {}, (1, 3, 64, 64)),
    ("mnasnet1_0", {}, (2, 3, 64, 64)),
    ("mobilenet_v2", {}, (1, 3, 64, 64)),
    ("mobilenet_v3_large", {}, (1, 3, 64, 64)),
    ("mobilenet_v3_small", {}, (3, 3, 64, 96)),
    ("regnet_x_400mf", {}, (1, 3, 64, 64)),
    ("regnet_x_800mf", {}, (1, 3, 64, 64)),
    ("regnet_y_400mf", {}, (1, 3, 64, 64)),
    ("regnet_y_800mf", {}, (1, 3, 64, 64)),
    ("resnet18", {}, (4, 3, 64, 64)),
    ("resnet34", {}, (1, 3, 65, 97)),
    ("resnet50", {}, (1, 3, 224, 224)),
    ("resnext50_32x4d", {}, (1, 3, 64, 64)),
    ("shufflenet_v2_x0_5", {}, (1, 3, 64, 64)),
    ("shufflenet_v2_x1_0", {}, (1, 3, 64, 64)),
    ("squeezenet1_0", {}, (1, 3, 64, 64)),
    ("squeezenet1_1", {}, (1, 3, 64, 64)),
    ("swin_t", {}, (1, 3, 64, 64)),
    ("swin_v2_t", {}, (1, 3, 64, 64)),
    ("wide_resnet50_2", {}, (1, 3, 64, 64)),
    ("fcn_resnet50", {"weights_backbone": None, "aux_loss": True}, (1, 3, 64, 64)),
    ("deeplabv3_mobilenet_v3_large", {"weights_backbone": None}, (1, 3, 64, 64)),
    ("lraspp_mobilenet_v3_large", {"weights_backbone": None}, (1, 3, 64, 64)),
    ("r3d_18", {}, (1, 3, 4, 32, 32)),
]


def quiet(analysis):
    return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")


def fvcore_counts(model, x):
    return quiet(FlopCountAnalysis(model, x)), quiet(ActivationCountAnalysis(model, x))


def torch_count(model, x):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return counter.get_total_flops()


@pytest.mark.parametrize(("name", "options", "shape"), MODELS, ids=[row[0] for row in MODELS])
def test_same_as_the_reference(name, options, shape):
    model, x = models.get_model(name, weights=None, **options).eval(), torch.zeros(shape)
    flops, activations = fvcore_counts(model, x)
    cost = measure(model, inputs=shape)
    assert cost.flops == flops.total()
    assert cost.activations == activations.total()
    assert measure(model, inputs=shape, convention="torch").flops == torch_count(model, x) == 2 * cost.macs


def test_einsum_is_exact_where_fvcore_rounds():
    """fvcore takes an einsum's count from numpy's report, which prints four digits: here 1072 too many."""
    model, x = models.maxvit_t().eval(), torch.zeros(1, 3, 224, 224)
    # Attention among the 7x7 = 49 pixels of a window, then of a grid: in each stage for all its pixels and channels
    # one product for the scores and one for the values.
    attention = 2 * 2 * 49 * (2 * 56**2 * 64 + 2 * 28**2 * 128 + 5 * 14**2 * 256 + 2 * 7**2 * 512)
    flops, activations = fvcore_counts(model, x)
    cost = measure(model, res=224)
    assert flops.by_operator()["einsum"] == attention + 1072
    assert cost.flops == flops.total() - 1072
    assert cost.activations == activations.total()
    assert measure(model, res=224, convention="torch").flops == torch_count(model, x) == 2 * cost.macs


class TestCounterFvcore:
    """``counter="fvcore"`` for teams whose history is in its numbers."""

    @pytest.mark.parametrize("name", ["resnet18", "swin_t", "mobilenet_v3_small"])
    def test_numbers_are_fvcores(self, name):
        model, x = models.get_model(name, weights=None).eval(), torch.zeros(1, 3, 64, 64)
        flops, activations = fvcore_counts(model, x)
        cost = measure(model, res=64, counter="fvcore")
        assert (cost.flops, cost.activations) == (flops.total(), activations.total())
        assert {row: module.flops for row, module in cost.by_module().items()} == dict(flops.by_module())
        assert cost.by_operator() == dict(flops.by_operator())
        assert cost.params == sum(p.numel() for p in model.parameters())
        assert (cost.counter, cost.convention, cost.executed) == ("fvcore", "fvcore", "real")
        assert cost.uncounted == {}

    def test_einsum_is_rounded_as_fvcore_does(self):
        class Product(nn.Module):
            def forward(self, x):
                return torch.einsum("ik,jk->ij", x, x)

        # numpy reports 2 * 111 * 111 * 111 = 2735262 operations as 2.735e+06; fvcore halves that.
        assert measure(Product(), inputs=(111, 111), counter="fvcore").flops == 2735000 // 2
        assert measure(Product(), inputs=(111, 111)).flops == 111**3

    def test_what_fvcore_skips_is_uncounted(self):
        """fvcore has no handle for attention: the projection counts 5 * 6 * 18, attention nothing, and that is said."""

        class Attention(nn.Module):
            def __init__(self):
                super().__init__()
                self.qkv = nn.Linear(6, 18)

            def forward(self, x):
                q, k, v = self.qkv(x).unflatten(-1, (3, 1, 6)).permute(2, 0, 3, 1, 4)
                return F.scaled_dot_product_attention(q, k, v).softmax(-1) + 1

        cost = measure(Attention(), inputs=(1, 5, 6), counter="fvcore")
        assert cost.flops == 5 * 6 * 18
        assert cost.uncounted == {"scaled_dot_product_attention": 1}

    def test_vision_transformer(self):
        """A layer's attention and its MultiheadAttention projections: what fvcore misses of torchvision's ViTs."""
        model = models.VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16)
        missed = measure(model, res=32, counter="fvcore").uncounted
        assert missed == {"scaled_dot_product_attention": 2}

    def test_its_convention_is_its_own(self):
        with pytest.raises(UsageError, match="counts in the convention 'fvcore' only"):
            measure(models.resnet18, res=64, counter="fvcore", convention="torch")

    def test_keywords_are_refused(self):
        with pytest.raises(UsageError, match="positional inputs only"):
            measure(models.resnet18, inputs={"x": torch.Size([1, 3, 64, 64])}, counter="fvcore")
