"""Models that are parallelised by a plan are what a training script makes of them by hand."""

from __future__ import annotations

import pytest
import torch
from counting.sharded.models import GPT, INPUTS, built
from torch import nn

from pytest_modelbudget import UsageError, fit, measure, sweep

pytestmark = pytest.mark.filterwarnings("ignore")
PLAN = {
    **{f"blocks.*.attention.{name}": "colwise" for name in "qkv"},
    "blocks.*.attention.out": "rowwise",
    "blocks.*.feed.up": "colwise",
    "blocks.*.feed.down": "rowwise",
}
X = INPUTS["gpt"]()


@pytest.mark.parametrize(
    ("way", "parallel"),
    [
        ("fsdp", {"fsdp": 4}),
        ("tp", {"tp": 4}),
        ("fsdp x tp", {"tp": 2, "fsdp": 2}),
        ("hsdp", {"dp": 2, "fsdp": 2}),
        ("ddp", {"dp": 4}),
    ],
)
def test_a_plan_is_what_is_written_by_hand(way, parallel):
    plan = {"tp_plan": PLAN} if "tp" in parallel else {}
    by_plan = measure(GPT, inputs=X, mode="train", parallel=parallel, **plan)
    by_hand = measure(lambda: built("gpt", way, 4), inputs=X, mode="train", ranks=4)
    assert (by_plan.memory, by_plan.flops, by_plan.params) == (by_hand.memory, by_hand.flops, by_hand.params)
    assert by_plan.collectives == by_hand.collectives
    assert by_plan.model in ("GPT", "DistributedDataParallel")


def test_an_instance_is_copied():
    model = GPT()
    kinds = [type(module) for module in model.modules()]
    cost = measure(model, inputs=X, mode="train", parallel="fsdp", ranks=4)
    assert cost.memory == measure(GPT, inputs=X, mode="train", parallel={"fsdp": 4}).memory
    assert [type(module) for module in model.modules()] == kinds
    assert not any(p.is_meta for p in model.parameters())


def test_the_plan_of_a_model_of_transformers():
    """Its heads, its MLP and its output layer are divided by 2, its norms are not: by its ``base_model_tp_plan``."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
        vocab_size=128, max_position_embeddings=64, use_cache=False,
    )  # fmt: skip
    whole = measure(lambda: LlamaForCausalLM(config), batch=2, seq=16)
    half = measure(lambda: LlamaForCausalLM(config), batch=2, seq=16, parallel={"tp": 2})
    for name in ("self_attn", "mlp"):
        one, other = (cost.by_module()[f"model.layers.0.{name}"] for cost in (whole, half))
        assert other.params * 2 == one.params
        assert other.macs * 2 == one.macs
    assert half.by_module()["model.norm"].params == whole.by_module()["model.norm"].params
    calls = sum(one.calls for one in half.collectives if one.kind == "all_reduce")
    assert (
        calls == 5
    )  # of the attention and the MLP of each of two layers, and of the embedding, whose rows are divided


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parallel": {"tp": 2}}, "GPT says nowhere how: give tp_plan="),
        ({"parallel": {"tp": 2}, "tp_plan": {"blocks.*.attn.q": "colwise"}}, "names 'blocks.*.attn.q', which is no"),
        ({"parallel": {"tp": 2}, "tp_plan": {"head": "diagonal"}}, "'diagonal' for 'head', which is no style"),
        ({"parallel": {"tp": 2}, "tp_plan": "colwise"}, "is no mapping from layers to styles"),
        ({"parallel": {"fsdp": 2}, "tp_plan": PLAN}, "tp_plan= is for parallel= with tp"),
        ({"parallel": {"tp": 2, "dp": 2}, "tp_plan": PLAN}, "Replicate them with FSDP"),
    ],
    ids=str,
)
def test_plans_that_cannot_be_meant(arguments, message):
    with pytest.raises(UsageError, match=message.replace("*", r"\*").replace(".", r"\.")):
        measure(GPT, inputs=X, **arguments)


def test_a_sharded_model_is_not_spread_again(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 's'}", rank=0, world_size=1)
    try:
        model = built("gpt", "fsdp", 1)
        with pytest.raises(UsageError, match="this one is sharded already"):
            measure(model, inputs=X, parallel={"fsdp": 1})
    finally:
        torch.distributed.destroy_process_group()


class Plain(nn.Module):
    """A layer of 4 x 1,024 x 1,024 weights, of which FSDP keeps a part and gathers the whole."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(4)))

    def forward(self, x):
        return self.layers(x)


def test_the_fewest_ranks_that_fit():
    """``fit`` counts each number of ranks once, from the fewest; the next fewer is over, by counting."""
    one = {"inputs": ("batch", 64), "batch": 2, "mode": "train", "parallel": "fsdp"}
    costs = {ranks: measure(Plain, ranks=ranks, **one).memory for ranks in (1, 2, 4, 8)}
    assert costs[1] > costs[2] > costs[4] > costs[8]
    for given in ({}, {"ranks": "8,2,4"}):
        found = fit(Plain, memory=costs[4], **one, **given)
        assert found.found[0].point.ranks == 4
        assert found.found[0].next.ranks == 2
        assert found.found[0].beyond == {"memory": costs[2]}
        assert found.table().endswith(" at ranks 2")
    nothing = fit(Plain, memory=costs[8] // 4, **one, ranks="2,4")
    assert nothing.found == ()
    assert "nothing fits: at batch 2, train with adamw, ranks 4, fsdp it takes memory" in nothing.table()


def test_ranks_are_an_axis_of_a_sweep():
    one = {"inputs": ("batch", 64), "batch": 2, "mode": "train", "parallel": "fsdp"}
    grid = sweep(Plain, metrics="memory,communication,params", ranks="2,4", **one)
    for cell in grid:
        cost = measure(Plain, ranks=cell.point.ranks, **one)
        assert cell.values == {"memory": cost.memory, "communication": cost.communication, "params": cost.params}
    assert [cell.point.ranks for cell in grid] == [2, 4]
    with pytest.raises(UsageError, match="ranks=3 is no multiple of 2"):
        sweep(Plain, ranks="2,3", **{**one, "parallel": {"fsdp": -1, "dp": 2}})
