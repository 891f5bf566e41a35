"""Budgets of sharded models: the marker, its baseline, why a cost grew, the reports, and the command."""

from __future__ import annotations

import json
import sys

import pytest

from pytest_modelbudget.counting.pytorch.versions import SHARDED, release

MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, layers=4):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64, bias=False)) for _ in range(layers)))

    def forward(self, x):
        return self.layers(x)


def sharded():
    from torch.distributed.fsdp import fully_shard

    model = Net()
    for layer in model.layers:
        fully_shard(layer)
    return fully_shard(model)
"""
LAYER = 64 * 64 * 4  # bytes
SENT = {ranks: (2 * 4 + 4) * LAYER * (ranks - 1) // ranks for ranks in (2, 4, 8)}
"""In a step each of 4 layers is gathered twice and its gradient scattered once, by rings."""

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(release() < SHARDED, reason="sharded models are measured with PyTorch 2.8 and newer"),
]


@pytest.fixture
def net(pytester):
    pytester.makepyfile(net=MODEL)
    pytester.syspathinsert()
    return pytester


def test_the_marker_limits_what_is_sent(net):
    net.makepyfile(
        test_it=f"""
        import pytest
        from net import Net, sharded
        from pytest_modelbudget import budget

        @budget(model=sharded, inputs=(2, 64), mode="train", ranks=4, communication={SENT[4]}, params=4096)
        def test_named(): ...

        @budget(inputs=(2, 64), mode="train", ranks=4, communication={SENT[4]})
        def test_returned():
            return sharded()

        @budget(model=Net, inputs=(2, 64), mode="train", parallel={{"fsdp": 2}}, communication={SENT[2] - 1})
        def test_over(): ...

        @budget(model=Net, inputs=(2, 64), communication=1)
        def test_of_one_rank(): ...

        @budget(model=sharded, inputs=(2, 64), mode="train", ranks=4, module="layers.0", communication=1)
        def test_module(): ...
        """
    )
    result = net.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "over budget: communication 96 KiB of 95.999 KiB*",
            "communication *over by 1 B",
            "Everything is of rank 0 of 2, which holds 8.19 k of 16.4 k parameters.",
            "sends 96 KiB a step, by ring algorithms",
            "*all_gather among 2 * 128 KiB  64 KiB *",
            "*reduce_scatter among 2 * 64 KiB  32 KiB *",
            "measured nothing: communication: the model is on one rank, which sends nothing. Say how many there are*",
            "over budget: communication * of 1 B*",
        ]
    )


def test_a_test_is_given_its_ranks(net):
    net.makepyfile(
        test_it=f"""
        import pytest
        from net import sharded
        from pytest_modelbudget import budget

        SENT = {SENT}

        @pytest.mark.parametrize("ranks", [2, 4])
        @budget(model=sharded, inputs=(2, 64), mode="train", communication={SENT[2]})
        def test_named(ranks): ...

        @pytest.mark.parametrize("ranks", [2, 4])
        @budget(inputs=(2, 64), mode="train", params=4096)
        def test_returned(ranks):
            return sharded()

        @pytest.mark.parametrize("ranks", [2, 4])
        def test_measured(ranks, model_cost):
            assert model_cost(sharded, inputs=(2, 64), mode="train", ranks=ranks).communication == SENT[ranks]
        """
    )
    result = net.runpytest_subprocess("-p", "no:cacheprovider", "-rf")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(
        ["*test_named?4?*over budget: communication*", "*test_returned?2?*over budget: params*"]
    )


def test_why_it_grew_has_a_factor_of_ranks(net):
    test = """
        from net import Net
        from pytest_modelbudget import budget

        @budget(model=Net, inputs=("batch", 64), batch=2, mode="train", {}, name="net")
        def test_net(): ...
        """
    for before, after, metric in (("ranks=2, parallel='fsdp'", "ranks=8, parallel='fsdp'", "2 -> 8"),
                                  ("parallel={'fsdp': 2}", "parallel={'fsdp': 8}", "fsdp 2 -> fsdp 8")):  # fmt: skip
        net.makepyfile(test_it=test.format(before))
        assert net.runpytest_subprocess("-p", "no:cacheprovider", "--budget-update").ret == 0
        entry = json.loads((net.path / "modelbudget.json").read_text())["entries"]["net"]
        assert entry["totals"]["communication"] == SENT[2]
        assert sum(entry["costs"]["communication"]) == SENT[2]
        net.makepyfile(test_it=test.format(after))
        result = net.runpytest_subprocess("-p", "no:cacheprovider", "--budget-report", "report.json")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*1.75x since the baseline = architecture 1.00x * ranks 1.75x ({metric})"])
        found = json.loads((net.path / "report.json").read_text())["results"][0]
        assert found["cost"]["communication"] == SENT[8]
        assert {one["kind"] for one in found["cost"]["collectives"]} == {"all_gather", "reduce_scatter"}


def test_the_command(net):
    run = net.run(*COMMAND, "count", "net.py:Net", "--parallel", "fsdp=2,dp=2", "--batch", "2", "--mode", "train",
                  "--inputs", "batch,64")  # fmt: skip
    run.stdout.fnmatch_lines(
        [
            "Net at batch 2, train with adamw, dp 2 x fsdp 2.*",
            "Everything is of rank 0 of 4, which holds 8.19 k of 16.4 k parameters.",
            "fits on  4 x 8 GiB (RTX 4060) and larger*",
            "sends *",
            "@budget(model=Net, *parallel={'dp': 2, 'fsdp': 2}*",
        ]
    )
    run = net.run(*COMMAND, "fit", "net.py:Net", "--parallel", "fsdp", "--batch", "2", "--mode", "train",
                  "--inputs", "batch,64", "--memory", "150KiB")  # fmt: skip
    assert run.ret == 0
    run.stdout.fnmatch_lines(["batch*ranks*memory*"])


COMMAND = (sys.executable, "-W", "ignore", "-m", "pytest_modelbudget.cli")


def test_time_over_a_link(net):
    """A step takes what it computes, or what it sends over the link, whichever is longer: by hand."""
    from net import Net

    from pytest_modelbudget import UsageError, measure

    one = {"inputs": (2, 64), "mode": "train", "parallel": {"fsdp": 8}}
    speeds = {"NVLink": 450, "PCIe": 64, "InfiniBand": 50}  # gigabytes a second, which is bytes a nanosecond
    alone = measure(Net, device="H100", **{**one, "parallel": {"fsdp": 1}}).throughput
    assert (alone.sent, "link" in alone.bound) == (0, False)
    for link, speed in speeds.items():
        time = measure(Net, device="H100", link=link, **one).throughput
        assert (time.sent, time.link) == (SENT[8], link)
        assert time.sending == round(SENT[8] / speed)
        rest = sum(value for name, value in time.bound.items() if name != "link")
        assert time.nanoseconds == max(rest, time.sending)
        assert time.nanoseconds == time.by_module()[""] == sum(time.by_operator().values())
    assert measure(Net, device="H100", **one).throughput.link == "NVLink"
    many = measure(Net, device="H100", **{**one, "parallel": {"fsdp": 16}}).throughput
    assert many.link == "InfiniBand"  # more than a server has
    assert measure(Net, device="RTX 4090", **one).throughput.link == "PCIe"
    for arguments in ({"link": "NVLink", "device": "RTX 4090"}, {"link": "PCIe"}):
        with pytest.raises(UsageError, match="is for a named card that has it"):
            measure(Net, **one, **arguments)
    with pytest.raises(UsageError, match="one process sends nothing"):
        measure(Net, inputs=(2, 64), device="H100", link="PCIe")
