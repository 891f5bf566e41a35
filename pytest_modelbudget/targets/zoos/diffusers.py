"""``diffusers:PATH-OR-NAME`` and ``diffusers:UNet2DModel``: a model of diffusers by its configuration or its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import TargetError, UsageError, nearest
from ...values.input_tensor import InputTensor, tensor
from ..arguments import AsWritten, checked
from ..found import FoundTarget
from ..loading import attribute, installed


def find(name: str, folder: Path, **args: AsWritten) -> FoundTarget:
    """A class of diffusers with its defaults, or the model whose configuration is in a folder or on the hub.

    Of a pipeline, the component is named behind it: ``path/of/pipeline/unet``. Arguments are those of the class. Raises
    `TargetError` for what is not there, `UsageError` for arguments that the class does not take.
    """
    diffusers = installed("diffusers", f"diffusers:{name}")
    models = [one for one in dir(diffusers) if one.endswith(("Model", "Model2D", "Model3D")) or "Autoencoder" in one]
    path = folder / name
    config: Mapping[str, Any] = {}
    kind = attribute(diffusers, name) if name.isidentifier() and not path.exists() else None
    if kind is None and name.isidentifier() and not path.exists():
        raise TargetError(
            f"diffusers has no class {name!r}, and there is no folder of that name.{nearest(name, models)} Allowed: a "
            "class of diffusers, a folder with a config.json, or OWNER/NAME/COMPONENT on the hub."
        )
    if kind is None:
        config = _config(diffusers, name, path)
        said = str(config.get("_class_name", ""))
        kind = attribute(diffusers, said)
        if kind is None:
            raise TargetError(f"diffusers:{name}: its configuration has the class {said!r}.{nearest(said, models)}")
    if not (isinstance(kind, type) and issubclass(kind, diffusers.ModelMixin)):
        raise TargetError(
            f"diffusers:{name} is no model: {getattr(kind, '__name__', kind)} is none of its model classes."
        )
    given = checked(kind, args, f"diffusers:{name}")
    own = _arguments(kind, config)
    return FoundTarget(partial(kind, **{**own, **given}), **_usual(kind, {**_defaults(kind), **own, **given}))


def _config(diffusers: Any, name: str, path: Path) -> Mapping[str, Any]:
    """The configuration of a model; of ``OWNER/NAME/COMPONENT`` on the hub, that of the component."""
    if (path / "model_index.json").is_file():
        components = [one.name for one in sorted(path.iterdir()) if (one / "config.json").is_file()]
        raise UsageError(
            f"diffusers:{name} is a pipeline. Name one of its components: "
            f"{', '.join(f'diffusers:{name}/{one}' for one in components) or 'there is none with a config.json'}."
        )
    owner, _, rest = name.partition("/")
    repository, _, component = rest.partition("/")
    place, more = (str(path), {}) if path.exists() else (f"{owner}/{repository}", {"subfolder": component or None})
    try:
        of_a_model = type("_Config", (diffusers.ConfigMixin,), {"config_name": "config.json"})
        found: Mapping[str, Any] = of_a_model.load_config(place, **more)  # type: ignore[attr-defined]
    except Exception as error:  # it raises what it met: files, networks, JSON
        said = (str(error).strip().splitlines() or [""])[0]
        raise TargetError(
            f"diffusers:{name} has no configuration that loads: {type(error).__name__}: {said} Allowed: a class of "
            "diffusers, a folder with a config.json, or OWNER/NAME/COMPONENT on the hub."
        ) from error
    return found


def _defaults(kind: type) -> dict[str, Any]:
    return {key: one.default for key, one in inspect.signature(kind).parameters.items() if one.default is not one.empty}


def _arguments(kind: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration the class takes; lists as the tuples that they were."""
    taken = inspect.signature(kind).parameters
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items() if key in taken}


_WIDTHS = {
    "encoder_hidden_states": ("cross_attention_dim", "joint_attention_dim", "caption_channels", "text_dim"),
    "pooled_projections": ("pooled_projection_dim",),
}
"""What the width of an input is called in the configurations."""


def _usual(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a model that works on pictures is given, by the names of its parameters, and its resolution.

    The text has 77 tokens, as that of CLIP has. Of a model that needs more, nothing is said.
    """
    parameters = inspect.signature(kind.forward).parameters
    picture = next((name for name in ("sample", "hidden_states", "x") if name in parameters), "")
    channels, size = config.get("in_channels"), config.get("sample_size")
    if not picture or not isinstance(channels, int) or "img_ids" in parameters:
        return {}
    found: dict[str, Any] = {picture: tensor("batch", channels, "res", "res")}
    for name, one in list(parameters.items())[1:]:
        needed = one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        made = None if name == picture else _tensor(name, config)
        if made is not None and (needed or name in ("timestep", "class_labels") or name in _WIDTHS):
            found[name] = made
        elif needed and name != picture:
            return {}
    sizes = {"res": size} if isinstance(size, (int, tuple)) else {}
    sizes |= {"seq": 77} if "encoder_hidden_states" in found else {}
    return {"inputs": found, "sizes": sizes}


def _tensor(name: str, config: Mapping[str, Any]) -> InputTensor | None:
    """One input beside the picture, if the configuration says its size."""
    if name == "timestep":
        return tensor("batch", dtype="int64")
    if name == "class_labels":
        return tensor("batch", dtype="int64") if config.get("num_embeds_ada_norm") else None
    width = next((config[one] for one in _WIDTHS.get(name, ()) if isinstance(config.get(one), int)), None)
    if width is None:
        return None
    return tensor("batch", "seq", width) if name == "encoder_hidden_states" else tensor("batch", width)
