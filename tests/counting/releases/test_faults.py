"""Faults of single releases of PyTorch, each of which once made a count wrong or kept one from being made.

Others are in the tests of what they are about: ``torch.func`` in inference, which is undifferentiated until 2.11, in
`operators/test_programs.py`; control flow, refused until 2.8, and scans that are tried first, in
`operators/test_control_flow.py`; ``functionalize``, which hides pooling until 2.9, in `meta/test_transforms.py`; ids
that are floats, taken on meta from 2.8 to 2.12, in `operators/test_refused.py`.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from pytest_modelbudget import measure
from pytest_modelbudget.cli import main
from pytest_modelbudget.counting.meta.output_rules.registry import OUTPUT_RULES


def in_a_new_process(code: str) -> str:
    """What a script prints that is the first to measure in its process."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ------------------------------------------------------------------------------- convolution_backward, until 2.11

CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward.default


@pytest.mark.parametrize("of", ["input", "weight", "both", "none"])
def test_gradients_of_a_convolution_have_the_layout_of_a_real_run(of):
    def arguments(device):
        last = torch.channels_last
        grad, x, weight = (torch.zeros(size, device=device) for size in ((2, 6, 7, 7), (2, 4, 9, 9), (6, 4, 3, 3)))
        x = x.to(memory_format=last) if of in ("input", "both") else x
        weight = weight.to(memory_format=last) if of in ("weight", "both") else weight
        return (grad, x, weight, [6], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True, True, True])

    real = CONVOLUTION_BACKWARD(*arguments("cpu"))
    ours = OUTPUT_RULES[CONVOLUTION_BACKWARD](*arguments("meta"))
    assert [t.stride() for t in ours] == [t.stride() for t in real]
    assert [t.shape for t in ours] == [t.shape for t in real]


def test_gradients_that_are_not_asked_for_are_not_made():
    x, weight = torch.zeros(2, 4, 9, 9, device="meta"), torch.zeros(6, 4, 3, 3, device="meta")
    rest = ([6], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False])
    ours = OUTPUT_RULES[CONVOLUTION_BACKWARD](torch.zeros(2, 6, 7, 7, device="meta"), x, weight, *rest)
    assert [None if t is None else t.shape for t in ours] == [None, weight.shape, None]


# ------------------------------------------------------------------------------------ the first count of a process


def test_the_first_count_does_not_compile_what_control_flow_runs():
    """PyTorch's functions of control flow call the compiler, which cannot be turned off before they load it."""
    printed = in_a_new_process(
        """
        import sys
        from torch import nn
        from pytest_modelbudget import measure

        class Rows(nn.Linear):
            def forward(self, x):
                import torch._higher_order_ops.associative_scan, torch._higher_order_ops.map
                modules = sys.modules
                x = modules["torch._higher_order_ops.map"].map(super().forward, x)
                scan = modules["torch._higher_order_ops.associative_scan"].associative_scan
                return scan(lambda a, b: a * b, x, 0, combine_mode="generic")

        cost = measure(Rows(8, 8), inputs=(4, 8))
        print(cost.macs, cost.executed, cost.notes)
        """
    )
    assert printed == f"{4 * 64} meta ()"


def test_the_first_count_of_a_process_is_like_the_others():
    """A checkpoint loads modules of PyTorch when it first runs. What they leave is no memory of the model."""
    printed = in_a_new_process(
        """
        from torch import nn
        from torch.utils.checkpoint import checkpoint
        from pytest_modelbudget import measure

        class Checkpointed(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 64), nn.Linear(64, 16)) for _ in "ab")

            def forward(self, x):
                for block in self.blocks:
                    x = x + checkpoint(block, x, use_reentrant=False)
                return x

        for _ in range(3):
            print(measure(Checkpointed, inputs=(64, 16), mode="train", optimizer="none").memory)
        """
    )
    first, *others = printed.split()
    assert others == [first, first]


# ---------------------------------------------------------------------------------------- the default device, until 2.9


def sets_the_default_device():
    torch.set_default_device("meta")
    return nn.Linear(4, 4)


