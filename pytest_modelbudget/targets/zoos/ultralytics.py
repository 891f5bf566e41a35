"""``ultralytics:yolo11n.yaml``: a model of ultralytics by the YAML that describes it. No weights are loaded."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import TargetError, nearest
from ..arguments import AsWritten, checked
from ..found import FoundTarget
from ..loading import installed

_SCALED = re.compile(r"(\d+)([nslmx])(-.*)?$")


def find(name: str, folder: Path, **args: AsWritten) -> FoundTarget:
    """The model of a YAML file, the user's or one that ultralytics ships, with arguments of its class such as ``nc``.

    It is measured at 640 pixels, a classifier at 224, unless a test says more. Raises `TargetError` for a name that is
    neither.
    """
    installed("ultralytics", f"ultralytics:{name}")
    file = folder / name
    wanted = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    if not (file.suffix in (".yaml", ".yml") and file.is_file()):
        known = {path.name for path in _shipped()}
        if not {wanted, _SCALED.sub(r"\1\3", wanted.removesuffix(".yaml")) + ".yaml"} & known:
            raise TargetError(
                f"ultralytics:{name} is neither a YAML file nor one that ultralytics ships.{nearest(wanted, known)} "
                "Weights (.pt) are not loaded: the YAML describes the model."
            )
    given = str(file) if file.is_file() else wanted

    def factory() -> Any:
        with _quiet():
            return build()

    def build() -> Any:
        model = _kind(given)(given).model
        if not args:
            return model
        kind = type(model)
        own = {"cfg", "verbose"}
        parameters = [one for key, one in inspect.signature(kind).parameters.items() if key not in own]

        def takes() -> None: ...

        takes.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return kind(model.yaml, verbose=False, **checked(takes, args, f"ultralytics:{name}"))

    factory.__name__ = factory.__qualname__ = Path(given).stem
    return FoundTarget(factory, sizes={"res": 224 if "-cls" in name else 640})


@contextmanager
def _quiet() -> Iterator[None]:
    """Let ultralytics print nothing of a model: a command's output is for what it counted."""
    logger = logging.getLogger("ultralytics")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _kind(name: str) -> Any:
    """The class that ultralytics documents for a YAML: it finds the task, and of that the class of the model."""
    ultralytics = installed("ultralytics", f"ultralytics:{name}")
    return ultralytics.RTDETR if "rtdetr" in Path(name).stem else ultralytics.YOLO


def _shipped() -> Iterator[Path]:
    root = Path(installed("ultralytics", "ultralytics:").__file__).parent
    return (root / "cfg" / "models").rglob("*.yaml")
