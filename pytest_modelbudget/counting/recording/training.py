"""One training step: forward in train mode, a loss, backward, and the optimizers' step in its steady state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import UsageError
from ...values.peak import PHASES, Peak
from ..pytorch.replaced import replaced
from .allocations import FIRST_STEP
from .counting_mode import CountingMode
from .tensors import tensors_in


@dataclass(frozen=True)
class TrainingStep:
    """A step of ``model``: ``accumulate`` micro-batches, and a step of each of its ``optimizers``.

    ``run`` calls forward, or the user's step, with a micro-batch; ``loss`` makes a scalar tensor of what it returns;
    ``forward`` makes the context of both (autocast). A user's ``own`` step that calls backward by itself needs no loss,
    and one that calls the optimizers' steps is a whole step. It is counted after ``settles``
    steps: only then are the buckets and gathered parameters of a sharded model as in every later step.
    """

    model: torch.nn.Module
    run: Callable[[], Any]
    loss: Callable[[Any], torch.Tensor]
    optimizers: Sequence[Any]
    accumulate: int
    forward: Callable[[], AbstractContextManager[Any]]
    own: bool = False
    settles: int = 0


def counted_step(step: TrainingStep, mode: CountingMode) -> Peak:
    """Run a step under ``mode``. Returns its peak in the steady state, in which the optimizers have their state.

    The step runs once, its optimizers twice: first to allocate the state that every later step has from the beginning.
    A step that calls its optimizers by itself runs twice instead. Of more than two micro-batches, those after the first
    find the gradients of the one before, and are alike: one is run, and counted as often. Sparse gradients grow, by
    the indices that they have, so with these all are run, with data. Raises as the parts of the step do.
    """
    ledger = mode.ledger
    step.model.zero_grad()  # an earlier attempt may have left gradients
    owners = {id(p): name.rpartition(".")[0] for name, p in step.model.named_parameters()}

    def gradients_are_known() -> None:
        for parameter in step.model.parameters():
            if parameter.grad is not None:
                ledger.reassign([parameter.grad], "gradients", owners.get(id(parameter), ""))

    def states_are_known() -> None:
        for optimizer in step.optimizers:
            ledger.reassign(tensors_in(optimizer.state), "optimizer")

    batch = _MicroBatch(step, mode.in_phase, gradients_are_known)
    for _ in range(step.settles):
        with mode.settling():
            batch.run()
            if not batch.stepped:
                mode.phase("optimizer")
                for optimizer in step.optimizers:
                    optimizer.step()
                step.model.zero_grad()
        states_are_known()
        mode.start_again()
    batch.run()
    if batch.stepped:
        if not step.settles:
            states_are_known()
            mode.start_again()
            batch.run()
        return ledger.peak(PHASES)
    more = step.accumulate - 1
    if more and any(p.grad is not None and p.grad.layout is not torch.strided for p in step.model.parameters()):
        mode.needs_data("the sum of sparse gradients")
        for _ in range(more):
            batch.run()
    elif more:
        with mode.repeated(more):
            batch.run()
    if not step.optimizers:
        return ledger.peak(PHASES[:2])
    if step.settles:
        mode.phase("optimizer")
        for optimizer in step.optimizers:
            optimizer.step()
        return ledger.peak(PHASES)
    mode.phase(FIRST_STEP)
    with mode.paused():
        for optimizer in step.optimizers:
            optimizer.step()
    states_are_known()
    mode.phase("optimizer")
    for optimizer in step.optimizers:
        optimizer.step()
    return ledger.peak(PHASES, later=("optimizer",))


def plain_step(step: TrainingStep) -> None:
    """Run a step as a training loop does, with nothing recorded. Errors as for `counted_step`."""
    batch = _MicroBatch(step, lambda phase: nullcontext(), lambda: None)
    for _ in range(step.accumulate):
        batch.run()
    if not batch.stepped:
        for optimizer in step.optimizers:
            optimizer.step()
        step.model.zero_grad()  # a whole step does it where it likes


class _MicroBatch:
    """Runs forward and backward, each in its phase, and notes what the user's step calls of them by itself.

    One that returns nothing went back if it took gradients. ``stepped``: it called the step of an optimizer.
    ``in_phase`` is the context of a phase, ``after`` is called after each backward.
    """

    def __init__(
        self,
        step: TrainingStep,
        in_phase: Callable[[str], AbstractContextManager[Any]],
        after: Callable[[], None],
    ) -> None:
        self._step = step
        self._in_phase = in_phase
        self._after = after
        self._went_back = self._took_gradients = False
        self.stepped = False

    def run(self) -> None:
        """Run one micro-batch. The loss is freed when this returns. Raises `UsageError` for several of a whole step."""
        step = self._step
        self._went_back = self._took_gradients = False
        with step.forward(), self._watching() if step.own else nullcontext():
            output = step.run()
            if output is None and self._took_gradients and not self._went_back:
                self._went_back = True
                self._after()
            loss = None if self._went_back else step.loss(output)
            del output
        if self.stepped and step.accumulate > 1:
            raise UsageError(
                f"accumulate={step.accumulate} is for a step that returns its loss, and this one calls the step of its "
                "optimizer by itself: it accumulates by itself, too. Leave out accumulate=."
            )
        if loss is not None:
            with self._in_phase("backward"):
                loss.backward()
            self._after()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        backward, grad = torch.autograd.backward, torch.autograd.grad

        def own_backward(*arguments: Any, **keywords: Any) -> None:
            self._went_back = True
            with self._in_phase("backward"):
                backward(*arguments, **keywords)
            self._after()

        def own_grad(*arguments: Any, **keywords: Any) -> Any:
            self._took_gradients = True
            return grad(*arguments, **keywords)

        def own_step(step: Callable[..., Any]) -> Callable[..., Any]:
            def stepping(*arguments: Any, **keywords: Any) -> Any:
                self.stepped = True
                with self._in_phase("optimizer"):
                    return step(*arguments, **keywords)

            return stepping

        with ExitStack() as stack:
            stack.enter_context(replaced(torch.autograd, "backward", own_backward))
            stack.enter_context(replaced(torch.autograd, "grad", own_grad))
            for optimizer in self._step.optimizers:
                stack.enter_context(replaced(optimizer, "step", own_step(optimizer.step)))
            yield
