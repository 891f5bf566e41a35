"""Stages of a pipeline: what they ask of the stages before and after them, which do not run here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NoReturn

import torch

from ...errors import UsageError
from ..pytorch.distributed import BATCHES_MESSAGES, RECEIVES_OBJECTS, Pipelining, pipelining
from ..pytorch.replaced import replaced


@contextmanager
def one_stage() -> Iterator[None]:
    """Let a stage of a pipeline run inside without those before and after it.

    One that does not know the shapes of what it gets raises `UsageError`: another rank would send them.
    """
    with ExitStack() as stack:
        for place in BATCHES_MESSAGES:
            stack.enter_context(replaced(*place, _one_by_one))
        for place in RECEIVES_OBJECTS:
            stack.enter_context(replaced(*place, _refuse_to_receive))
        stack.enter_context(replaced(torch.random, "fork_rng", _without_devices))
        if _PIPELINING in sys.modules and (found := pipelining()) is not None:
            stack.enter_context(replaced(*found.warms_up, _without_a_vote(found)))
        yield


_PIPELINING = "torch.distributed.pipelining"


_fork_rng = torch.random.fork_rng


def _without_devices(devices: Any = None, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
    """Keep the random numbers of the CPU, which is the only device that there is."""
    return _fork_rng((), enabled=kwargs.get("enabled", True))


def _one_by_one(messages: list[Any]) -> list[Any]:
    """Send and receive each of ``messages``: no backend batches those of the meta device."""
    works = (one.op(one.tensor, one.peer, one.group, one.tag) for one in messages)
    return [work for work in works if work is not None]


def _refuse_to_receive(*args: Any, **kwargs: Any) -> NoReturn:
    raise UsageError(
        "The model receives a Python object from another rank, and only one rank runs here. A PipelineStage receives "
        "the shapes of its inputs so: give it input_args= and output_args=, those of a micro-batch, and import "
        "torch.distributed.pipelining where the model's file begins."
    )


def _without_a_vote(of_stages: Pipelining) -> Any:
    """What stages do before the first step: they vote whether all know their shapes, which those of one rank do."""
    vote = of_stages.warms_up.value

    def warm_up(schedule: Any, stages: Any, has_backward: bool, p2p_done: bool) -> None:
        own = [stage for stage in stages if isinstance(stage, of_stages.stage)]
        if len(own) < len(stages) or all(stage.group_size == 1 for stage in own):
            vote(schedule, stages, has_backward, p2p_done)
            return
        for stage in own:
            if of_stages.modes.needs_dynamic(stage._user_meta, has_backward):
                _refuse_to_receive()
            stage._inference_mode = of_stages.modes.STATIC

    return warm_up
