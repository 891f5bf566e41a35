"""Where the markers of a run are written: noted as each is made, for ``--budget-write`` to find it again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..sources.call import Call, calling, seen
from ..values.metrics import metric_names
from ..values.written import Written
from .options import write_of

_DECORATOR = pytest.MarkDecorator
_PYTEST = frozenset({str(inspect.getsourcefile(_DECORATOR))})


class Places:
    """Notes, while it is followed, from which call each marker comes: pytest keeps what a marker says, not where."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self._calls: dict[int, tuple[pytest.Mark, Call]] = {}
        self._made: Callable[..., pytest.MarkDecorator] | None = None

    def follow(self) -> None:
        """Begin to note."""
        made = self._made = _DECORATOR.with_args

        def with_args(decorator: pytest.MarkDecorator, *args: object, **kwargs: object) -> pytest.MarkDecorator:
            marked = made(decorator, *args, **kwargs)
            call = calling(_PYTEST, self.digests) if decorator.name == "budget" else None
            if call is not None:
                self._calls[id(marked.mark)] = marked.mark, call
            return marked

        _DECORATOR.with_args = with_args  # type: ignore[method-assign, assignment]

    def leave(self) -> None:
        """Note no more."""
        if self._made is not None:
            _DECORATOR.with_args = self._made  # type: ignore[method-assign]
            self._made = None

    def limits(self, mark: pytest.Mark) -> dict[str, Any]:
        """The arguments of a marker, its limits with their places where these are known."""
        _, call = self._calls.get(id(mark), (mark, None))
        return with_places(mark.kwargs, call)


def with_places(arguments: Mapping[str, Any], call: Call | None) -> dict[str, Any]:
    """The arguments of a call, its limits with their places."""
    limits = metric_names()
    return {
        name: Written(value, call.place(name)) if call is not None and name in limits and value is not None else value
        for name, value in arguments.items()
    }


PLACES = pytest.StashKey[Places]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Follow markers from the first conftest on, if limits are to be written."""
    if write_of(early_config.known_args_namespace):
        early_config.stash[PLACES] = places = Places()
        places.follow()
        early_config.add_cleanup(places.leave)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """Note what a test file is like before it is imported."""
    places = parent.config.stash.get(PLACES, None)
    if places is not None:
        seen(str(module_path.resolve()), places.digests)
