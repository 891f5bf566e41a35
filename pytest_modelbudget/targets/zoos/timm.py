"""``timm:vit_base_patch16_224``: a model of timm by the name that ``timm.create_model`` takes."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...errors import TargetError, nearest
from ..found import FoundTarget
from ..loading import installed
from .untrained import refuse_weights


def find(name: str, **args: Any) -> FoundTarget:
    """``timm.create_model`` of a name, with arguments for that, at the size that timm's own configuration has.

    Raises `TargetError` for a model that is not there, `UsageError` for arguments that load weights.
    """
    timm = installed("timm", f"timm:{name}")
    if name.split(".")[0] not in timm.list_models():
        raise TargetError(f"timm has no model {name!r}.{nearest(name, timm.list_models())}")
    refuse_weights(args, ("pretrained", "checkpoint_path"))
    code = "" if args else f'lambda: timm.create_model("{name}")'
    return FoundTarget(partial(timm.create_model, name, **args), code, {"res": _size(timm, name, args)})


def _size(timm: Any, name: str, args: dict[str, Any]) -> Any:
    """``img_size`` if that is given, else what the model was trained at, else 224."""
    if "img_size" in args:
        return args["img_size"]
    size = (timm.get_pretrained_cfg(name).to_dict() if timm.is_model_pretrained(name) else {}).get("input_size")
    return 224 if not size else size[1] if size[1] == size[2] else (size[1], size[2])
