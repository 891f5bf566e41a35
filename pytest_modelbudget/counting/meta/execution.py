"""How operators are run without computing: on the meta device, where tensors have shapes and no data.

Models and inputs are meta tensors. What a model makes along the way follows one rule: memory (``empty``,
``zeros``, ``randn``, ...) is made on meta; small constants with values (``arange``, ``linspace``, ``tensor``) stay
real, so that code may read them; a real tensor that meets a meta one is stood in for by a meta one. A model that
reads more is given more: small integer inputs, and small tensors filled with one value, stay real as well.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from .cache import META, remembered, remembered_whole
from .checks import CHECKS
from .outputs import FILLED, NEED_MORE, OUTPUTS

LARGE = 1 << 16
_CPU = torch.device("cpu")

_MEMORY = frozenset(
    f"aten::{name}"
    for name in [
        "empty",
        "empty_strided",
        "empty_permuted",
        "zeros",
        "ones",
        "full",
        "rand",
        "randn",
        "randint",
        "randperm",
        "normal",
        "eye",
        "tril_indices",
        "triu_indices",
        "bernoulli",
    ]
)
_FILLED = frozenset({"aten::zeros", "aten::ones", "aten::full"})
_READS_LENGTHS = ("aten::_pack_padded_sequence", "aten::_pad_packed_sequence")
_MAKES_SHAPE_FROM_DATA = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_unsafe_index")


class NeedsData(RuntimeError):
    """An operator asked for values that a meta tensor does not have."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator} needs data")
        self.operator = operator


