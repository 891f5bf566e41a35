"""Budgets for two networks, as a test suite has them. All of it passes."""

import pytest
from torchvision.models import mobilenet_v3_large, resnet50, vit_b_16

from pytest_modelbudget import budget


@budget(flops="4.2G", params="26M", batch=1, res=224)
def test_resnet50():
    return resnet50()


@budget(model=vit_b_16, flops="17.6G", params="87M", weights="332MiB", res=224)
def test_vit_b_16(): ...


@budget(model=mobilenet_v3_large, flops="15G")
@pytest.mark.parametrize(("batch", "res"), [(1, 224), (32, 224), (1, 1024)])
def test_mobilenet_v3_at_every_operating_point(batch, res): ...


def test_most_of_resnet50_is_in_the_middle(model_cost):
    cost = model_cost(resnet50, batch=8, res=224)
    assert cost.by_module()["layer3"].flops > cost.by_module()["layer1"].flops
