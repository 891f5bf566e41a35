"""What the models may cost."""

from model import Triage, UNet

from pytest_modelbudget import budget


@budget(flops="2.5G", params="550k", batch=1, res=384)  # by limits: what the camera's board can do
def test_unet():
    return UNet()


@budget(batch=32, res=64)  # no limits, so by the baseline: it may not cost more than it did
def test_unet_on_tiles():
    return UNet()


@budget(batch=8, res=128)
def test_triage():
    return Triage()
