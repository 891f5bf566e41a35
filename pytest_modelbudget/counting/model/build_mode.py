"""The dispatch mode in which models are built: their weights are on the meta device, and take no memory and no time."""

from __future__ import annotations

from typing import Any

from ..meta.execution import MetaExecution, has_own_dispatch
from ..operators.registry import qualified_name
from ..pytorch.private import TorchDispatchMode, is_tracing
from ..recording.made import note_result

_INITIALISERS = frozenset(
    f"aten::{name}_"
    for name in [
        "uniform", "normal", "fill", "zero", "copy", "bernoulli", "exponential", "random", "trunc_normal", "erfinv",
        "mul", "add", "clamp", "sub", "div", "log_normal", "cauchy", "geometric",
    ]
)  # fmt: skip
"""In-place operators by which weights get their first values."""

_IS_INITIALISER: dict[Any, bool] = {}  # by operator


class MetaBuildMode(TorchDispatchMode):
    """Builds what is built inside on the meta device."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, so that PyTorch does not import its compiler and pass each operator through it."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.execution = MetaExecution()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator. One that gives a meta tensor its first values has nothing to do. Tracing is for real."""
        if types and has_own_dispatch(types):
            return NotImplemented
        initialises = _IS_INITIALISER.get(func)
        if initialises is None:
            initialises = _IS_INITIALISER[func] = qualified_name(func) in _INITIALISERS
        if initialises and args[0].is_meta:
            return args[0]
        if is_tracing():  # sizes are values of its graph then, which may be neither compared nor kept
            raise self.execution.missing.add("torch.jit.trace")
        out = self.execution.run(func, args, kwargs or {})
        note_result(out, args)
        return out