def sets_none():
    torch.set_default_device(None)
    return nn.Linear(4, 4)


@pytest.mark.parametrize("factory", [sets_the_default_device, sets_none])
def test_a_factory_that_sets_the_default_device_ends_no_later_count(factory):
    for _ in range(2):
        assert measure(factory, inputs=(1, 4)).macs == 16
        assert torch.get_default_device() == torch.device("cpu")


def test_a_process_that_set_its_default_device_to_none_can_measure():
    assert (
        in_a_new_process(
            """
            import torch
            from pytest_modelbudget import measure
            torch.set_default_device(None)
            print(measure(torch.nn.Linear(4, 4), inputs=(1, 4)).macs)
            """
        )
        == "16"
    )


# ------------------------------------------------------------------------------------------ the compiler, 2.6 to 2.8


def test_the_compiler_that_a_model_loads_works_afterwards():
    printed = in_a_new_process(
        """
        import torch
        from pytest_modelbudget import measure

        class Loads(torch.nn.Module):
            def forward(self, x):
                import torch._dynamo
                return x @ x

        print(measure(Loads(), inputs=(4, 4)).macs)
        print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist())
        """
    )
    assert printed.split("\n") == ["64", "[2.0, 2.0]"]


# ------------------------------------------------------------------------------------------- ids that are floats


def test_no_largest_point_is_searched_with_ids_that_are_floats(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef build():\n    return nn.Embedding(9, 4)\n", encoding="utf-8"
    )
    assert main(["fit", "net.py:build", "--memory", "1MiB", "--res", "8"]) == 2
    assert "indices' to have one of the following scalar types" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------- traces, until 2.12


class TracesInForward(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.jit.trace(self.layer, x)(x)


LAYERS = {
    "convolution": (lambda: nn.Conv2d(3, 4, 3), 4 * 27 * 36),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3), 3 * 36 * 64),
    "channels last": (lambda: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), 4 * 27 * 36),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", LAYERS)
def test_a_trace_of_a_convolution(name):
    """PyTorch built with CUDA refuses on meta the operator that a trace calls."""
    build, macs = LAYERS[name]
    cost = measure(torch.jit.trace(build(), torch.zeros(1, 3, 8, 8)), inputs=(2, 3, 8, 8))
    assert (cost.macs, cost.executed) == (2 * macs, "meta")


@pytest.mark.parametrize("name", LAYERS)
def test_a_model_that_traces_in_forward_costs_what_it_traces(name):
    build, macs = LAYERS[name]
    trace = torch.jit.trace
    assert measure(TracesInForward(build()), inputs=(2, 3, 8, 8)).macs == 2 * macs
    assert torch.jit.trace is trace


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*RNN module weights.*")
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_factory_that_traces_a_recurrent_layer(kind):
    """PyTorch keeps traced sizes for the next operator; an error in between would spoil every later trace."""

    def traced():
        return torch.jit.trace(kind(8, 8), torch.zeros(5, 4, 8))

    macs = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind] * 2 * 8 * 8 * 5 * 4
    assert measure(traced, inputs=(5, 4, 8)).macs == macs
    assert measure(traced(), inputs=(5, 4, 8)).macs == macs


# ------------------------------------------------------------------------------------------- what PyTorch keeps


def test_the_first_jagged_tensor_of_a_process():
    """PyTorch keeps a tensor from then on, which is none of the model's."""
    in_a_new_process("""
        import torch
        from torch import nn
        from pytest_modelbudget import measure
        class Jagged(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(8, 8)
            def forward(self, x):
                offsets = torch.tensor([0, 3, 5, 8], device=x.device)
                return self.layer(torch.nested.nested_tensor_from_jagged(x, offsets)).values()
        with torch.inference_mode():
            assert measure(Jagged, inputs=(8, 8)).macs == 8 * 8 * 8
        assert measure(Jagged, inputs=(8, 8), mode="train").macs == 2 * 8 * 8 * 8
        Jagged()(torch.ones(8, 8)).sum().backward()
    """)
