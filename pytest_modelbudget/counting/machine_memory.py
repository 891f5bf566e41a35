"""The memory of this machine, and the word for a real run that would not fit in it."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ModelError
from ..text.units import BYTES, show_apart

_LIMIT_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int | None:
    """The bytes of memory that this process may use: the machine's, or its container's; ``None`` where unknown."""
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ())):
        return None  # as on Windows
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _LIMIT_OF_CONTAINER.read_text(encoding="ascii").strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def refuse_too_large(needed: int, why: str) -> None:
    """Raise `ModelError` for a run on the CPU, made because of ``why``, if it takes more bytes than there are."""
    memory = machine_memory()
    if memory is None or needed <= memory:
        return
    takes, has = show_apart(needed, memory, BYTES)
    raise ModelError(
        f"{why}. A real run takes at least {takes} of memory, and this machine has {has}: it was not tried. "
        "Give a smaller operating point."
    )
