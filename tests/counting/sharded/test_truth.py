"""Predicted on meta in one process, beside the same step really run by several: memory, collectives, FLOPs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from counting.sharded.models import INPUTS, MODELS, SCHEDULES, WAYS, built, scheduled
from releases import RELEASE

from pytest_modelbudget import Cost, measure

Case = tuple[int, str, str, str]
"""Processes, model, way, mode."""

TESTS = Path(__file__).parents[2]
PIPELINES = SCHEDULES if RELEASE != (2, 9) else ()  # there, gloo ends the process in the first exchange of a pipeline
ALL = [
    *((2, name, way, mode) for name in MODELS for way in WAYS for mode in ("infer", "train")),
    *((4, name, way, "train") for name in MODELS for way in WAYS),
    *((2, "stage", way, "train") for way in PIPELINES),
    *((2, "mlp", "fsdp", mode) for mode in ("amp", "bfloat16")),
]
ONE_OF_EACH_KIND = [
    *((2, name, way, "train") for name in MODELS for way in ("fsdp", "tp", "ddp")),
    *((2, name, way, "infer") for name, way in (("mlp", "ddp"), ("gpt", "fsdp"), ("vit", "tp"))),
    (2, "gpt", "ddp, views", "train"),
    *((2, "stage", way, "train") for way in PIPELINES),
    *((2, "mlp", "fsdp", mode) for mode in ("amp", "bfloat16")),
    *((4, "mlp", way, "train") for way in ("tp", "hsdp")),
    (4, "gpt", "fsdp x tp", "train"),
    *((4, "vit", way, "train") for way in ("fsdp", "hsdp")),  # most of its parameters are not divided evenly by 4
]


@pytest.fixture(
    scope="module", params=[ONE_OF_EACH_KIND, pytest.param(ALL, marks=pytest.mark.zoo)], ids=["one of each kind", "all"]
)
def real(request, tmp_path_factory) -> dict[Case, dict[str, Any]]:
    """What the last rank of real gloo groups saw of itself, in each case."""
    folder = tmp_path_factory.mktemp("ranks")
    cases = {world: [case[1:] for case in request.param if case[0] == world] for world in (2, 4)}
    script = Path(__file__).with_name("real_ranks.py")
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(script), json.dumps(cases), str(folder)]
    subprocess.run(command, env=environment, check=True, timeout=900)
    seen = {world: json.loads((folder / f"{world}-{world - 1}.json").read_text()) for world in cases}
    return {case: seen[case[0]][" / ".join(case[1:])] for case in request.param}


@cache
def predicted(name: str, way: str, mode: str, world: int, rank: int) -> Cost:
    return measure(
        lambda: built(name, way, world),
        inputs=INPUTS[name](),
        ranks=world,
        rank=rank,
        mode="infer" if mode == "infer" else "train",
        amp="bfloat16" if mode == "amp" else None,
        dtype="bfloat16" if mode == "bfloat16" else None,
        attention="math",
        convention="torch",
        **({"step": scheduled} if name == "stage" else {}),
    )


@pytest.mark.filterwarnings("ignore")
def test_a_rank_is_as_in_a_real_run(real):
    """The last rank, whose part is the smallest where a tensor is not divided evenly."""
    found, truth = {}, {}
    for case, seen in real.items():
        world, name, way, mode = case
        if (2, 10) <= RELEASE <= (2, 11) and case[1:3] == ("mlp", "tp"):
            continue  # docs/compatibility.md: a real step has more alive there than on 2.8 and 2.12
        cost = predicted(name, way, mode, world, world - 1)
        assert cost.executed == "meta"
        found[case] = (cost.memory, cost.flops, payloads(cost))
        truth[case] = (seen["peak"], seen["flops"], really_moved(seen["collectives"], shards(way, world)))
    assert found == truth


def payloads(cost: Cost) -> dict[str, tuple[int, int]]:
    """Calls and bytes by collective."""
    calls, size = Counter(), Counter()
    for one in cost.collectives:
        calls[one.kind] += one.calls
        size[one.kind] += one.payload
    return {kind: (calls[kind], size[kind]) for kind in calls}


def shards(way: str, world: int) -> int:
    """The ranks that FSDP shards over."""
    return world // 2 if way in ("fsdp x tp", "hsdp") else world


KINDS = {
    "_allgather_base_": "all_gather",
    "_reduce_scatter_base_": "reduce_scatter",
    "allreduce_": "all_reduce",
    "all_reduce": "all_reduce",
    "send": "send",
    "recv_": "recv",
}


def really_moved(seen: dict[str, list[int]], shards: int) -> dict[str, tuple[int, int]]:
    """The same of the operators that were really called, each with the bytes of its first argument.

    That is what an all-gather writes, and what is reduced; of a reduce-scatter, it is the part of this rank.
    """
    seen = {name: value for name, value in seen.items() if name != "_wrap_tensor_autograd"}  # it moves nothing
    whole = {name: size * (shards if name == "_reduce_scatter_base_" else 1) for name, (_, size) in seen.items()}
    return {KINDS[name]: (seen[name][0], whole[name]) for name in seen}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_flops_of_all_ranks_add_up(name):
    """Those of the whole model, where nothing is computed twice; each rank of FSDP and DDP has a batch of its own."""
    plain = measure(MODELS[name], inputs=INPUTS[name](), mode="train", convention="torch")
    for way in ("fsdp", "ddp"):
        assert predicted(name, way, "train", 2, 1).flops == plain.flops
    ranks = [predicted(name, "tp", "train", 2, rank) for rank in range(2)]
    blocks = [cost.by_module()["blocks"].flops for cost in ranks]
    assert sum(blocks) == plain.by_module()["blocks"].flops
    twice = plain.flops - plain.by_module()["blocks"].flops  # the head, and the patches of an image: on every rank
    assert [cost.flops - inside for cost, inside in zip(ranks, blocks, strict=True)] == [twice] * 2


@pytest.mark.filterwarnings("ignore")
def test_what_ranks_hold_adds_up():
    """Of parameters that 2 divides, each rank holds half, and of the optimizer's state for them."""
    plain, (first, last) = measure(MODELS["mlp"], inputs=INPUTS["mlp"]()), (
        predicted("mlp", "fsdp", "train", 2, rank) for rank in (0, 1)
    )  # fmt: skip
    assert first.params == last.params == plain.params / 2
    assert first.global_params == plain.params
    assert first.weights == plain.weights / 2

    assert first.peak.kinds["optimizer"] in (0, 2 * plain.weights / 2 + 4 * len(list(MODELS["mlp"]().parameters())))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "way"), [("vit", "fsdp"), ("mlp", "tp")])
def test_sent_is_by_ring_algorithms(name, way):
    """Of 4 ranks: of a gathered or scattered tensor, each sends three fourths; of one that is reduced, twice that."""
    cost = predicted(name, way, "train", 4, 3)
    share = {"all_gather": 3 / 4, "reduce_scatter": 3 / 4, "all_reduce": 6 / 4}
    assert cost.communication == sum(share[kind] * size for kind, (_, size) in payloads(cost).items())
    assert sum(one.sent for one in cost.collectives) == cost.communication == cost.by_module()[""].communication
    if way == "tp":  # forward of three blocks, and backward of all but the first, whose input needs no gradient
        size = INPUTS["mlp"]().nbytes
        assert payloads(cost) == {"all_reduce": (5, 5 * size)}
