"""Operators over lists of DTensors: what is said element for element is what DTensor says of the whole lists."""

from __future__ import annotations

import pytest
import torch
from releases import RELEASE
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, zeros

from pytest_modelbudget.counting.pytorch.distributed import PROPAGATES_SHARDING
from pytest_modelbudget.counting.pytorch.replaced import replaced
from pytest_modelbudget.counting.sharded import foreach
from pytest_modelbudget.counting.sharded.process_group import process_group
from pytest_modelbudget.values.point import OperatingPoint

pytestmark = pytest.mark.skipif(
    RELEASE < (2, 12),
    reason="DTensor keeps the function that is replaced: PyTorch asks for each element itself",
)

PLACEMENTS = [Shard(0), Shard(1), Replicate(), Shard(0), Shard(0)]
SIZES = [(8, 6), (6, 8), (3,), (5, 2), (8, 6)]  # 5 is not divided evenly


def lists(placements: list) -> list[DTensor]:
    mesh = init_device_mesh("cpu", (2,))
    return [zeros(size, device_mesh=mesh, placements=[one]) for size, one in zip(SIZES, placements, strict=True)]


@pytest.mark.parametrize(
    ("call", "others"),
    [
        (lambda one, other: torch._foreach_mul_(one, 0.9), None),
        (lambda one, other: torch._foreach_add(one, other), PLACEMENTS),
        (lambda one, other: torch._foreach_addcdiv_(one, other, other, [1.0, 2.0, 3.0, 4.0, 1.0]), PLACEMENTS),
        (lambda one, other: torch._foreach_sqrt(one), None),
        (lambda one, other: torch._foreach_add(one, other), [Replicate(), Shard(0), Replicate(), Shard(0), Partial()]),
    ],
    ids=["in place", "two lists", "numbers", "new", "redistributed"],
)
def test_as_of_the_whole_lists(call, others):
    seen = []
    by_element, of_all = foreach.sharding_by_element, foreach._propagate

    def both(propagator, schema):
        asked = [by_element(propagator, schema), of_all(propagator, schema)]
        seen.append([(str(one.output_spec), one.needs_redistribute, str(one.redistribute_schema)) for one in asked])
        return asked[0]

    with process_group(OperatingPoint(ranks=2)), replaced(*PROPAGATES_SHARDING, both):
        one, other = lists(PLACEMENTS), lists(others or PLACEMENTS)
        call(one, other)
    assert any(first for first, _ in seen)
    assert all(first == second for first, second in seen)


def test_each_kind_is_asked_for_once(monkeypatch):
    asked, before = [], foreach._propagate
    monkeypatch.setattr(foreach, "_propagate", lambda self, schema: asked.append(schema) or before(self, schema))
    with process_group(OperatingPoint(ranks=2)):
        torch._foreach_mul_(lists(PLACEMENTS), 0.9)
    assert len([schema for schema in asked if "_foreach_mul_" in schema.op.name()]) == 4  # of 5, two are alike
