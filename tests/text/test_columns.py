"""Columns of numbers: the same rows come back, and what is no column of theirs is refused by place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_modelbudget.text.checks import Wrong, a_count, show
from pytest_modelbudget.text.columns import columns_of, read_columns

USUAL = {"flops": 0, "kept": None}
VALUE = st.one_of(st.none(), st.integers(0, 3))


def read(columns, many):
    def check(name, value, place):
        if name == "flops" or value is not None:
            a_count(value, place)

    return read_columns(columns, ("costs",), USUAL, many, check)


@given(st.lists(st.fixed_dictionaries({"flops": st.integers(0, 2), "kept": VALUE})))
def test_rows_come_back(rows):
    assert read(json.loads(json.dumps(columns_of(rows, USUAL))), len(rows)) == rows


def test_what_goes_without_saying_is_left_out():
    assert columns_of([{"flops": 0, "kept": 0}, {"flops": 0, "kept": None}], USUAL) == {"kept": [0, None]}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([], "costs: a list where an object belongs"),
        ({"macs": [1, 2]}, "costs > macs: unknown field"),
        ({"flops": 1}, "costs > flops: 1 where a list belongs"),
        ({"flops": [1]}, "costs > flops: 1 numbers for 2 rows"),
        ({"flops": [1, -1]}, "costs > flops > 2: -1 where a whole number"),
        ({"flops": [1, None]}, "costs > flops > 2: null where a whole number"),
        ({"kept": [None, None]}, "costs > kept: what nothing has, and is left out"),
    ],
)
def test_other_columns_are_refused(columns, says):
    with pytest.raises(Wrong) as caught:
        read(columns, 2)
    assert f"{show(caught.value.place)}: {caught.value}".startswith(says)
