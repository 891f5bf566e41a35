"""Operators over lists of DTensors, as optimizers call them: what DTensor says of them, asked once for each kind.

DTensor goes through all of the lists for each of their elements, which takes minutes for the parameters of a large
model. What it says of an element follows from that element's operands alone, and most are alike.
"""

from __future__ import annotations

from typing import Any

from ..pytorch.distributed import PROPAGATES_SHARDING, OperatorSchema, OutputSharding

_propagate = PROPAGATES_SHARDING.value


def sharding_by_element(propagator: Any, schema: Any) -> Any:
    """Where the results of a call lie, as DTensor's propagator says of a call with one element of each kind.

    It is asked of the whole call where operands have to be redistributed first, or are not of one mesh.
    """
    args = schema.args_schema
    lists = [index for index, arg in enumerate(args) if isinstance(arg, (list, tuple))]
    if not lists or not schema.op.name().startswith("aten::_foreach_") or not _is_of_one_mesh(schema, lists):
        return _propagate(propagator, schema)
    known: dict[tuple[Any, ...], Any] = {}
    found = []
    for element in zip(*(args[index] for index in lists), strict=True):
        if element not in known:
            parts = list(args)
            for index, operand in zip(lists, element, strict=True):
                parts[index] = type(args[index])((operand,))
            one = OperatorSchema(schema.op, tuple(parts), schema.kwargs_schema, schema_info=schema.schema_info)
            known[element] = _propagate(propagator, one)
            if known[element].needs_redistribute:
                return _propagate(propagator, schema)
        found.append(known[element].output_spec)
    return OutputSharding(None if None in found else tuple(spec for specs in found for spec in specs))


def _is_of_one_mesh(schema: Any, lists: list[int]) -> bool:
    lengths = {len(schema.args_schema[index]) for index in lists}
    meshes = {mesh for index in lists for one in schema.args_schema[index] if (mesh := getattr(one, "mesh", None))}
    return len(lengths) == len(meshes) == 1
