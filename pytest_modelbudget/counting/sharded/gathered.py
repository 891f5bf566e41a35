"""Parameters of other ranks that FSDP gathers: which storages they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..pytorch.distributed import ALLOCATES_GATHERED
from ..pytorch.replaced import replaced


@contextmanager
def gathered_seen(seen: Callable[[list[Any]], None]) -> Iterator[None]:
    """Call ``seen`` with the tensors of each parameter that is about to be gathered inside."""
    allocate = ALLOCATES_GATHERED.value

    def allocating(parameter: Any) -> None:
        allocate(parameter)
        seen(parameter.all_gather_outputs)

    with replaced(*ALLOCATES_GATHERED, allocating):
        yield
