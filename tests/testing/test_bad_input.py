"""What cannot be meant: one clear message each, at collection where it can be known there, and no traceback of ours."""

from __future__ import annotations

from textwrap import dedent

import pytest
from releases import SAYS_SO
from suites import HEADER, MODELS, assert_clear, measured, outcomes, run

ALLOWED = "model, batch, res, channels, seq, dtype, mode"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("flop='1M'", "'flop' is not an argument of budget(). Did you mean 'flops'?"),
        ("flop='1M'", f"Allowed: {ALLOWED}"),
        ("param='1M'", "'param' is not an argument of budget(). Did you mean 'params'?"),
        ("resolution=224", "'resolution' is not an argument of budget()."),
        ("batch_size=2", "'batch_size' is not an argument of budget(). Did you mean 'batch'?"),
        ("xyzzy=1", f"'xyzzy' is not an argument of budget(). Allowed: {ALLOWED}"),
        ("'4.2G'", "budget('4.2G'): arguments are keywords. Write flops=, params=, model=, ..."),
        ("1, 2", "budget(1, 2): arguments are keywords."),
        ("flops='4.2X'", "flops='4.2X': 'X' is not a unit of flops. Allowed: k, M, G, T, P, alone or before 'FLOPs'."),
        ("flops='4.2 GMACs'", "flops='4.2 GMACs': 'GMACs' is not a unit of flops."),
        (
            "flops='lots'",
            'flops=\'lots\' is not a quantity. Write a number and a unit, such as "4.2G" or "4.2 GFLOPs".',
        ),
        ("flops=''", "flops='' is not a quantity."),
        ("weights='5 GiBit'", "weights='5 GiBit': 'GiBit' is not a unit of bytes. Allowed: B, kB, MB, GB, TB"),
        ("params='26 GB'", "params='26 GB': 'GB' is not a unit of params."),
        ("flops=-1", "flops=-1 is negative. A limit is zero or more."),
        ("flops='-4.2G'", "flops='-4.2G' is negative."),
        ("flops=float('nan')", "flops=nan is not a finite number. Leave the limit out to have none."),
        ("flops=float('inf')", "flops=inf is not a finite number."),
        ("flops='nan'", "flops='nan' is not a quantity."),
        ("flops='1e99'", "flops='1e99' is larger than anything that can be counted."),
        ("flops='1e1000000000'", "flops='1e1000000000' is larger than anything that can be counted."),
        ("flops=10**5000", "is larger than anything that can be counted."),
        ("flops=True", 'flops=True is a bool. Write a number or a text such as "4.2G" or "4.2 GFLOPs".'),
        ("flops=['4.2G']", "flops=['4.2G'] is a list."),
        ("params=1 + 2j", "params=(1+2j) is a complex."),
        ("flops=1, batch=0", "batch=0 is not a whole number above zero."),
        ("flops=1, batch='8'", "batch='8' is not a whole number above zero."),
        ("flops=1, batch=True", "batch=True is not a whole number above zero."),
        ("flops=1, res=-224", "res=-224 is not a whole number above zero."),
        ("flops=1, res=22.4", "res=22.4 is not a whole number above zero."),
        ("flops=1, res=(1, 2, 3)", "res=(1, 2, 3) is neither one number nor (height, width)."),
        ("flops=1, res=(224,)", "res=(224,) is neither one number nor (height, width)."),
        ("flops=1, res='wide'", "res='wide' is neither one number nor (height, width)."),
        ("flops=1, res='0x224'", "res=0 is not a whole number above zero."),
        ("flops=1, seq=0", "seq=0 is not a whole number above zero."),
        ("flops=1, res=8, channels=0", "channels=0 is not a whole number above zero."),
        ("flops=1, dtype='int8'", "dtype='int8' is not a floating dtype. Allowed: 'fp32', 'fp16', 'bf16', 'fp64'"),
        ("flops=1, dtype='bf61'", "dtype='bf61' is not a floating dtype."),
        ("flops=1, mode='trian'", "mode='trian' is not a mode. Allowed: 'infer', 'train'. Did you mean 'train'?"),
        (
            "flops=1, model=3",
            "model=3 is a int. Allowed: a factory, an nn.Module, the name of a fixture, or a TARGET such as",
        ),
        ("flops=1, module=4", "module=4 is not the name of a submodule, such as 'layer4'."),
        ("flops=1, name=''", "name='' is not a name."),
        ("memory='3 GFLOPs'", "memory='3 GFLOPs': 'GFLOPs' is not a unit of bytes. Allowed: B, kB, MB"),
        ("memory='1 GiB', module='layer'", "memory= is a limit on the whole model, and here is module='layer'"),
        ("flops=1, mode='training'", "mode='training' is not a mode. Allowed: 'infer', 'train'. Did you mean 'train'?"),
        ("flops=1, optimizer='adamw'", "optimizer= is for a training step. Add mode='train'"),
        ("flops=1, loss=sum", "loss= is for a training step. Add mode='train'"),
        ("flops=1, mode='train', loss='mse'", "loss='mse' is not a loss. Allowed: a callable"),
        ("flops=1, mode='train', optimizer='adamv'", "optimizer='adamv' is not an optimizer. Allowed: 'none', 'sgd'"),
        ("flops=1, mode='train', optimizer='adamv'", "Did you mean 'adam"),
        ("flops=1, mode='train', optimizer=3", "optimizer=3 is not an optimizer"),
        ("flops=1, amp='fp32'", "amp='fp32' is not a dtype of autocast. Allowed: 'bf16', 'fp16'."),
        ("flops=1, amp='int8'", "amp='int8' is not a floating dtype"),
        ("flops=1, attention='flash'", "attention='flash' is not a way to keep attention. Allowed: 'fused'"),
        ("flops=1, name=7", "name=7 is not a name."),
        ("scaling=2", "scaling=2 is not a mapping such as"),
        ("scaling={}", "scaling={} is not a mapping such as"),
        ("scaling={'resolution': 2}", "'resolution' is not what something grows with. Allowed: 'batch', 'res', 'seq'"),
        ("scaling={'parms': 0}", "Did you mean 'params'?"),
        ("scaling={'res': -1}", "-1 is not an exponent"),
        ("scaling={'res': '2'}", "'2' is not an exponent"),
        ("scaling={'res': True}", "True is not an exponent"),
        ("scaling={'res': float('nan')}", "nan is not an exponent"),
        ("scaling={'res': 1.234}", "1.234 is not an exponent"),
        ("scaling={'res': 99}", "99 is not an exponent"),
    ],
)
def test_a_wrong_argument_is_a_collection_error_that_names_the_test(pytester, arguments, message):
    result = run(pytester, f"@budget({arguments})\ndef test_it():\n    return Pixels()")
    assert outcomes(result) == {"errors": 1}
    assert result.ret == pytest.ExitCode.INTERRUPTED  # 2
    assert_clear(result, "test_cost.py::test_it: ", message)


