"""The line of one element of a container in the code: an argument, an item of a list, what a loop appends."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_DEEPEST = 12
"""Expressions and functions that are followed into one another."""


@dataclass(frozen=True)
class Code:
    """The source of a class or function: the file, the line that ``tree`` starts at, and the module it is in."""

    file: str
    offset: int
    tree: ast.AST
    module: str

    def line(self, node: ast.AST) -> tuple[str, int]:
        """File and line of a node."""
        return self.file, self.offset + getattr(node, "lineno", 1)


@lru_cache(maxsize=512)
def code_of(thing: Any) -> Code | None:
    """The source of a class or function; ``None`` for what has none, and for PyTorch's base of all modules."""
    if getattr(thing, "__module__", "") in ("builtins", "torch.nn.modules.module"):
        return None
    try:
        file = inspect.getsourcefile(thing)
        lines, line = inspect.getsourcelines(thing)
        return Code(file or "", line - 1, ast.parse(textwrap.dedent("".join(lines))), thing.__module__)
    except (OSError, TypeError, SyntaxError):  # made at run time: it has no source
        return None


def assigned(kind: type | None, path: Sequence[str]) -> tuple[str, int] | None:
    """File and line of what a class puts at ``self.<path[0]>``, or, inside of it, at the rest of ``path``."""
    for base in getattr(kind, "__mro__", ()):
        code = code_of(base)
        found = _Finder(code).attribute(path) if code is not None else None
        if found is not None:
            return found
    return None


def called(kind: type | None, operator: str) -> tuple[str, int] | None:
    """File and line of where a class calls an operator, in ``forward`` first; else of its ``forward``."""
    for base in getattr(kind, "__mro__", ()):
        code = code_of(base)
        functions = [node for node in ast.walk(code.tree) if isinstance(node, Function)] if code is not None else []
        forward = next((one for one in functions if one.name == "forward"), None)
        if code is None or forward is None:
            continue
        for function in sorted(functions, key=lambda one: one is not forward):
            found = _first(node for node in ast.walk(function) if _calls(node, operator))
            if found is not None:
                return code.line(found)
        return code.line(forward)
    return None


def used(kind: type | None, path: Sequence[str]) -> tuple[str, int] | None:
    """File and line of where a class calls what it has at ``self.<path>``, or at a number in it, in a loop over it."""
    name = next((part for part in reversed(path) if not part.isdecimal()), "")
    for base in getattr(kind, "__mro__", ()):
        code = code_of(base)
        for function in ast.walk(code.tree) if code is not None else ():
            if isinstance(function, Function) and function.name != "__init__" and code is not None:
                found = _first(_uses(function, name))
                if found is not None:
                    return code.line(found)
    return None


def _first(nodes: Iterable[ast.AST]) -> ast.AST | None:
    """The node that comes first in the text."""
    return min(nodes, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)), default=None)


def _uses(function: Function, name: str) -> Iterator[ast.AST]:
    """The calls of ``self.<name>``, of what a loop takes from it, and of what gets one of these as an argument."""
    taken = {name}
    for node in ast.walk(function):
        if isinstance(node, (ast.For, ast.comprehension)) and _mentions(node.iter, {name}):
            taken |= {target.id for target in ast.walk(node.target) if isinstance(target, ast.Name)}
    for node in ast.walk(function):
        is_call = isinstance(node, ast.Call) and _last_name(node.func) not in ("enumerate", "zip", "reversed", "range")
        if is_call and any(_last_name(part) in taken for part in (node.func, *node.args)):  # type: ignore[attr-defined]
            yield node


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(_last_name(inside) in names for inside in ast.walk(node))


