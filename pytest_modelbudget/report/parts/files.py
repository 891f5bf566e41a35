"""Putting what was rendered into a file, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import UsageError
from ...text.files import replace_file


def write_file(path: Path, data: bytes, what: str) -> None:
    """Put a file in place; it is the old one until the new one is whole.

    A missing folder is made; a link stays a link. Raises `UsageError`, that ``what`` cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, data)
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, FileExistsError):  # what mkdir says of a file in the place of a folder
            reason = "Not a directory"
        raise UsageError(f"{what} cannot be written: {reason}.") from error
