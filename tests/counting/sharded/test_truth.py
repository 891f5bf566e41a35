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
import torch
from counting.sharded.models import INPUTS, MODELS, WAYS, built

from pytest_modelbudget import Cost, measure

TESTS = Path(__file__).parents[2]
MODES = {2: ("infer", "train"), 4: ("train",)}
CASES = [(world, name, way, mode) for world in MODES for name in MODELS for way in WAYS for mode in MODES[world]]


@pytest.fixture(scope="module", params=MODES, ids=lambda world: f"{world} processes")
def real(request, tmp_path_factory) -> tuple[int, list[dict[str, Any]]]:
    """What each of 2, and of 4, processes of a gloo group saw of itself."""
    world, folder = request.param, tmp_path_factory.mktemp("ranks")
    cases = [case[1:] for case in CASES if case[0] == world]
    script = Path(__file__).with_name("real_ranks.py")
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(script)]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(world), str(folder / "store"), json.dumps(cases), str(folder / f"{rank}.json")],
            env=environment,
        )
        for rank in range(world)
    ]
    assert [process.wait(timeout=600) for process in ranks] == [0] * world
    return world, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]


@cache
def predicted(name: str, way: str, mode: str, world: int, rank: int) -> Cost:
    return measure(
        lambda: built(name, way, world),
        inputs=INPUTS[name](),
        ranks=world,
        rank=rank,
        mode=mode,
        attention="math",
        convention="torch",
    )


@pytest.mark.filterwarnings("ignore")
def test_a_rank_is_as_in_a_real_run(real):
    """The last rank, whose part is the smallest where a tensor is not divided evenly."""
    world, seen = real
    found, truth = {}, {}
    for _, name, way, mode in (case for case in CASES if case[0] == world):
        cost, real_rank = predicted(name, way, mode, world, world - 1), seen[-1][f"{name} / {way} / {mode}"]
        assert cost.executed == "meta"
        found[name, way, mode] = (cost.memory, cost.flops, payloads(cost))
        moved = really_moved(real_rank["collectives"], shards(way, world))
        truth[name, way, mode] = (real_rank["peak"], real_rank["flops"], moved)
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
    for way in ("fsdp", "hsdp", "ddp"):
        assert {predicted(name, way, "train", 4, rank).flops for rank in (0, 3)} == {plain.flops}
    ranks = [predicted(name, "tp", "train", 4, rank) for rank in range(4)]
    blocks = [cost.by_module()["blocks"].flops for cost in ranks]
    assert sum(blocks) == plain.by_module()["blocks"].flops
    twice = plain.flops - plain.by_module()["blocks"].flops  # the head, and the patches of an image: on every rank
    assert [cost.flops - inside for cost, inside in zip(ranks, blocks, strict=True)] == [twice] * 4


@pytest.mark.filterwarnings("ignore")
def test_what_ranks_hold_adds_up():
    """Of parameters that 4 divides, each rank holds a fourth, and of the optimizer's state for them."""
    plain, (first, last) = measure(MODELS["mlp"], inputs=INPUTS["mlp"]()), (
        predicted("mlp", "fsdp", "train", 4, rank) for rank in (0, 3)
    )  # fmt: skip
    assert first.params == last.params == plain.params / 4
    assert first.global_params == plain.params
    assert first.weights == plain.weights / 4

    assert first.peak.kinds["optimizer"] in (0, 2 * plain.weights / 4 + 4 * len(list(MODELS["mlp"]().parameters())))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["fsdp", "tp"])
def test_sent_is_by_ring_algorithms(way):
    """Of 4 ranks: of a gathered or scattered tensor, each sends three fourths; of one that is reduced, twice that."""
    cost = predicted("gpt", way, "train", 4, 0)
    share = {"all_gather": 3 / 4, "reduce_scatter": 3 / 4, "all_reduce": 6 / 4}
    assert cost.communication == sum(share[kind] * size for kind, (_, size) in payloads(cost).items())
    assert sum(one.sent for one in cost.collectives) == cost.communication == cost.by_module()[""].communication
    if way == "tp":  # forward and backward of the attention and the MLP of each of three blocks
        width = torch.float32.itemsize * INPUTS["gpt"]().numel() * 32
        assert payloads(cost) == {"all_reduce": (18, 18 * width)}