class MetaExecution:
    """Runs operators on the meta device. ``needed`` names the operators that asked for data.

    With ``values``, what is small and known stays real, also where the model asks for the device of its weights:
    masks of ones, positions, and what follows from them alone.
    """

    def __init__(self, *, values: bool = False) -> None:
        self.needed: list[str] = []
        self._values = values
        self._stand_ins = WeakTensorKeyDictionary()

    def rule_of(self, operator: Any) -> Callable[..., Any] | None:
        """What gives the outputs of an operator, if there is a rule for it here."""
        return None if self._values and operator in FILLED else OUTPUTS.get(operator)

    def by_rule(self, rule: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """What a rule says of a call whose arguments need no preparing; `NotImplemented` for any other."""
        try:
            return rule(*args, **kwargs)
        except (RuntimeError, TypeError):
            return NotImplemented  # `run` meets the same error, and says what it means

    def run(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Call ``operator`` so that nothing large is computed. Raises `NeedsData` when values are asked for."""

        def ask(args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
            return remembered(operator, args, kwargs, lambda: _called(operator, args, kwargs)), 0

        return self._call(operator, args, kwargs, self.rule_of(operator), ask)[0]

    def run_whole(
        self,
        operator: Any,
        args: Any,
        kwargs: dict[str, Any],
        watched: Callable[..., tuple[Any, int]],
        rules: str,
    ) -> tuple[Any, int]:
        """Call an operator that is made of others, by ``watched`` unless that was done with such arguments before.

        ``watched`` gives the result, and the bytes that were alive beside it by the ``rules`` of the ledger.
        Raises as `run` does.
        """

        def ask(args: Any, kwargs: dict[str, Any]) -> tuple[Any, int]:
            return remembered_whole(operator, args, kwargs, lambda: watched(*args, **kwargs), rules)

        rule = None if operator in NEED_MORE else self.rule_of(operator)
        return self._call(operator, args, kwargs, rule, ask)

    def _call(
        self,
        operator: Any,
        args: Any,
        kwargs: dict[str, Any],
        rule: Callable[..., Any] | None,
        ask: Callable[[Any, dict[str, Any]], tuple[Any, int]],
    ) -> tuple[Any, int]:
        """What ``rule`` says, with the arguments as they are or as they can be run, or else PyTorch."""
        try:
            if rule is not None and (out := rule(*args, **kwargs)) is not NotImplemented:
                return out, 0
            given = args
            args, kwargs = self.prepare(operator, args, kwargs)
            if rule is not None and args is not given and (out := rule(*args, **kwargs)) is not NotImplemented:
                return out, 0
            return ask(args, kwargs)
        except (NotImplementedError, RuntimeError, TypeError) as error:
            if isinstance(error, NeedsData) or not is_missing_data(error):
                raise
            raise self.needs_data(operator) from error

    def prepare(self, operator: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The arguments with every tensor, and every device asked for, moved to where the call can run."""
        tensors = _tensors(args, kwargs)
        places = {t.is_meta for t in tensors}
        any_meta = True in places
        if any_meta and not kwargs and False not in places:
            return args, kwargs
        if not tensors:
            memory = _name(operator) in _MEMORY and not (self._values and _is_small_fill(operator, args))
            on_meta = memory or not _is_host(kwargs.get("device"))
        else:
            on_meta = any_meta or any(t.numel() > LARGE or isinstance(t, torch.nn.Parameter) for t in tensors)
        if on_meta:
            kwargs = _on_meta(kwargs)
        elif not _is_host(kwargs.get("device")):
            kwargs = {**kwargs, "device": META}
        elif self._values:
            args = tuple([_CPU if isinstance(value, torch.device) else value for value in args])
            kwargs = {name: _CPU if isinstance(value, torch.device) else value for name, value in kwargs.items()}
        if not on_meta or False not in places:
            return args, kwargs
        if _writes_real(operator, args):
            raise self.needs_data(operator)
        if _name(operator) in _READS_LENGTHS:  # of sequences, which stay real beside data on meta
            return (self._to_meta(args[0]), *args[1:]), kwargs
        if _name(operator) in _MAKES_SHAPE_FROM_DATA:
            args = _masks_to_indices(args)
        return self._to_meta(args), {name: self._to_meta(value) for name, value in kwargs.items()}

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """A meta tensor of the same size, strides and dtype, the same one each time."""
        if tensor.is_meta:
            return tensor
        known: torch.Tensor | None = self._stand_ins.get(tensor)
        if known is None:
            known = self._stand_ins[tensor] = meta_like(tensor)
        return known

    def _to_meta(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.stand_in(value)
        if isinstance(value, (list, tuple)) and any(isinstance(item, torch.Tensor) for item in value):
            return type(value)(self._to_meta(item) for item in value)
        return value

    @property
    def keeps_values(self) -> bool:
        """Whether what is small and known stays real."""
        return self._values

    def needs_data(self, operator: Any) -> NeedsData:
        """The error that says so of ``operator``, which is noted as well: a model may catch it."""
        name = _name(operator)
        self.needed.append(name)
        return NeedsData(name)


class MetaBuild(TorchDispatchMode):
    """While it is active, what is built is built on the meta device: weights take no memory and no time."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, as in `Trace`."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.execution = MetaExecution()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator; filling a meta tensor with values is nothing to do."""
        if types and is_foreign(types):
            return NotImplemented
        fills = _KNOWN_FILLS.get(func)
        if fills is None:
            fills = _KNOWN_FILLS[func] = _name(func) in _FILLS
        if fills and args[0].is_meta:
            return args[0]
        return self.execution.run(func, args, kwargs or {})


_FILLS = frozenset(
    f"aten::{name}_"
    for name in [
        "uniform",
        "normal",
        "fill",
        "zero",
        "copy",
        "bernoulli",
        "exponential",
        "random",
        "trunc_normal",
        "erfinv",
        "mul",
        "add",
        "clamp",
        "sub",
        "div",
        "log_normal",
        "cauchy",
        "geometric",
    ]
)


_KNOWN_FILLS: dict[Any, bool] = {}


def meta_like(tensor: torch.Tensor) -> torch.Tensor:
    """An empty meta tensor with the layout of ``tensor``."""
    if tensor.layout == torch.sparse_coo:  # empty_like would hold no elements
        parts = (meta_like(tensor._indices()), meta_like(tensor._values()))
        return torch.sparse_coo_tensor(*parts, tensor.shape, is_coalesced=tensor.is_coalesced())
    if tensor.layout != torch.strided or tensor.is_quantized:
        return torch.empty_like(tensor, device=META)
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=META)


def is_missing_data(error: BaseException) -> bool:
    """Whether an error says that a meta tensor has no values, or that an operator cannot do without."""
    text = str(error).lower()
    signs = ("meta", "fake impl", "data is not allocated")
    return (isinstance(error, NotImplementedError) and not text) or any(sign in text for sign in signs)


def is_foreign(types: Any) -> bool:
    """Whether a tensor subclass with a dispatch of its own is among the arguments: it unwraps itself first."""
    for kind in types:
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            continue
        if kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl:
            return True
    return False


def _called(operator: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call ``operator`` on meta, if a device would run it.

    Some meta kernels load PyTorch's compiler the first time. It then keeps the frames below it in a cycle, with all
    tensors in them, until it is made to let go of them.
    """
    check = CHECKS.get(operator)
    if check is not None:
        check(*args, **kwargs)
    loaded = _COMPILER in sys.modules
    out = operator(*args, **kwargs)
    if not loaded and _COMPILER in sys.modules:
        gc.collect()
    return out


_COMPILER = "torch._dynamo"


def _name(operator: Any) -> str:
    schema = getattr(operator, "_schema", None)
    return str(schema.name) if schema is not None else str(operator.name())


def _tensors(args: Any, kwargs: dict[str, Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(item for item in value if isinstance(item, torch.Tensor))
    return found


def _is_host(device: Any) -> bool:
    return device is None or torch.device(device).type in ("cpu", "meta")


def _is_small_fill(operator: Any, args: Any) -> bool:
    return _name(operator) in _FILLED and bool(args) and math.prod(args[0]) <= LARGE


def _on_meta(kwargs: dict[str, Any]) -> dict[str, Any]:
    changed = dict(kwargs)
    if changed.get("device") is not None:
        changed["device"] = META
    for name in ("generator", "pin_memory"):  # neither exists on meta
        if changed.get(name):
            changed[name] = None
    return changed


def _writes_real(operator: Any, args: Any) -> bool:
    schema = getattr(operator, "_schema", None)
    if schema is None or not schema.is_mutable:
        return False
    return any(
        argument.alias_info is not None
        and argument.alias_info.is_write
        and isinstance(value, torch.Tensor)
        and not value.is_meta
        for argument, value in zip(schema.arguments, args, strict=False)
    )


def _masks_to_indices(args: Any) -> Any:
    indices: list[Any] = []
    for index in args[1]:
        if isinstance(index, torch.Tensor) and not index.is_meta and index.dtype in (torch.bool, torch.uint8):
            indices.extend(index.nonzero().unbind(1))
        else:
            indices.append(index)
    return (args[0], indices, *args[2:])
