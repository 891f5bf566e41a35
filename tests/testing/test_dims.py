"""Dimensions of one's own, where batch and seq are: shapes, callables, factories, tests, commands, sweeps, growth."""

from __future__ import annotations

import json

import pytest
from torch import nn

from pytest_modelbudget import UsageError, fit, measure, sweep, tensor
from pytest_modelbudget.cli.command import main
from pytest_modelbudget.judging.budget import parse_budget

CLIP = ("batch", "frames", 8)
"""Of a layer from 8 to 4, by hand: 32 multiply-adds a frame."""


def layer() -> nn.Module:
    return nn.Linear(8, 4)


def wide(width: int) -> nn.Module:
    return nn.Linear(8, width)


@pytest.mark.parametrize(
    "inputs",
    [
        CLIP,
        [CLIP],
        {"input": CLIP},
        (tensor("batch", "frames", 8),),
        lambda batch, frames: ((tensor(batch, frames, 8)),),
        lambda batch, frames=1: [(batch, frames, 8)],
    ],
)
def test_inputs_have_it_by_its_name(inputs):
    cost = measure(layer, inputs=inputs, batch=2, dims={"frames": 16})
    assert cost.macs == 2 * 16 * 32
    assert str(cost.point) == "batch 2, frames 16, infer"


def test_a_factory_gets_it():
    assert measure(wide, inputs=("batch", 8), dims={"width": 3}).params == 8 * 3 + 3


@pytest.mark.parametrize(
    ("dims", "says"),
    [
        ({"frames": 0}, "frames=0 is not a whole number above zero."),
        ({"frames": "16"}, "frames='16' is not a whole number above zero."),
        ({"seq": 16}, "dims={'seq': 16}: 'seq' is an argument itself. Write seq=."),
        ({"memory": 16}, "dims={'memory': 16}: 'memory' is not a name for a dimension."),
        ({"in": 1}, "'in' is not a name for a dimension."),
        ({"two words": 1}, "'two words' is not a name for a dimension."),
        ("frames", "dims='frames' is not a mapping such as {'frames': 16}, nor names such as ['frames']."),
        (16, "dims=16 is not a mapping"),
        (
            {"fames": 16},
            "'frames' is not a dimension. Allowed: numbers, 'batch', 'res', 'channels', 'seq', 'fames', 'ranks', "
            "'rank', and",
        ),
        (["frames"], "'frames' is not a dimension."),
    ],
)
def test_what_cannot_be_meant(dims, says):
    with pytest.raises(UsageError) as caught:
        measure(layer, inputs=CLIP, dims=dims)
    assert says in str(caught.value)


def test_a_factory_is_told_how_to_get_more():
    with pytest.raises(UsageError, match=r"give a dimension of your own as dims=\{'width': ...\}"):
        measure(wide, inputs=("batch", 8))


def test_a_sweep_goes_over_it():
    found = sweep(layer, inputs=CLIP, batch="1:6:1", dims={"frames": "8:24:8"})
    assert {(c.point.batch, c.point.value("frames")): c.values["macs"] for c in found} == {
        (batch, frames): 32 * batch * frames for batch in range(1, 7) for frames in (8, 16, 24)
    }
    assert found.counts < len(found)  # lines in the batch, for each of its values
    assert found.at(batch=2, frames=16).values["macs"] == 1024
    assert found.rows()[0]["frames"] == 8
    assert "batch    frames" in found.table()
    assert str(found.to_pandas()["frames"].dtype) == "Int64"
    points = [cell["point"]["dims"] for cell in found.to_dict()["cells"]]
    assert points[:3] == [{"frames": 8}, {"frames": 16}, {"frames": 24}] or {"frames": 24} in points


def test_fit_searches_it():
    """By hand: 10,000 // (2 * 32) frames, of those that are given the largest below; ten in all, in doubled batches."""
    assert fit(layer, inputs=CLIP, batch=2, dims=["frames"], macs=10_000).found[0].point.value("frames") == 156
    among = fit(layer, inputs=CLIP, batch=2, dims={"frames": "8:500:8"}, macs=10_000)
    assert [one.point.value("frames") for one in among.found] == [152]
    front = fit(layer, inputs=CLIP, dims={"frames": None}, macs=320)
    assert {(one.point.batch, one.point.value("frames")) for one in front.found} == {
        (1, 10),
        (2, 5),
        (5, 2),
        (10, 1),
    }
    with pytest.raises(UsageError, match="Two sizes can be searched at once: give one of a, b, batch"):
        fit(layer, inputs=CLIP, dims=["a", "b"], macs=320)


