"""``hf:PATH-OR-NAME``: a model of transformers by its configuration. No weights are looked at."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ...errors import TargetError, UsageError, nearest
from ...values.input_tensor import tensor
from ..arguments import AsWritten, literal, of_type, unknown
from ..found import FoundTarget
from ..loading import attribute, installed, loaded


def find(
    name: str, folder: Path, *, architecture: str = "", trust_remote_code: bool = False, **args: AsWritten
) -> FoundTarget:
    """The model whose configuration is in a folder, in a file, or on the hub, from which nothing else is loaded.

    ``architecture`` is a class of transformers, in place of the one that the configuration names. Other arguments are
    fields of the configuration. Code that comes with a model runs only with ``trust_remote_code``. Raises `TargetError`
    for a configuration that does not load, `UsageError` for arguments that it does not have.
    """
    transformers = installed("transformers", f"hf:{name}")
    path = folder / name
    config = _config(transformers, str(path) if path.exists() else name, trust_remote_code)
    for key, value in args.items():
        if key not in _fields(config):
            own = set(_fields(config)) - set(_fields(transformers.PretrainedConfig()))
            raise unknown(key, ["architecture", "trust_remote_code", *sorted(own)], f"hf:{name}")
        setattr(config, key, of_type(value, getattr(config, key), key, f"hf:{name}"))
    kind, build = _builder(transformers, config, architecture, trust_remote_code)
    inputs, sizes = _inputs(kind, config) if kind is not None else (None, {})

    def factory() -> Any:
        return build(deepcopy(config))  # a model writes into its own

    factory.__name__ = factory.__qualname__ = kind.__name__ if kind is not None else f"hf:{name}"
    return FoundTarget(factory, sizes=sizes, inputs=inputs)


def _config(transformers: Any, name: str, trusted: bool) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(name, trust_remote_code=trusted)
    except Exception as error:  # it raises what it met: files, networks, fields
        said = (str(error).strip().splitlines() or [""])[0]
        hint = (
            "Code of its own is run only with the argument trust_remote_code=true."
            if "trust_remote_code" in str(error)
            else "Allowed: a folder with a config.json, as save_pretrained() writes it, or a name on the hub."
        )
        raise TargetError(
            f"hf:{name} has no configuration that loads: {type(error).__name__}: {said} {hint}"
        ) from error


def _fields(config: Any) -> list[str]:
    """What an argument may set: what the configuration is made of, under the names that its class gives it."""
    kind = type(config)
    settable = [key for key in dir(kind) if getattr(getattr(kind, key, None), "fset", None) is not None]
    listed = [key for key in config.to_dict() if hasattr(config, key)]
    return [key for key in dict.fromkeys((*listed, *settable)) if not key.startswith("_")]


def _builder(
    transformers: Any, config: Any, architecture: str, trusted: bool
) -> tuple[type | None, Callable[[Any], Any]]:
    """The class of the model, if transformers has it, and what builds it from its configuration, in its dtype."""
    name = architecture or next(iter(config.architectures or ()), "")
    remote = {str(place).rpartition(".")[2]: auto for auto, place in getattr(config, "auto_map", {}).items()}
    if name in remote or not name:
        auto = getattr(transformers, remote.get(name, "AutoModel"))
        return None if name else _plain(transformers, config), lambda config: auto.from_config(
            config, trust_remote_code=trusted
        )
    kind = attribute(transformers, name)
    if not isinstance(kind, type) or not issubclass(kind, transformers.PreTrainedModel):
        near = nearest(name, [one for one in dir(transformers) if one.startswith(name[:3])])
        found = f"architecture={name!r}" if architecture else f"the configuration has the architecture {name!r}, which"
        raise UsageError(f"args: {found} is not a model class of this transformers {transformers.__version__}.{near}")
    return kind, getattr(kind, "_from_config", kind)  # as AutoModel.from_config does


def _plain(transformers: Any, config: Any) -> type:
    """The class without a head, where a configuration names none."""
    known = transformers.MODEL_MAPPING
    if type(config) not in known:
        raise TargetError(
            f"A {type(config).__name__} names no architecture, and transformers has no default one. Say it: "
            "architecture='...'."
        )
    kind = loaded(f"The model of a {type(config).__name__}", lambda: known[type(config)])
    found: type = kind[0] if isinstance(kind, tuple) else kind
    return found


def _inputs(kind: Any, config: Any) -> tuple[Mapping[str, Any] | None, dict[str, Any]]:
    """What a model is given at any size, and the sizes that its configuration says: of pictures, of texts beside them.

    Of text alone no size is usual: then the ``dummy_inputs`` of the model are taken.
    """
    main = getattr(kind, "main_input_name", "")
    wanted = {main}
    parameters = inspect.signature(kind.forward).parameters
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in parameters:
        wanted.add("decoder_input_ids")
    vision, text = getattr(config, "vision_config", None), getattr(config, "text_config", None)
    if vision is not None and text is not None and {"input_ids", "pixel_values"} <= set(parameters):
        wanted |= {"input_ids", "pixel_values"}
    ids, sizes = tensor("batch", "seq", dtype="int64"), {}
    found: dict[str, Any] = {}
    for name in sorted(wanted, key=list(parameters).index if wanted <= set(parameters) else str):
        if name in ("input_ids", "decoder_input_ids"):
            found[name] = ids
        elif name == "pixel_values":
            found[name], sizes["res"] = _pictures(vision if vision is not None else config)
        elif name == "input_values" and not hasattr(config, "num_mel_bins"):
            found[name], sizes["seq"] = tensor("batch", "seq"), _SECOND
        elif name == "input_features" and hasattr(config, "max_source_positions"):
            found[name] = tensor("batch", config.num_mel_bins, 2 * config.max_source_positions)
        else:
            return None, {}
    if set(found) - {"input_ids", "decoder_input_ids"} and set(found) & {"input_ids", "decoder_input_ids"}:
        most = ("max_target_positions", "max_position_embeddings")
        of_text = text if text is not None else config
        sizes["seq"] = next((value for one in most if (value := getattr(of_text, one, None))), None)
    return found, {name: size for name, size in sizes.items() if size is not None}


_SECOND = 16_000
"""Samples of sound in a second, as most models of speech hear it."""


def _pictures(config: Any) -> tuple[Any, Any]:
    """The tensor of pictures, or of a video's frames, and the resolution; 224 where the configuration has none."""
    size = literal(getattr(config, "image_size", None)) or 224
    frames = [config.num_frames] if hasattr(config, "num_frames") else []
    return tensor("batch", *frames, getattr(config, "num_channels", 3), "res", "res"), (
        tuple(size) if isinstance(size, (list, tuple)) else size
    )
