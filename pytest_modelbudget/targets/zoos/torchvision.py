"""``torchvision:resnet50``: a model of torchvision by the name that ``torchvision.models.list_models`` gives it."""

from __future__ import annotations

from ...errors import TargetError, nearest
from ..arguments import AsWritten, bound
from ..found import FoundTarget
from ..loading import installed
from .untrained import refuse_weights


def find(name: str, **args: AsWritten) -> FoundTarget:
    """The builder of a model, with arguments for that. A classifier is measured at 224 pixels unless a test says more.

    Raises `TargetError` for a model that is not there, `UsageError` for arguments that load weights.
    """
    installed("torchvision", f"torchvision:{name}")
    models = installed("torchvision.models", f"torchvision:{name}")
    known = models.list_models()
    if name not in known:
        raise TargetError(f"torchvision has no model {name!r}.{nearest(name, known)}")
    builder = models.get_model_builder(name)
    refuse_weights(args, ("weights", "pretrained"))
    sizes = {"res": 224} if hasattr(models, name) else {}
    return FoundTarget(bound(builder, args, f"torchvision:{name}"), "" if args else name, sizes)