def _calls(node: ast.AST, operator: str) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return operator in ("matmul", "bmm", "mm", "linear", "addmm")
    if not isinstance(node, ast.Call):
        return False
    name = _last_name(node.func)
    return name != "" and (name == operator or (name in ("einsum", "matmul") and operator in ("bmm", "mm", "matmul")))


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Finder:
    """Follows a path of names and numbers through the expressions of a class or function."""

    def __init__(self, code: Code, depth: int = 0) -> None:
        self._code, self._depth = code, depth

    def attribute(self, path: Sequence[str]) -> tuple[str, int] | None:
        """The line of what is assigned to ``self.<path[0]>``, and in it of the rest of ``path``."""
        name, *rest = path
        for function in self._functions():
            for node in ast.walk(function):
                value = _value_assigned(node, name)
                if value is not None:
                    return (self._element(value, rest, function) if rest else None) or self._code.line(node)
                if isinstance(node, ast.Call) and _is_super_init(node):
                    found = self._element(node, path, function)
                    if found is not None:
                        return found
        return self._by_name(name)

    def _functions(self) -> list[Function]:
        inside = [node for node in ast.walk(self._code.tree) if isinstance(node, Function)]
        return sorted(inside, key=lambda one: one.name != "__init__")

    def _by_name(self, name: str) -> tuple[str, int] | None:
        """``self.add_module(name, ...)`` with a name that is made at run time, or ``setattr``."""
        for function in self._functions():
            for node in ast.walk(function):
                adds = isinstance(node, ast.Call) and _last_name(node.func) in (
                    "add_module",
                    "setattr",
                    "register_module",
                )
                if adds and _could_be(node.args, name):  # type: ignore[attr-defined]
                    return self._code.line(node)
        return None

    def _element(self, node: ast.AST, path: Sequence[str], function: Function) -> tuple[str, int] | None:
        """The line of the element at ``path`` of what an expression makes."""
        if not path:
            return self._code.line(node)
        if self._depth > _DEEPEST:
            return None
        self._depth += 1
        if isinstance(node, ast.Name):
            return self._variable(node.id, path, function)
        if isinstance(node, ast.Call):
            followed = self._returned(node, path)
            if followed is not None:
                return followed
        key, *rest = path
        items = list(self._items(node, function))
        named = [item for name, item in items if name == key]
        item = named[0] if named else self._numbered(key, [item for name, item in items if not name])
        if item is None:
            return self._appended(node, path, function)
        if isinstance(item, ast.Starred):
            item = item.value
        inner = item.elt if isinstance(item, (ast.ListComp, ast.GeneratorExp)) else item
        if isinstance(inner, ast.Name) and inner is item:
            return self._variable(inner.id, path, function) or self._code.line(inner)
        return self._element(inner, rest, function) or self._code.line(inner)

    def _items(self, node: ast.AST, function: Function) -> Iterator[tuple[str, ast.AST]]:
        """The elements of an expression, each with its name, if it has one."""
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                yield keyword.arg or "", keyword.value
            if len(node.args) == 1 and _is_container(node.args[0]):
                yield from self._items(node.args[0], function)
            else:
                yield from (("", argument) for argument in node.args)
        elif isinstance(node, (ast.List, ast.Tuple)):
            for item in node.elts:
                pair = isinstance(item, ast.Tuple) and len(item.elts) == 2 and isinstance(item.elts[0], ast.Constant)
                yield (str(item.elts[0].value), item.elts[1]) if pair else ("", item)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield str(key.value) if isinstance(key, ast.Constant) else "", value
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            yield "", node
        elif isinstance(node, ast.BinOp):
            for side in (node.left, node.right):
                yield from self._items(side, function)

    def _numbered(self, key: str, items: Sequence[ast.AST]) -> ast.AST | None:
        """The element of a number: what a comprehension makes takes all the numbers from its own on."""
        if not key.isdecimal():
            return None
        for number, item in enumerate(items):
            many = isinstance(item, (ast.Starred, ast.ListComp, ast.GeneratorExp))
            if number == int(key) or (many and number < int(key)):
                return item
        return None

    def _variable(self, name: str, path: Sequence[str], function: Function) -> tuple[str, int] | None:
        """The element of a local variable: of what is assigned to it, or what is appended to that."""
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return self._list_of(name, node.value, path, function)
        return None

    def _list_of(self, name: str, value: ast.AST, path: Sequence[str], function: Function) -> tuple[str, int] | None:
        key, *rest = path
        items: list[tuple[ast.AST, bool]] = [(item, False) for _, item in self._items(value, function)]
        items += list(_appends(function, lambda target: isinstance(target, ast.Name) and target.id == name))
        return self._of_appended(items, key, rest, function) or self._element(value, path, function)

    def _appended(self, node: ast.AST, path: Sequence[str], function: Function) -> tuple[str, int] | None:
        """The element that was appended to ``self.<name>`` after it was made by the expression ``node``."""
        name = next((_self_target(one) for one in ast.walk(function) if _value_of(one) is node), "")
        if not name:
            return None
        key, *rest = path
        items = list(_appends(function, lambda target: _is_self(target, name)))
        return self._of_appended(items, key, rest, function)

    def _of_appended(
        self, items: Sequence[tuple[ast.AST, bool]], key: str, rest: Sequence[str], function: Function
    ) -> tuple[str, int] | None:
        """The element of a number among items in order, of which those in a loop take all numbers from theirs on."""
        if not key.isdecimal() or not items:
            return None
        for number, (item, in_loop) in enumerate(items):
            if number == int(key) or (in_loop and number <= int(key)):
                turn = [one for one, loops in items[number:] if loops] if in_loop else [item]
                chosen = turn[(int(key) - number) % len(turn)]
                return self._element(chosen, rest, function) or self._code.line(chosen)
        return None

    def _returned(self, call: ast.Call, path: Sequence[str]) -> tuple[str, int] | None:
        """The element of what a function of the same module, or a method of the same class, returns."""
        method = isinstance(call.func, ast.Attribute) and _last_name(call.func.value) == "self"
        name = _last_name(call.func)
        if method:
            function = next((one for one in self._functions() if one.name == name), None)
            code: Code | None = self._code
        else:
            made = vars(sys.modules[self._code.module]).get(name) if self._code.module in sys.modules else None
            code = code_of(made) if inspect.isfunction(made) else None
            function = next((n for n in ast.walk(code.tree) if isinstance(n, Function)), None) if code else None
        if function is None or code is None:
            return None
        returns = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        finder = _Finder(code, self._depth + 1)
        return finder._element(returns[-1], path, function) if returns else None


