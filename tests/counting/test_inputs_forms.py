"""Every form of ``inputs=``, given to a marker: what forward gets, and what it costs."""

from __future__ import annotations

import pytest
from suites import assert_clear, measured, outcomes, properties, run

MODELS = """
import torch
from types import SimpleNamespace
from typing import NamedTuple
from pytest_modelbudget import tensor


class Mel(NamedTuple):
    mel: torch.Tensor


class Speech(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv1d(80, 4, 1, bias=False)

    def forward(self, mel):
        assert mel.dtype == torch.float32
        return self.layer(mel)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 4, bias=False)
        self.right = nn.Linear(5, 4, bias=False)

    def forward(self, left, right=None, scale=1, *, flag=False):
        out = self.left(left)
        if right is not None:
            out = out + self.right(right)
        return out * scale if flag else out


class Holder(Speech):
    def forward(self, data):
        return self.layer(data.mel)


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4, bias=False)

    def forward(self, images):
        return [self.layer(image) for image in images]
"""

SPEECH = 80 * 4  # multiply-adds at each step
LEFT, RIGHT = 3 * 4, 5 * 4  # multiply-adds for each row


@pytest.mark.parametrize(
    ("arguments", "flops"),
    [
        pytest.param("model=Speech, inputs=torch.zeros(2, 80, 7)", 2 * 7 * SPEECH, id="tensor"),
        pytest.param("model=Speech, inputs=torch.zeros(2, 80, 7, device='meta')", 2 * 7 * SPEECH, id="meta tensor"),
        pytest.param("model=Speech, inputs=(2, 80, 7)", 2 * 7 * SPEECH, id="shape of numbers"),
        pytest.param("model=Speech, inputs=('batch', 80, 'seq'), batch=2, seq=7", 2 * 7 * SPEECH, id="shape of names"),
        pytest.param(
            "model=Speech, inputs=('batch', 80, 'seq'), seq=7", 7 * SPEECH, id="batch is 1 where it is needed"
        ),
        pytest.param(
            "model=Pixels, inputs=('batch', 'channels', 'res', 'res'), res=8", 8 * 8 * 12, id="shape of an image"
        ),
        pytest.param(
            "model=Pixels, inputs=('batch', 3, 'res', 'res'), res=(4, 8)", 4 * 8 * 12, id="height, then width"
        ),
        pytest.param("model=Pair, inputs=[(6, 3), (6, 5)]", 6 * (LEFT + RIGHT), id="list of shapes"),
        pytest.param(
            "model=Pair, inputs=[('batch', 3), ('batch', 5)], batch=6", 6 * (LEFT + RIGHT), id="list of names"
        ),
        pytest.param("model=Pair, inputs=(torch.zeros(6, 3),)", 6 * LEFT, id="tuple of one"),
        pytest.param(
            "model=Pair, inputs=(torch.zeros(6, 3), torch.zeros(6, 5))", 6 * (LEFT + RIGHT), id="tuple of tensors"
        ),
        pytest.param("model=Pair, inputs=(torch.zeros(6, 3), None, 2)", 6 * LEFT, id="tuple with plain values"),
        pytest.param(
            "model=Pair, inputs=(('batch', 3), ('batch', 5)), batch=6", 6 * (LEFT + RIGHT), id="tuple of shapes"
        ),
        pytest.param(
            "model=Pair, inputs={'left': torch.zeros(6, 3), 'right': torch.zeros(6, 5), 'scale': 2, 'flag': True}",
            6 * (LEFT + RIGHT),
            id="dict",
        ),
        pytest.param("model=Pair, inputs={'left': ('batch', 3), 'flag': True}, batch=6", 6 * LEFT, id="dict of shapes"),
        pytest.param(
            "model=Stack, inputs=[torch.zeros(2, 3), torch.zeros(5, 3)]", (2 + 5) * LEFT, id="list of tensors"
        ),
        pytest.param("model=Stack, inputs=([torch.zeros(2, 3)],)", 2 * LEFT, id="tuple of a list"),
        pytest.param(
            "model=Speech, inputs=tensor('batch', 80, 'seq'), batch=2, seq=7", 2 * 7 * SPEECH, id="described tensor"
        ),
        pytest.param(
            "model=Tokens, inputs={'ids': tensor(2, 'seq', dtype='int64', high=10)}, seq=7",
            2 * 7 * 4 * 5,
            id="described ids",
        ),
        pytest.param(
            "model=Pair, inputs=((torch.zeros(6, 3),), {'right': tensor(6, 5), 'flag': True})",
            6 * (LEFT + RIGHT),
            id="positional and keywords",
        ),
        pytest.param("model=Holder, inputs=SimpleNamespace(mel=torch.zeros(2, 80, 7))", 2 * 7 * SPEECH, id="object"),
        pytest.param("model=Holder, inputs=Mel(torch.zeros(2, 80, 7))", 2 * 7 * SPEECH, id="named tuple"),
        pytest.param(
            "model=Holder, inputs=Mel(('batch', 80, 7)), batch=2", 2 * 7 * SPEECH, id="named tuple of a shape"
        ),
        pytest.param("model=Speech, inputs=lambda: torch.zeros(2, 80, 7)", 2 * 7 * SPEECH, id="callable"),
        pytest.param(
            "model=Speech, inputs=lambda batch, seq: torch.zeros(batch, 80, seq), batch=2, seq=7",
            2 * 7 * SPEECH,
            id="callable by name",
        ),
        pytest.param(
            "model=Pixels, inputs=lambda res: torch.zeros(1, 3, res, res), res=8", 8 * 8 * 12, id="callable of a square"
        ),
        pytest.param(
            "model=Pixels, inputs=lambda res: torch.zeros(1, 3, *res), res=(4, 8)",
            4 * 8 * 12,
            id="callable of two sides",
        ),
        pytest.param(
            "model=Speech, inputs=lambda seq=9: ('batch', 80, seq), batch=2, seq=7",
            2 * 7 * SPEECH,
            id="callable's default gives way",
        ),
        pytest.param("model=Speech, inputs=lambda seq=9: (1, 80, seq)", 9 * SPEECH, id="callable's default stands"),
        pytest.param(
            "model=Pair, inputs=lambda batch: {'left': torch.zeros(batch, 3)}, batch=6",
            6 * LEFT,
            id="callable to a dict",
        ),
        pytest.param(
            "model=Pair, inputs=lambda batch: [(batch, 3), ('batch', 5)], batch=6",
            6 * (LEFT + RIGHT),
            id="callable to a list of shapes",
        ),
    ],
)
def test_forward_gets_what_inputs_says(pytester, arguments, flops):
    result = run(pytester, f"{MODELS}\n@budget({arguments}, flops='1M')\ndef test_it(): ...")
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [flops]
    assert ("modelbudget.executed", "meta") in properties(result)


