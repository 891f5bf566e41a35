"""The process group of a count: one of any size, which computes nothing, or the user's own, left as it was."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...errors import UsageError
from ...values.point import OperatingPoint


@contextmanager
def process_group(point: OperatingPoint) -> Iterator[None]:
    """Run what is inside as one rank of the process group that ``point`` asks for.

    There is one already if the user made it: it is used, nothing is sent in it, and the groups that are made beside it
    inside are destroyed again. Raises `UsageError` where that group has another size or rank, and where PyTorch was
    built without ``torch.distributed``.
    """
    world = point.world
    if world is None and not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        yield
        return
    check_available()
    from .host import on_the_host  # it imports FSDP

    with on_the_host(), _own_or_fake(world, point.rank):
        yield


def check_available() -> None:
    """Raise `UsageError` where this PyTorch has no process groups."""
    if not torch.distributed.is_available():
        raise UsageError(
            "This PyTorch was built without torch.distributed, so it has no sharded models: ranks= and parallel= "
            "cannot be measured with it. Measure the model on one rank, or install a PyTorch that has it: those for "
            "Linux, Windows and macOS do."
        )


@contextmanager
def _own_or_fake(world: int | None, rank: int | None) -> Iterator[None]:
    from ..pytorch.distributed import FakeStore, forget_placements, groups

    dist = torch.distributed
    if dist.is_initialized():
        if world not in (None, dist.get_world_size()):
            raise UsageError(
                f"{world} ranks are asked for, and this process is in a group of {dist.get_world_size()}. Leave out "
                "ranks=, or measure where no process group is."
            )
        if rank is not None and dist.get_rank() != rank:
            raise UsageError(f"rank={rank} is asked for, and this process is rank {dist.get_rank()} of its own group.")
        before = groups()
        try:
            yield
        finally:
            for group in reversed(groups()):
                if group not in before:
                    dist.destroy_process_group(group)
        return
    with _quiet():
        shows_errors = sys.excepthook  # PyTorch puts the rank before each line of an error
        dist.init_process_group("fake", store=FakeStore(), rank=rank or 0, world_size=world or 1)
        sys.excepthook = shows_errors
    forget_placements()
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        forget_placements()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings and the log lines of a group that nothing is sent in."""
    logger = logging.getLogger("torch.distributed")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
