"""Operators run without computing: on the meta device, where tensors have a size, strides and a dtype, and no data.

Models and their inputs are meta tensors. What a model creates on the way is on the meta device too, if it is memory
(``empty``, ``zeros``, ``randn``, ...); small constants with values (``arange``, ``linspace``, ``tensor``) keep their
data, so that code may read them. A model that reads more is run again with more: small integer inputs, and small
tensors that are filled with one value, then keep their data as well.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ..operators.registry import qualified_name
from ..pytorch.private import no_torch_dispatch
from .arguments import Arguments
from .cache import cached, cached_with_temporaries
from .checks import CHECKS
from .finite import COMPARES, FiniteGuards
from .meta_copies import Copied
from .missing_data import MissingData, NeedsData
from .output_rules.registry import FILLS, OUTPUT_RULES, OUTPUTS_ONLY, OutputRule
from .with_data import runs_with_data


class MetaExecution:
    """Runs the operators of one run on the meta device. ``missing`` has those that asked for data.

    With ``keep_small_data``, small tensors whose values are known keep them, also where the model asks for them on
    the device of its weights: masks of ones, positions, and what is computed from them alone. What is filled at the
    lines ``overwritten`` does not. ``copied`` is called as by `MetaCopies`.
    """

    def __init__(
        self,
        *,
        keep_small_data: bool = False,
        overwritten: frozenset[str] = frozenset(),
        copied: Copied | None = None,
    ) -> None:
        self.missing = MissingData()
        self._arguments = Arguments(
            self.missing, keep_small_data=keep_small_data, overwritten=overwritten, copied=copied
        )
        self.prepare = self._arguments.prepare
        self.keep_small_data = keep_small_data
        self._guards = FiniteGuards()

    def rule_of(self, operator: Any) -> OutputRule | None:
        """The output rule of an operator, if it has one that is enough."""
        if operator in COMPARES or (self.keep_small_data and operator in FILLS):
            return None
        return OUTPUT_RULES.get(operator)

    def by_rule(self, rule: OutputRule, args: Any, kwargs: dict[str, Any]) -> Any:
        """What an output rule says of a call whose arguments need no preparation, or ``NotImplemented``."""
        try:
            return rule(*args, **kwargs)
        except (RuntimeError, TypeError):
            return NotImplemented  # `run` meets the same error and raises it as what it is

    def run(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call ``operator`` so that nothing large is computed. Raises `NeedsData` if it asks for values."""

        def by_pytorch(args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
            return cached(operator, args, kwargs, partial(self._checked, operator, args, kwargs)), 0

        rule = OUTPUT_RULES.get(operator) if operator in COMPARES else self.rule_of(operator)
        return self._call(operator, args, kwargs, rule, by_pytorch)[0]

    def _checked(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """What PyTorch says of a call that devices do not refuse."""
        check = CHECKS.get(operator)
        if check is not None:
            try:
                check(*args, **kwargs)
            except (RuntimeError, IndexError) as error:
                self.missing.refused = error
                raise
        return _called(operator, args, kwargs)

    def run_decomposed(
        self,
        operator: Any,
        args: Any,
        kwargs: dict[str, Any],
        decomposed: Callable[..., tuple[Any, int]],
        device_type: str,
    ) -> tuple[Any, int]:
        """Call a composite operator. Returns its result, and the bytes of its temporaries at its peak.

        ``decomposed`` runs it as the operators it is made of and returns both; it is called unless a call with such
        arguments is in the cache. ``device_type`` is the one whose allocator the bytes are counted by. Raises as
        `run` does.
        """

        def by_pytorch(args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
            return cached_with_temporaries(operator, args, kwargs, partial(decomposed, *args, **kwargs), device_type)

        rule = None if operator in OUTPUTS_ONLY else self.rule_of(operator)
        return self._call(operator, args, kwargs, rule, by_pytorch)

    def _call(
        self,
        operator: Any,
        args: Any,
        kwargs: dict[str, Any],
        rule: OutputRule | None,
        by_pytorch: Callable[[Any, dict[str, Any]], tuple[Any, int]],
    ) -> tuple[Any, int]:
        """What guards for finite values say of the call, or ``rule``, or PyTorch."""
        unguarded = partial(self._unguarded, operator, args, kwargs, rule, by_pytorch)
        return self._guards.call(operator, args, kwargs, unguarded)

    def _unguarded(
        self,
        operator: Any,
        args: Any,
        kwargs: dict[str, Any],
        rule: OutputRule | None,
        by_pytorch: Callable[[Any, dict[str, Any]], tuple[Any, int]],
    ) -> tuple[Any, int]:
        """What ``rule`` says of the call as it is, or of the call with its arguments prepared, or what PyTorch says."""
        try:
            if rule is not None and (out := rule(*args, **kwargs)) is not NotImplemented:
                return out, 0
            given = args
            args, kwargs = self.prepare(operator, args, kwargs)
            if rule is not None and args is not given and (out := rule(*args, **kwargs)) is not NotImplemented:
                return out, 0
            result = by_pytorch(args, kwargs)
            if self.keep_small_data:
                self._arguments.made(operator, result[0])
            return result
        except NeedsData:
            raise
        except Exception as error:
            runs = True if isinstance(error, NotImplementedError) else runs_with_data(operator, args, kwargs)
            if runs:
                raise self.missing.add(qualified_name(operator)) from error
            if runs is False:
                self.missing.refused = error
            raise


def has_own_dispatch(types: Any) -> bool:
    """Whether one of the types of the arguments is a tensor subclass with a dispatch of its own, which goes first."""
    for kind in types:
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            continue
        if kind.__torch_dispatch__ is not no_torch_dispatch:
            return True
    return False


def _called(operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call ``operator``, and collect garbage if that imported PyTorch's compiler.

    Some meta kernels import it when they first run. Its import keeps the frames below it, and their tensors, in a
    reference cycle.
    """
    imported = _COMPILER in sys.modules
    out = operator(*args, **kwargs)
    if not imported and _COMPILER in sys.modules:
        gc.collect()
    return out


_COMPILER = "torch._dynamo"
