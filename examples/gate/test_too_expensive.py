"""The same budget after somebody doubled the resolution: the build must stop here."""

from torchvision.models import resnet50

from pytest_modelbudget import budget


@budget(flops="4.2G", params="26M", batch=1, res=448)
def test_resnet50():
    return resnet50()
