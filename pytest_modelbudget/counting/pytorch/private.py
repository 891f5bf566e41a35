"""PyTorch's private names. They are looked up here and nowhere else, so that a release that moves one fails here.

Attributes of objects are not among them (``OpOverload._schema``), nor are operators (``torch.ops.aten._softmax``).
What only some releases have is in `features`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any, NamedTuple

import torch

from ...errors import VersionError
from .versions import TRIED, release, version


class Place(NamedTuple):
    """Where PyTorch keeps a function that a count replaces: the module or class, and its attribute."""

    owner: Any
    name: str

    @property
    def value(self) -> Any:
        """The function that is there now."""
        return getattr(self.owner, self.name)


def _place(owner: Any, name: str) -> Place:
    getattr(owner, name)
    return Place(owner, name)


@contextmanager
def needed(what: str = "models", tried: str = TRIED) -> Iterator[None]:
    """Raise `VersionError` if a name that is looked up inside, to measure ``what``, is not where it was."""
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise VersionError(
            f"PyTorch {version()} is not one that {what} can be measured with: {error}. pytest-modelbudget was tried "
            f"with {tried}: install one of these, or a newer pytest-modelbudget."
        ) from error


with needed():
    from torch._functorch import eager_transforms, vmap
    from torch.amp import autocast_mode
    from torch.nested._internal import nested_tensor
    from torch.overrides import _get_current_function_mode_stack, _pop_mode, _push_mode
    from torch.testing import _comparison
    from torch.utils import _device, _python_dispatch, _pytree

    _C: Any = torch._C  # its stub lists a part of them

    # Dispatch
    OpOverload = torch._ops.OpOverload
    DispatchKey = _C.DispatchKey
    DispatchKeySet = _C.DispatchKeySet
    AUTOCAST_KEY = DispatchKey.AutocastPrivateUse1
    ExcludeDispatchKeyGuard = _C._ExcludeDispatchKeyGuard
    BelowAutograd = _C._AutoDispatchBelowAutograd
    InferenceMode = _C._InferenceMode
    DisableTorchDispatch = _C._DisableTorchDispatch
    DisableTorchFunction = _C.DisableTorchFunction
    operator_names = _C._dispatch_get_all_op_names
    has_kernel = _C._dispatch_has_kernel_for_dispatch_key
    is_key_excluded = _C._dispatch_tls_is_dispatch_key_excluded
    set_key_excluded = _C._dispatch_tls_set_dispatch_key_excluded
    set_key_included = _C._dispatch_tls_set_dispatch_key_included
    no_torch_dispatch = _C._disabled_torch_dispatch_impl
    scoped_library = torch.library._scoped_library

    device_contexts = _device
    device_contexts.CURRENT_DEVICE  # noqa: B018 - the device of the innermost context

    is_tracing = _C._is_tracing

    # Calls of modules: the code of the functions inside, which a traceback keeps with the module
    INSIDE_MODULE_CALL = frozenset(
        part for part in torch.nn.Module._call_impl.__code__.co_consts if isinstance(part, CodeType)
    )

    # Modes
    TorchDispatchMode = _python_dispatch.TorchDispatchMode
    is_traceable_wrapper_subclass = _python_dispatch.is_traceable_wrapper_subclass
    without_dispatch_modes = _python_dispatch._disable_current_modes
    without_innermost_dispatch_mode = _python_dispatch._pop_mode_temporarily
    dispatch_modes = _python_dispatch._get_current_dispatch_mode_stack
    push_dispatch_mode, pop_dispatch_mode = _python_dispatch._push_mode, _python_dispatch._pop_mode
    function_modes = _get_current_function_mode_stack
    push_function_mode, pop_function_mode = _push_mode, _pop_mode
    count_function_modes = _C._len_torch_function_stack
    pop_function_mode_to_keep = _C._pop_torch_function_stack
    push_kept_function_mode = _C._push_on_torch_function_stack

    # Autograd and the transforms of torch.func
    sequence_number = _C._autograd._get_sequence_nr
    autograd_node = _C._current_autograd_node
    is_forward_grad_enabled, set_forward_grad_enabled = _C._is_fwd_grad_enabled, _C._set_fwd_grad_enabled
    is_wrapped_by_transform = _C._functorch.is_functorch_wrapped_tensor
    unwrapped_of_transform = _C._functorch.get_unwrapped
    RUN_BACKWARD = _place(torch.autograd, "_engine_run_backward")
    VMAP = _place(vmap, "vmap_increment_nesting")
    GRAD = _place(eager_transforms, "grad_increment_nesting")
    JVP = _place(eager_transforms, "jvp_increment_nesting")
    FUNCTIONALIZE = _place(eager_transforms, "_func_increment_nesting")
    END_FUNCTIONALIZE = _place(eager_transforms, "_func_decrement_nesting")
    TRANSFORM_GRAD = _place(eager_transforms, "_autograd_grad")
    TRANSFORMS_LEAVE_INFERENCE_MODE = hasattr(eager_transforms, "_disable_inference_mode")  # from 2.12 on

    # Operators of functions
    HigherOrderOperator = torch._ops.HigherOrderOperator
    DISPATCH_HIGHER_ORDER = _place(HigherOrderOperator, "dispatch")
    MODES_GET_HIGHER_ORDER_OPERATORS = hasattr(TorchDispatchMode, "supports_higher_order_operators")  # from 2.9 on
    import torch._higher_order_ops.flex_attention

    flex_operators: Any = sys.modules["torch._higher_order_ops.flex_attention"]  # in its package, a function
    FLEX_TAKES_NO_GRADIENT_OF_SUMS = release() >= (2, 12)  # before, a kernel divides it also where it is None
    to_functionality_key = _C._to_functionality_key
    DelayedError = _C._functions.DelayedError
    COMPILER = "torch._dynamo"  # not imported
    CONTROL_FLOW, SCAN = "torch._higher_order_ops.", "torch._higher_order_ops.scan"
    # Operators of control flow, and what the module of each has where PyTorch knows a gradient of it
    DIFFERENTIABLE_CONTROL_FLOW = {
        "cond": "CondAutogradOp",
        "while_loop": "WhileLoopAutogradOp",  # from 2.9 on
        "map_impl": "MapAutogradOp",
        "scan": "ScanAutogradOp",  # from 2.8 on
        "associative_scan": "AssociativeScanAutogradOp",  # from 2.9 on
    }
    tree_flatten, tree_unflatten = _pytree.tree_flatten, _pytree.tree_unflatten
    tree_leaves, tree_map_only = _pytree.tree_leaves, _pytree.tree_map_only

    # Autocast
    autocast_dtype: Callable[[str], torch.dtype] = _C.get_autocast_dtype
    IS_AUTOCAST_AVAILABLE = _place(_C, "_is_autocast_available")
    CAST = _place(autocast_mode, "_cast")

    # The rest
    GLOBAL_DEVICE_CONTEXT = torch._GLOBAL_DEVICE_CONTEXT
    built_in_adaptive_avg_pool2d = _C._nn.adaptive_avg_pool2d
    TRACES = (
        _place(torch.jit._trace, "_trace_impl"),
        _place(torch.jit._trace, "trace_module"),
        _place(torch.jit, "trace_module"),
    )
    last_executed_graph = _C._last_executed_optimized_graph
    optimized_scripts = torch.jit._fuser.optimized_execution
    JAGGED_DUMMY = _place(nested_tensor, "_nt_view_dummy")
    TensorLikePair = _comparison.TensorLikePair