def _is_container(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _last_name(node.func) in ("OrderedDict", "dict", "list", "tuple")
    return isinstance(node, (ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.GeneratorExp))


def _is_super_init(node: ast.Call) -> bool:
    inner = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__" else None
    return isinstance(inner, ast.Call) and _last_name(inner.func) == "super" and bool(node.args)


def _could_be(arguments: Sequence[ast.expr], name: str) -> bool:
    """Whether one of the arguments is a text that may come to ``name``: it has its beginning."""
    for argument in arguments[:2]:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
                return name.startswith(node.value.split("%")[0].split("{")[0].rstrip("0123456789") or name)
    return False


def _value_of(node: ast.AST) -> ast.AST | None:
    return node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None


def _value_assigned(node: ast.AST, attribute: str) -> ast.AST | None:
    """The value of ``self.<attribute> = ...``."""
    return _value_of(node) if _self_target(node) == attribute else None


def _self_target(node: ast.AST) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return next((t.attr for t in targets if isinstance(t, ast.Attribute) and _last_name(t.value) == "self"), "")


def _is_self(node: ast.AST, attribute: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == attribute and _last_name(node.value) == "self"


def _appends(function: Function, is_target: Any) -> Iterator[tuple[ast.AST, bool]]:
    """What is appended to a list in a function, in the order of the text, and whether a loop does that."""
    loops = [set(ast.walk(node)) for node in ast.walk(function) if isinstance(node, (ast.For, ast.While))]
    found = []
    for node in ast.walk(function):
        in_loop = any(node in loop for loop in loops)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_target(node.func.value):
            if node.func.attr in ("append", "add_module") and node.args:
                found.append((node.args[-1], in_loop))
            elif node.func.attr == "extend" and node.args and isinstance(node.args[0], (ast.List, ast.Tuple)):
                found += [(item, in_loop) for item in node.args[0].elts]
        elif (
            isinstance(node, ast.AugAssign) and is_target(node.target) and isinstance(node.value, (ast.List, ast.Tuple))
        ):
            found += [(item, in_loop) for item in node.value.elts]
    yield from sorted(found, key=lambda item: (item[0].lineno, item[0].col_offset))
