"""Putting what was rendered into a file, whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ...errors import UsageError
from ...text.files import replace_file


def check_file(path: Path, what: str) -> None:
    """Check, before there is anything to write, that a file can be put in its place. Raises as `write_file` does."""
    try:
        target = Path(os.path.realpath(path))
        status = target.stat() if target.exists() else None
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = next(above for above in target.parents if above.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        raise _refused(what, error) from error


def write_file(path: Path, data: bytes, what: str) -> None:
    """Put a file in place; it is the old one until the new one is whole.

    A missing folder is made; a link stays a link. Raises `UsageError`, that ``what`` cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, data)
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        raise _refused(what, error) from error


def _refused(what: str, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileExistsError):  # what mkdir says of a file in the place of a folder
        reason = "Not a directory"
    return UsageError(f"{what} cannot be written: {reason}.")
