"""The errors a user can meet: each says what was found, what is allowed, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BudgetError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(BudgetError):
    """The user wrote something that cannot be meant: an unknown argument, a bad unit, no inputs."""


class TargetError(BudgetError):
    """A model could not be found or built: a name that does not import, a factory that raises."""


class ModelError(BudgetError):
    """The model's own code raised while it was measured. Its error is the ``__cause__``."""


class VersionError(BudgetError):
    """An installed package is of a release that this package cannot work with."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed word, in any case of letters, or an empty text."""
    words = {one.lower(): one for one in reversed(list(allowed))}
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.5)
    return f" Did you mean {words[close[0]]!r}?" if close else ""
