"""The geometry of the picture: widths are shares, children lie below their parents, nothing leaves the frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelbudget.report.formats.html.icicle import Box, icicle

TREE = {"": 100, "a": 25, "b": 75, "b.0": 50, "b.1": 25, "b.1.x": 25}


def place(boxes: list[Box]) -> dict[str, tuple[float, float, int]]:
    return {box.name: (box.x, box.width, box.level) for box in boxes}


def test_places() -> None:
    """In parts of the width: a is the first quarter, b the rest; b.0 is half of all, from a quarter on."""
    assert place(icicle(TREE)) == {
        "": (0.0, 1.0, 0),
        "a": (0.0, 0.25, 1),
        "b": (0.25, 0.75, 1),
        "b.0": (0.25, 0.5, 2),
        "b.1": (0.75, 0.25, 2),
        "b.1.x": (0.75, 0.25, 3),
    }


def test_a_larger_whole_leaves_room() -> None:
    """Half of a whole of 200."""
    assert place(icicle(TREE, whole=200))[""] == (0.0, 0.5, 0)
    assert place(icicle(TREE, whole=200))["b.1"] == (0.375, 0.125, 2)


def test_from_a_submodule_down() -> None:
    assert set(place(icicle(TREE, top="b"))) == {"b", "b.0", "b.1", "b.1.x"}


def test_own_work_is_a_gap() -> None:
    """30 of 100 is done by the parent itself: its children take 70 % of its width."""
    boxes = place(icicle({"": 100, "a": 70}))
    assert boxes["a"] == (0.0, pytest.approx(0.7), 1)


def test_children_that_cost_more_than_their_parent_share_its_width() -> None:
    boxes = place(icicle({"": 100, "a": 100, "b": 100}))
    assert boxes["a"] == (0.0, 0.5, 1)
    assert boxes["b"] == (0.5, 0.5, 1)


def test_narrow_boxes_and_deep_levels_are_left_out() -> None:
    assert "b" not in place(icicle({"": 1000, "a": 999, "b": 1}))
    assert "b.1.x" not in place(icicle(TREE, levels=3))
    assert icicle({"": 0, "a": 0}) == []
    assert icicle({}) == []


names = st.lists(st.sampled_from("abc"), max_size=4).map(".".join)


@given(st.dictionaries(names, st.integers(0, 10**12), max_size=30), st.integers(0, 10**13))
def test_every_box_lies_inside_its_parent(values: dict[str, int], whole: int) -> None:
    boxes = {box.name: box for box in icicle(values, whole=whole)}
    for name, box in boxes.items():
        parent = boxes[name.rpartition(".")[0]] if name else Box("", 0.0, 1.0, -1, 0, -1)
        assert box.level == parent.level + 1
        assert parent.x - 1e-9 <= box.x
        assert box.x + box.width <= parent.x + parent.width + 1e-9
