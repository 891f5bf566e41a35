"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_file(target: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file beside ``target`` and, once the disk has it, put it in its place; a failure leaves no trace.

    ``mode`` are the permission bits it gets; without them those of a new file. Raises `OSError`.
    """
    beside = target.with_name(f".modelbudget-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    file = beside.open("xb")
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
