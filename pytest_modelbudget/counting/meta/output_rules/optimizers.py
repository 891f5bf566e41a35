"""Outputs of the steps of fused optimizers, which PyTorch has no kernels for on the meta device."""

from __future__ import annotations

from typing import Any

from .registry import output_rule


@output_rule(*(f"_fused_{name}_.{overload}" for name in ("adam", "adamw", "sgd", "adagrad")
               for overload in ("default", "tensor_lr")))  # fmt: skip
def _fused_step(self: Any, grads: Any, state: Any, *rest: Any, **options: Any) -> Any:
    """Nothing: it changes parameters and state in place."""
    return None if self and all(parameter.is_meta for parameter in self) else NotImplemented