def test_the_point_comes_from_parametrize(pytester):
    source = f"""{MODELS}
@pytest.mark.parametrize("seq", [3, 7])
@budget(model=Speech, inputs=("batch", 80, "seq"), batch=2, flops="1M")
def test_it(seq): ...
"""
    assert measured(run(pytester, source)) == [2 * 3 * SPEECH, 2 * 7 * SPEECH]


def test_tensors_of_the_user_keep_their_values_and_dtype(pytester):
    """Token ids stay integers, and inputs that were measured with are unchanged."""
    source = f"""{MODELS}
ids = torch.tensor([[1, 2, 3]])

@budget(model=Tokens, inputs=ids, flops="1M")
def test_it(): ...

def test_after():
    assert ids.tolist() == [[1, 2, 3]]
    assert ids.dtype == torch.int64
"""
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 2}
    assert measured(result) == [3 * 5 * 4]


def test_an_object_of_the_user_is_as_it_was_for_the_next_test(pytester):
    source = f"""{MODELS}
class Grows(Holder):
    def forward(self, data):
        data.seen.append(self.layer(data.mel))
        data.mel = data.seen[-1]
        return len(data.seen) * data.mel

data = SimpleNamespace(mel=torch.ones(2, 80, 7), seen=[])
mel = data.mel

@budget(model=Grows, inputs=(data,), flops="1M")
def test_forward(): ...

@budget(model=Grows, inputs=data, flops="1M", mode="train")
def test_step(): ...

def test_after():
    assert data.mel is mel
    assert float(mel.sum()) == 2 * 80 * 7
    assert data.seen == []
"""
    result = run(pytester, source, "--budget-measure")
    assert outcomes(result) == {"passed": 3}
    assert measured(result) == [2 * 7 * SPEECH, 2 * 2 * 7 * SPEECH]  # forward, and the gradient of the weight


def test_float_inputs_are_made_in_the_dtype_asked_for(pytester):
    source = """
        import torch

        class Strict(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(3, 4)

            def forward(self, values, ids):
                assert values.dtype == self.layer.weight.dtype == torch.bfloat16
                assert ids.dtype == torch.int64
                return self.layer(values)

        @budget(model=Strict, inputs=(torch.zeros(6, 3), torch.zeros(6, dtype=torch.int64)), dtype="bf16", flops="1M")
        def test_it(): ...
    """
    result = run(pytester, source)
    assert outcomes(result) == {"passed": 1}
    assert ("modelbudget.point", "bf16, infer") in properties(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("inputs=('batch', 80, 'sequence'), seq=7", "'sequence' is not a dimension. Allowed: numbers, 'batch', 'res'"),
        ("inputs=('batch', 80, 'sequence'), seq=7", "Did you mean 'seq'?"),
        ("inputs=('batch', 80, 'seq')", "asks for 'seq', which is not given. Add seq=."),
        ("inputs=lambda seq: (1, 80, seq)", "inputs= <lambda>() needs the argument 'seq'. Add seq=."),
        (
            "inputs=lambda length: (1, 80, length)",
            "inputs= <lambda>() needs the argument 'length'. Only 'batch', 'res',",
        ),
        ("inputs=()", "inputs=() cannot be read. Allowed: a tensor, a tuple of arguments,"),
        ("inputs=[]", "inputs=[] cannot be read."),
        ("inputs=7", "inputs=7 cannot be read."),
        ("inputs=lambda: None", "inputs=None cannot be read."),
        ("inputs=(1, 80, -7)", "-7"),
        ("inputs=lambda: 1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_inputs_that_cannot_be_meant_fail_with_the_remedy(pytester, arguments, message):
    result = run(pytester, f"{MODELS}\n@budget(model=Speech, {arguments}, flops='1M')\ndef test_it(): ...")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, message, "test_cost.py:")
