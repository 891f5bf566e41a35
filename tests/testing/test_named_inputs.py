"""What a marker names: fixtures and functions for ``inputs=`` and ``loader=``, and ``args=`` for its model."""

from __future__ import annotations

import pytest
import torchvision.models  # noqa: F401 - pytester forgets what a run loads, and its operators cannot be loaded again
from suites import assert_clear, failure, measured, outcomes, pixels, properties, run, tokens
from transformers import BertConfig, BertModel

FIXTURES = """
    import torch

    class Wide(nn.Module):
        def __init__(self, width, bias: bool = False):
            super().__init__()
            self.layer = nn.Linear(3, width, bias=bias)

        def forward(self, x):
            return self.layer(x)

    @pytest.fixture
    def ids():
        return {"ids": torch.zeros(2, 5, dtype=torch.int64)}

    @pytest.fixture
    def shape(request):
        return ("batch", 3, "res", "res")

    @pytest.fixture
    def loader():
        from torch.utils.data import DataLoader
        return DataLoader([(torch.zeros(3, 4, 4), 1)] * 8, batch_size=2)

    @pytest.fixture
    def net():
        return Wide
"""


@pytest.mark.parametrize(
    ("source", "flops"),
    [
        ("@budget(model=Tokens, inputs='ids', flops='1k')\ndef test_it(): ...", tokens(2, 5)),
        ("@budget(inputs='ids', flops='1k')\ndef test_it():\n    return Tokens()", tokens(2, 5)),
        ("@budget(inputs='ids', flops='1k')\ndef test_it(ids):\n    return Tokens()", tokens(2, 5)),
        ("@budget(model=Pixels, inputs='shape', res=4, batch=3, flops='1k')\ndef test_it(): ...", pixels(3, 4)),
        ("@budget(model=Pixels, loader='loader', flops='1k')\ndef test_it(): ...", pixels(2, 4)),
        ("@budget(model=Pixels, inputs='own.py:inputs', batch=3, flops='1k')\ndef test_it(): ...", pixels(3, 2)),
        ("@budget(model=Pixels, loader='own:loader', batch=3, flops='1k')\ndef test_it(): ...", pixels(3, 2)),
        ("@budget(model=Wide, args={'width': 5}, inputs=(2, 3), flops='1k')\ndef test_it(): ...", 2 * 3 * 5),
        ("@budget(model='net', args={'width': 5}, inputs=(2, 3), flops='1k')\ndef test_it(): ...", 2 * 3 * 5),
        ("@budget(model='own.py:make', args={'width': 6}, inputs=(2, 3), flops='1k')\ndef test_it(): ...", 2 * 3 * 6),
        (
            "@budget(inputs='ids', flops='1k')\nclass TestIt:\n    def test_it(self):\n        return Tokens()",
            tokens(2, 5),
        ),
    ],
)
def test_what_is_named(pytester, source, flops):
    own = """
        import torch
        from torch import nn

        def inputs(batch):
            return torch.zeros(batch, 3, 2, 2)

        def loader(batch):
            return [(inputs(batch), torch.zeros(batch))]

        def make(width: int):
            return nn.Linear(3, width, bias=False)
    """
    pytester.makepyfile(own=own)
    pytester.syspathinsert()
    source = "\n".join(f"    {line}" for line in source.splitlines())
    result = run(pytester, f"{FIXTURES}\n{source}")
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [flops]


def test_a_fixture_is_parametrized(pytester):
    source = """
        import torch

        @pytest.fixture(params=[4, 6])
        def ids(request):
            return torch.zeros(1, request.param, dtype=torch.int64)

        @budget(model=Tokens, inputs="ids", flops="1k")
        def test_it(): ...
    """
    result = run(pytester, source)
    assert measured(result) == [tokens(1, 4), tokens(1, 6)]


def test_a_default_is_set_up_only_where_it_holds(pytester):
    source = """
        @pytest.fixture
        def broken():
            raise LookupError("not set up")

        @budget(inputs="broken")
        class TestAll:
            @budget(inputs=("batch", 3, 2, 2), flops="1k")
            def test_it(self):
                return Pixels()
    """
    assert outcomes(run(pytester, source)) == {"passed": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("model=Tokens, inputs='idz'", "fixture 'idz' not found"),
        ("model=Tokens, inputs=''", "inputs='' names nothing. Allowed: the name of a fixture, 'path/file.py:function'"),
        ("model=Tokens, loader='ids', inputs='ids'", "Both inputs= and loader= are given. Leave one out"),
        ("model=Tokens, inputs='own.py:nothing'", "There is no file "),
        ("model=Tokens, inputs='nothing.at:all'", "nothing.at does not import: ModuleNotFoundError"),
        (
            "model=Tokens, seq=5, args=3",
            "args=3 is not a mapping from names to values, such as args={'num_classes': 10}",
        ),
        ("model=Tokens, seq=5, args={'a b': 1}", "args={'a b': 1} is not a mapping from names to values"),
        ("model=Tokens, seq=5, args={'width': 1}", "args: Tokens() takes no argument 'width'. It takes no arguments."),
        (
            "model=Wide, inputs=(2, 3), args={'widht': 1}",
            "no argument 'widht'. Did you mean 'width'? Allowed: width, bias.",
        ),
        (
            "model=Wide, inputs=(2, 3), args={'width': 1, 'bias': 1}",
            "bias=1 is not what Wide() takes. Allowed: true or",
        ),
        ("model=Wide(4), inputs=(2, 3), args={'width': 1}", "here is a Wide that is built already. Give its class"),
        ("inputs=(2, 3), args={'width': 1}", "args= are for what builds the model, and here the test gives one"),
        (
            "model=Wide, inputs=(2, 3)",
            "the factory Wide() needs the argument 'width'. Only 'batch', 'res', 'channels',",
        ),
        ("model=Wide, inputs=(2, 3)", "the rest as args={'width': ...} (--arg width=...), functools.partial("),
        (
            "model='timmm:resnet10t'",
            "timmm does not import: ModuleNotFoundError: No module named 'timmm'. Did you mean",
        ),
    ],
)
def test_what_cannot_be_meant(pytester, arguments, message):
    source = f"{FIXTURES}\n    @budget(flops='1k', {arguments})\n    def test_it():\n        return Pixels()"
    if "model=" in arguments:
        source = source.replace("\n        return Pixels()", " ...")
    assert_clear(run(pytester, source), message)


def test_a_model_of_transformers_is_recorded_and_compared(pytester):
    """One layer more, and the message says so: its configuration is read at each run."""
    small = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "vocab_size": 50}
    assert BertModel.config_class is BertConfig  # loaded before the runs
    BertConfig(num_hidden_layers=1, **small).save_pretrained(str(pytester.path / "bert"))
    source = """
        @budget(model="hf:bert", seq=16)
        def test_it(): ...
    """
    assert outcomes(run(pytester, source, "--budget-update")) == {"passed": 1}
    assert outcomes(run(pytester, source)) == {"passed": 1}
    BertConfig(num_hidden_layers=2, **small).save_pretrained(str(pytester.path / "bert"))
    text = failure(run(pytester, source))
    assert "architecture" in text
    assert "encoder.layer" in text


def test_the_fixture_takes_targets(pytester):
    source = """
        def test_it(model_cost):
            assert model_cost("own.py:make", args={"width": 5}, inputs=(2, 3)).macs == 30
    """
    pytester.makepyfile(own="from torch import nn\ndef make(width): return nn.Linear(3, width)\n")
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert any(value == "30" for name, value in properties(result) if name.endswith(".macs"))
