"""The arguments of a factory: words of a command become what its signature wants, values are held to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from pytest_modelbudget import UsageError
from pytest_modelbudget.targets.arguments import AsWritten, Word, checked


def make(
    width: int,
    rate: float = 0.1,
    bias: bool = True,
    name: str = "a",
    depth: int | None = None,
    act: Literal["relu", "gelu"] = "relu",
    sizes: tuple[int, ...] = (),
    stages: list[int] | None = None,
    steps: Sequence[float] = (),
    where: Path = Path(),
    either: Optional[str] = None,  # noqa: UP045 - as people write it
    plain=3,
    truth=False,
    kind="text",
    open_=None,
): ...


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("width", "10", 10),
        ("width", "-1", -1),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2.0),
        ("bias", "false", False),
        ("bias", "True", True),
        ("name", "10", "10"),
        ("name", "none", "none"),
        ("depth", "none", None),
        ("depth", "12", 12),
        ("act", "gelu", "gelu"),
        ("sizes", "2,2,6", (2, 2, 6)),
        ("sizes", "[2, 2]", (2, 2)),
        ("sizes", "7", (7,)),
        ("stages", "2, 2", [2, 2]),
        ("stages", "none", None),
        ("steps", "0.5,1", [0.5, 1.0]),
        ("where", "a/b", Path("a/b")),
        ("either", "none", None),
        ("either", "gelu", "gelu"),
        ("plain", "5", 5),
        ("truth", "true", True),
        ("kind", "5", "5"),
        ("open_", "5", 5),
        ("open_", "[1, [2]]", [1, [2]]),
        ("open_", "true", True),
        ("open_", "gelu", "gelu"),
        ("open_", "None", None),
    ],
)
def test_a_word_is_read_as_its_parameter_wants_it(name, word, value):
    found = checked(make, {name: Word(word)}, "make()")[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("width", Word("ten"), "args: width=ten is not what make() takes. Allowed: a whole number."),
        ("width", Word("1.5"), "args: width=1.5 is not what make() takes. Allowed: a whole number."),
        ("width", "10", "args: width='10' is not what make() takes. Allowed: a whole number."),
        ("width", True, "args: width=True is not what make() takes. Allowed: a whole number."),
        ("width", Word("none"), "args: width=none is not what make() takes. Allowed: a whole number."),
        ("depth", Word("x"), "args: depth=x is not what make() takes. Allowed: a whole number or none."),
        ("bias", Word("1"), "args: bias=1 is not what make() takes. Allowed: true or false."),
        ("act", Word("tanh"), "args: act=tanh is not what make() takes. Allowed: 'relu', 'gelu'."),
        ("act", "tanh", "args: act='tanh' is not what make() takes. Allowed: 'relu', 'gelu'."),
        ("sizes", Word("2,x"), "args: sizes=2,x is not what make() takes. Allowed: a list."),
        ("sizes", 3, "args: sizes=3 is not what make() takes. Allowed: a list."),
        ("plain", Word("x"), "args: plain=x is not what make() takes. Allowed: a whole number."),
        ("widht", 3, "args: make() takes no argument 'widht'. Did you mean 'width'? Allowed: width, rate, bias,"),
    ],
)
def test_what_a_parameter_does_not_take_is_one_message(name, given, message):
    with pytest.raises(UsageError) as raised:
        checked(make, {name: given}, "make()")
    assert str(raised.value).startswith(message)


def test_values_of_types_that_nobody_can_check_pass_as_they_are():
    given = {"open_": object(), "sizes": [1, 2], "rate": 2, "depth": None}
    assert checked(make, given, "make()") == {**given, "sizes": (1, 2)}


def test_what_takes_any_keyword_gets_literals_or_words():
    def any_(**options): ...
    def whole(**options: int): ...
    def written(**options: AsWritten): ...

    assert checked(any_, {"a": Word("3"), "b": Word("x")}, "any_()") == {"a": 3, "b": "x"}
    assert checked(whole, {"a": Word("3")}, "whole()") == {"a": 3}
    assert type(checked(written, {"a": Word("3")}, "written()")["a"]) is Word
    with pytest.raises(UsageError, match="a=x is not what whole"):
        checked(whole, {"a": Word("x")}, "whole()")


def test_an_annotation_that_cannot_be_resolved_is_none():
    """Without its import the annotation says nothing: what is given is read as it looks."""

    def lazy(size: NotThere, width: int = 3): ...  # noqa: F821

    assert checked(lazy, {"size": Word("3"), "width": 5}, "lazy()") == {"size": 3, "width": 5}


def test_nothing_is_evaluated():
    """A word is data: what looks like code, or like a pickle, stays text."""
    for text in (
        "__import__('os').system('true')",
        "cos\nsystem\n(S'true'\ntR.",
        "!!python/object:os.system",
        "{1: 2}",
    ):
        found: Any = checked(make, {"open_": Word(text)}, "make()")["open_"]
        assert found == text
