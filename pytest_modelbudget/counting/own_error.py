"""Whether an error on the meta device is the model's own: it comes from the user's lines, and would come everywhere."""

from __future__ import annotations

import dis
import traceback
from types import CodeType, TracebackType

from torch import nn

from .meta.user_frames import is_users
from .model import called

_DEVICE = frozenset({"device", "is_cpu", "is_cuda", "is_meta", "is_mps", "is_xpu", "get_device", "data_ptr"})
"""What code asks a tensor for that depends on its device."""

_CALLERS = (nn.modules.module.__file__, called.__file__)
"""The files that call forward, and what is called instead of it."""

_OF_NAMES = (KeyError, AttributeError, NameError, ImportError)
"""Errors of looking something up, which no operator raises."""


def is_own_error(error: BaseException) -> bool:
    """Whether an error is the model's own whatever the device.

    It is one that a statement of the user's code raised (``raise``, ``assert``), that a look-up by name raised, or a
    call of forward with arguments that it does not take; where none of the user's functions on the way to it has to do
    with the device of a tensor, and it does not follow from another error that is not the model's own.
    ``NotImplementedError`` never is: that is how code says that it does not know a device.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(error, NotImplementedError) or (cause is not None and not is_own_error(cause)):
        return False
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    if any(is_users(code) and _asks_for_device(code) for code in codes):
        return False
    return isinstance(error, _OF_NAMES) or _is_stated(error.__traceback__) or _is_of_the_call(error, codes)


def _asks_for_device(code: CodeType) -> bool:
    """Whether a function, or one inside it, names what `_DEVICE` holds."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return not _DEVICE.isdisjoint(code.co_names) or any(map(_asks_for_device, inner))


def _is_stated(raised: TracebackType | None) -> bool:
    """Whether a ``raise`` or ``assert`` of the user's code raised it, or ``torch._assert``, which is one."""
    if raised is None:
        return False
    while raised.tb_next is not None:
        raised = raised.tb_next
    code = raised.tb_frame.f_code
    stated = dis.opname[code.co_code[raised.tb_lasti]] == "RAISE_VARARGS"
    return stated and (is_users(code) or code.co_name == "_assert")


def _is_of_the_call(error: BaseException, codes: list[CodeType]) -> bool:
    """Whether a module or method could not be called: the innermost function is where it is called."""
    return isinstance(error, TypeError) and bool(codes) and codes[-1].co_filename in _CALLERS