SUITE = """
import pytest
from torch import nn
from pytest_modelbudget import budget

CLIP = ("batch", "frames", 8)

@budget(model=lambda: nn.Linear(8, 4), inputs=CLIP, batch=2, dims={"frames": FRAMES})
def test_growth(): ...

@budget(model=lambda: nn.Linear(8, 4), inputs=CLIP, macs=600, scaling={"frames": 1, "params": 0}, dims=["frames"])
@pytest.mark.parametrize("frames", [16, 20])
def test_many(frames): ...
"""


def test_tests_have_it_by_their_arguments_and_growth_is_a_factor(pytester):
    pytester.makepyfile(test_clip=SUITE.replace("FRAMES", "8"))
    run = pytester.runpytest("--budget-update", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=2, failed=1)  # 20 frames are 640 multiply-adds
    run.stdout.fnmatch_lines(["*batch 1, frames 20, infer*", "*fits   frames <= 18*"])
    stored = json.loads((pytester.path / "modelbudget.json").read_text())
    assert {"frames": 8} in [entry["point"].get("dims") for entry in stored["entries"].values()]

    pytester.makepyfile(test_clip=SUITE.replace("FRAMES", "32"))
    run = pytester.runpytest("-p", "no:cacheprovider", "-k", "growth", "--budget-report", "out.json")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*4.00x since the baseline = architecture 1.00x * batch 1.00x * frames 4.00x (8 -> 32)*"])
    assert main(["report", str(pytester.path / "out.json"), "--html", str(pytester.path / "out.html")]) == 0
    assert main(["diff", str(pytester.path / "modelbudget.json"), str(pytester.path / "out.json")]) == 0


def test_growth_with_it_is_limited(pytester):
    pytester.makepyfile("""
        from torch import nn
        from pytest_modelbudget import budget

        class Pairs(nn.Module):
            def forward(self, x):
                return x @ x.transpose(1, 2)

        @budget(model=Pairs, inputs=("batch", "frames", 8), dims={"frames": 16}, scaling={"frames": 1})
        def test_pairs(): ...

        @budget(model=Pairs, inputs=("batch", "frames", 8), dims={"frames": 16}, scaling={"frames": 2})
        def test_square(): ...
    """)
    run = pytester.runpytest("-p", "no:cacheprovider")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(["*frames^2*"])


def test_a_slip_in_scaling_is_told():
    with pytest.raises(UsageError, match=r"'fames' is not what something grows with.*Did you mean 'frames'"):
        parse_budget((), {"model": layer, "inputs": CLIP, "dims": {"frames": 2}, "scaling": {"fames": 1}})


def test_commands_take_it(pytester, capsys):
    pytester.makepyfile(nets="from torch import nn\ndef layer():\n    return nn.Linear(8, 4)\n")
    target, inputs = f"{pytester.path}/nets.py:layer", ["--inputs", "batch,frames,8"]
    assert main(["count", target, *inputs, "--dim", "frames=16"]) == 0
    out = capsys.readouterr().out
    assert "at batch 1, frames 16, infer" in out
    assert 'dims={"frames": 16}, inputs=' in out
    assert main(["sweep", target, *inputs, "--batch", "1", "--dim", "frames=8:16:8"]) == 0
    assert "frames" in capsys.readouterr().out
    assert main(["fit", target, *inputs, "--batch", "1", "--dim", "frames", "--macs", "320"]) == 0
    assert "frames 11" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("frames=x", "'x' is not a whole number"),
        ("batch=2", "'batch' is an argument itself"),
        ("frames=8,16", "has 2 values, and one is looked at here"),
        ("=2", "'=2' is not NAME=N, such as frames=16"),
        ("frames=", "'frames=' is not NAME=N, such as frames=16"),
    ],
)
def test_a_command_tells_what_is_no_dimension(given, says, capsys):
    try:
        code = main(["count", "torchvision:resnet18", "--dim", given])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert says in capsys.readouterr().err