def test_every_wrong_test_of_a_file_is_named_at_once(pytester):
    source = """
        @budget(flop=1)
        def test_a(): ...

        @budget(flops=1, batch=0)
        @pytest.mark.parametrize("res", [4, 8])
        def test_b(res): ...
    """
    result = run(pytester, source)
    assert_clear(result, "test_cost.py::test_a: 'flop'", "test_b[4]: batch=0", "test_b[8]: batch=0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "no limits and no baseline: this budget could never fail."),
        ("model=Pixels, res=8", "no limits and no baseline: this budget could never fail."),
        ("model=Pixels, res=8", 'flops="768", params="12"'),
        ("model=Pixels, flops=1", "There are no inputs: give res=224 (one image tensor), seq=128"),
        ("model=Pixels, flops=1, batch=2", "There are no inputs"),
        (
            "model=Pixels, flops=1, res=8, seq=8",
            "Both res= and seq= are given, and no inputs=: say what the model takes",
        ),
        ("model=Tokens, flops=1, inputs=(1, 8)", "The model raised RuntimeError in module 'embed' (Embedding)"),
        ("model=Tokens, flops=1, inputs=(1, 8)", "This is the model's own error, at infer; forward was given: float32"),
        ("model=Pixels, flops=1, seq=8", "The model raised RuntimeError in module 'layer' (Conv2d)"),
        ("model=Pixels, flops=1, res=8, channels=1", "forward was given: float32 (1, 1, 8, 8)."),
        (
            "model=lambda: nn.Conv2d(3, 4, 7), flops=1, res=4",
            "Kernel size can't be greater than actual input size" if SAYS_SO else "-2, -2]",
        ),
        ("model=broken_factory, flops=1, res=8", "broken_factory() raised LookupError: no such weights"),
        ("model=needy_factory, flops=1, res=8", "the factory needy_factory() needs the argument 'width'."),
        ("model=needy_factory, flops=1, res=8", "functools.partial(..., width=...) or a lambda."),
        ("model=asks_for_seq, flops=1, res=8", "the factory asks_for_seq() needs the argument 'seq'. Add seq=."),
        ("model=lambda: 7, flops=1, res=8", "<lambda>() returned a value of type int, not an nn.Module."),
        ("model=lambda: Pixels, flops=1, res=8", "<lambda>() returned a value of type type, not an nn.Module."),
        ("model=lambda: None, flops=1, res=8", "returned a value of type NoneType, not an nn.Module."),
        ("model=nn.Identity, flops='1M', res=8", "measured nothing: flops of the model came to 0"),
        ("model=nn.Identity, macs='1M', res=8", "measured nothing: macs of the model came to 0"),
        ("model=nn.Identity, activations='1M', res=8", "measured nothing: activations of the model came to 0"),
        ("model=nn.Identity, flops=0, res=8", "measured nothing: flops of the model came to 0"),
        ("model=Broken, flops='1M', res=8", "The model raised ValueError in module 'inner' (Inner): wrong on purpose"),
        ("model=Broken, flops='1M', res=8", "in forward: raise ValueError("),
        (
            "model=Broken, flops='1M', res=8",
            "This is the model's own error, at batch 1, res 8, infer; forward was given: float32",
        ),
        ("model=nn.Module, flops='1M', res=8", "The model raised NotImplementedError"),
        ("model=Pixels, flops='1M', res=8, module='nope'", "module='nope' is not in the model. Its modules: layer."),
        (
            "model=nn.Identity, flops='1M', res=8, module='nope'",
            "module='nope' is not in the model. It has no submodules.",
        ),
    ],
)
def test_what_measuring_finds_wrong_fails_the_test(pytester, arguments, message):
    source = f"""
        def broken_factory():
            raise LookupError("no such weights")

        def needy_factory(width):
            return Pixels()

        def asks_for_seq(seq):
            return Pixels()

        class Inner(nn.Module):
            def forward(self, image):
                raise ValueError("wrong on purpose")

        class Broken(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Inner()

            def forward(self, image):
                return self.inner(image)

        @budget({arguments})
        def test_it(): {"return Pixels()" if "model" not in arguments else "..."}
    """
    if not arguments:
        source = source.replace("@budget()", "@budget(res=8)")
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert_clear(result, message, "test_cost.py:")


