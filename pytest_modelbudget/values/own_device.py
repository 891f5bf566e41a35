"""A device that was calibrated: the file that ``modelbudget calibrate`` writes, and that ``device=`` takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text.checks import Wrong, a_count, a_record, a_text, an_object, one_of, show
from ..text.files import replace_file
from ..text.json import Damaged, decode, parse
from .device import Device
from .fits import read

SUFFIX = ".json"
"""How the name of a device ends that is a file."""

_PARTS = ("name", "kind", "peaks", "bandwidth", "memory", "launch", "multiprocessors", "source")


def save_device(path: Path, device: Device) -> None:
    """Write a device with its calibration."""
    assert device.own is not None  # without a calibration there is nothing to keep
    data = {**device.own.to_dict(), "device": {name: getattr(device, name) for name in _PARTS}}
    replace_file(path, (json.dumps(data, indent=1) + "\n").encode())


_FOLDERS: list[Path] = []
"""The folders that relative paths of files are in, the innermost last; without one it is the current folder."""


@contextmanager
def files_in(folder: Path) -> Iterator[None]:
    """Within it, the relative path of a file is one in ``folder``, as other paths of a test or a table are."""
    _FOLDERS.append(folder.resolve())
    try:
        yield
    finally:
        _FOLDERS.pop()


def load_device(name: str) -> Device:
    """The device in a file, under the name of the file. Raises `UsageError` for what is no calibration."""
    folder = _FOLDERS[-1] if _FOLDERS else Path.cwd()
    path = folder / name
    try:
        return _loaded(name, path, path.stat().st_mtime_ns)
    except OSError as error:
        where = "" if Path(name).is_absolute() else f" in {folder}"
        raise UsageError(
            f"device={name!r} cannot be read{where}: {error.strerror or error}. Write it on that device with: "
            f"modelbudget calibrate {name}"
        ) from None


@lru_cache(maxsize=16)
def _loaded(name: str, path: Path, changed: int) -> Device:
    try:
        tree = parse(decode(path.read_bytes()))
        own = read(tree)
        data = a_record(tree.get("device"), ("device",), _PARTS)
        peaks = {key: a_count(value, ("device", "peaks", key), least=1) for key, value in
                 an_object(data["peaks"], ("device", "peaks")).items()}  # fmt: skip
        if "float32" not in peaks:
            raise Wrong("the peak of float32 is missing, which stands for those that are", ("device", "peaks"))
        sizes = {key: a_count(data[key], ("device", key), least=1) for key in ("bandwidth", "memory", "launch")}
        multiprocessors = a_count(data["multiprocessors"], ("device", "multiprocessors"))
        kind = one_of(data["kind"], ("device", "kind"), ("cpu", "cuda"))
        texts: dict[str, Any] = {key: a_text(data[key], ("device", key)) for key in ("name", "source")}
    except Damaged as error:
        raise UsageError(f"device={name!r} is not JSON: line {error.line}: {error}.") from None
    except Wrong as error:
        raise UsageError(f"device={name!r} is no calibration: {show(error.place)}: {error}.") from None
    return Device(
        name, kind, peaks, sizes["bandwidth"], sizes["memory"], sizes["launch"], texts["source"],
        multiprocessors=multiprocessors, own=own,
    )  # fmt: skip
