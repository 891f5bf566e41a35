"""Formulas and output rules are registered once for each operator, and optimizers made for each name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_modelbudget.counting.meta.output_rules.registry import OUTPUT_RULES, output_rule, temporaries_rule
from pytest_modelbudget.counting.operators.registry import FORMULAS, formula
from pytest_modelbudget.counting.recording.optimizers import make_optimizers
from pytest_modelbudget.values.point import OPTIMIZERS


def test_an_operator_has_one_formula():
    with pytest.raises(ValueError, match="aten::mm has a formula already: mm_flop"):
        formula("mm")(lambda *args, out: None)
    assert FORMULAS["aten::mm"].__name__ == "mm_flop"


def test_an_operator_has_one_output_rule():
    before = OUTPUT_RULES[torch.ops.aten.mm.default]
    with pytest.raises(ValueError, match=r"aten\.mm\.default has an output rule already"):
        output_rule("mm")(lambda *args: None)
    with pytest.raises(ValueError, match=r"aten\.matmul\.default has an output rule already"):
        temporaries_rule("matmul")(lambda *args: None)
    assert OUTPUT_RULES[torch.ops.aten.mm.default] is before


def test_an_operator_that_this_pytorch_lacks_has_no_rule():
    before = dict(OUTPUT_RULES)
    output_rule("no_such_operator", "mm.no_such_overload")(lambda *args: None)
    assert before == OUTPUT_RULES


CLASSES = {
    "none": [],
    "sgd": [torch.optim.SGD],
    "momentum": [torch.optim.SGD],
    "adam": [torch.optim.Adam],
    "adamw": [torch.optim.AdamW],
}


def test_every_name_of_an_optimizer_makes_one():
    model = nn.Linear(2, 2)
    made = {name: make_optimizers(name, model, "cpu") for name in OPTIMIZERS}
    assert {name: [type(one) for one in found] for name, found in made.items()} == CLASSES
    assert [made[name][0].defaults["momentum"] for name in ("sgd", "momentum")] == [0, 0.9]


def test_on_cuda_optimizers_work_on_lists_of_tensors():
    for kind, foreach in (("cpu", None), ("cuda", True)):
        groups = make_optimizers("adam", nn.Linear(2, 2), kind)[0].param_groups
        assert [group["foreach"] for group in groups] == [foreach]
