"""What is followed of a sharded model while it runs: parameters that FSDP gathers and frees, buckets of replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from .gathered import gathered_seen
from .host import resizes_seen
from .replicas import buckets_made


@contextmanager
def sharded_run(
    resized: Callable[[Any], None],
    gathered: Callable[[list[Any]], None],
    as_gradients: Callable[[], AbstractContextManager[Any]],
) -> Iterator[None]:
    """Call ``resized`` with each storage that is resized inside, and ``gathered`` with the tensors of each parameter
    that is gathered; make the buckets of replicas in ``as_gradients()``."""
    with resizes_seen(resized), gathered_seen(gathered), buckets_made(as_gradients):
        yield