def test_a_marker_without_parentheses_has_no_limits(pytester):
    result = run(pytester, "@budget\ndef test_it():\n    return Pixels()")
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "There are no inputs")


def test_the_error_of_a_returned_model_is_blamed_on_its_own_line(pytester):
    source = """
        class Narrow(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(7, 2)

            def forward(self, image):
                return self.head(image.flatten(1))

        @budget(flops="1M", res=8)
        def test_it():
            return Narrow()
    """
    result = run(pytester, source)
    assert outcomes(result) == {"failed": 1}
    assert_clear(
        result,
        "The model raised RuntimeError in module 'head' (Linear): ",
        "test_cost.py:12: in forward: return self.head(image.flatten(1))",
        "forward was given: float32 (1, 3, 8, 8).",
    )
    assert measured(result) == []


def test_a_callable_for_inputs_from_elsewhere_that_raises(pytester):
    pytester.makepyfile(helpers="def make_inputs():\n    raise LookupError('no clip')\n")
    result = run(
        pytester, "import helpers\n@budget(model=Pixels, inputs=helpers.make_inputs, flops=1)\ndef test_it(): ..."
    )
    assert outcomes(result) == {"failed": 1}
    assert_clear(result, "LookupError: no clip", "test_cost.py:")


def test_a_suite_that_turns_warnings_into_errors_can_have_budgets(pytester):
    """In its own process: some libraries warn only when they are first loaded."""
    source = """
        @budget(model=Pixels, flops="1M", res=8)
        def test_named(): ...

        @budget(flops="1M", res=8)
        def test_returned():
            return nn.Sequential(Pixels(), nn.Dropout(), nn.BatchNorm2d(4))

        def test_fixture(model_cost):
            assert model_cost(Pixels, res=8).flops == 768
            assert model_cost(Pixels, res=8, counter="fvcore").flops == 768
    """
    pytester.makepyfile(models=MODELS, test_cost=HEADER + dedent(source))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    assert outcomes(result) == {"passed": 3}
