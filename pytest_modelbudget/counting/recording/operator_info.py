"""What a count looks up of an operator, once: how it is classified, and how it runs on the meta device."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from ..meta.execution import MetaExecution
from ..meta.output_rules.registry import OUTPUTS_ONLY, TEMPORARIES_RULES, OutputRule
from ..meta.recurrent import RECURRENT
from ..operators.classify import MOVED_BETWEEN_RANKS, Classification, Kind, classify
from ..operators.registry import qualified_name

_ATTENTION = torch.ops.aten.scaled_dot_product_attention.default


class OperatorInfo(NamedTuple):
    """What is known of an operator before it runs.

    ``name`` is the one that reports have. ``output_rule`` gives all there is to know of a call: its outputs, where it
    has no temporaries; ``temporaries_rule`` gives those too. ``recurrent`` is the name of a recurrent layer.
    ``may_alias`` says that what it returns may share the storage of an argument; ``collective`` how it sends.
    """

    name: str
    classification: Classification
    is_composite: bool
    is_free: bool
    output_rule: OutputRule | None
    temporaries_rule: OutputRule | None
    is_attention: bool
    recurrent: str
    may_alias: bool
    collective: Any = None

    @classmethod
    def of(cls, operator: Any, execution: MetaExecution | None) -> OperatorInfo:
        """Look up an operator that ``execution`` runs, or PyTorch if it is ``None``."""
        collective = _collective(operator)  # its file registers output rules
        recurrent = RECURRENT.get(operator, "")
        classification = classify(operator)
        has_more = operator in OUTPUTS_ONLY or recurrent
        return cls(
            qualified_name(operator).removeprefix("aten::"),
            classification,
            classification.kind is Kind.COMPOSITE,
            classification.kind is Kind.FREE,
            None if execution is None or has_more else execution.rule_of(operator),
            None if execution is None else TEMPORARIES_RULES.get(operator),
            operator is _ATTENTION,
            recurrent,
            _may_alias(operator),
            collective,
        )


def _collective(operator: Any) -> Any:
    """What is known of a collective, by which ranks send; ``None`` for any other operator."""
    if getattr(operator, "namespace", "") not in MOVED_BETWEEN_RANKS:
        return None
    from ..sharded.collectives import COLLECTIVES  # it imports DTensor and FSDP

    return COLLECTIVES.get(operator)


def _may_alias(operator: Any) -> bool:
    schema = getattr(operator, "_schema", None)  # a higher-order operator has none
    return schema is None or any(result.alias_info is not None for result in schema.returns)
