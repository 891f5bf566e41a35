"""``modelbudget count``: its text, its JSON, a marker that passes when it is pasted, and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import timm
import torch
import torchvision.models
from cli.counted import cost
from suites import MODELS, measured, outcomes, pixels, tokens

from pytest_modelbudget import __version__, measure
from pytest_modelbudget.cli.command import main
from pytest_modelbudget.targets.find import find_target


@pytest.fixture
def models(pytester):
    """``models.py`` in an empty folder, which is where the command is called; what it loads is forgotten after."""
    pytester.makepyfile(models=MODELS)
    return pytester.path


def test_the_text(models, capsys):
    """3 * 4 multiply-adds for each of 8 * 8 pixels, 12 weights of 4 bytes, 4 * 8 * 8 outputs.

    Alive at once: 48 bytes of weights, 3 * 64 * 4 of inputs, 4 * 64 * 4 of outputs; 1840, which is 1.797 KiB.
    """
    assert main(["count", "models.py:Pixels", "--res", "8"]) == 0
    assert (
        capsys.readouterr().out
        == """\
Pixels at batch 1, res 8, infer. FLOPs as fvcore counts them: 1 multiply-add = 1.

flops             768 FLOPs
macs               768 MACs
params                   12
trainable_params         12
activations             256
weights                48 B
memory             1.80 KiB

module    class      FLOPs    params    activations    share
Pixels    Pixels       768        12            256    100 %
  layer   Conv2d       768        12            256    100 %

peak memory 1.80 KiB, in forward, in layer
    weights       48 B   3 %
    inputs       768 B  42 %
    activations  1 KiB  56 %
kept by  layer  Conv2d  1 KiB
fits on  8 GiB (RTX 4060) and larger: 8 GiB left for CUDA itself and fragmentation

A marker that passes at this cost:

@budget(model=Pixels, flops="768", params="12", memory="1.80KiB", batch=1, res=8)
def test_pixels_cost(): ...
"""
    )


@pytest.mark.parametrize(
    ("arguments", "flops", "point"),
    [
        (["models.py:Pixels", "--res", "8"], pixels(1, 8), "batch 1, res 8, infer"),
        (["models:Pixels", "--res", "8"], pixels(1, 8), "batch 1, res 8, infer"),
        (["./models.py:Pixels", "--res", "4x8", "--batch", "3"], pixels(3, 4, 8), "batch 3, res 4x8, infer"),
        (["models.py:Pixels", "--res", "4X8"], pixels(1, 4, 8), "batch 1, res 4x8, infer"),
        (["models.py:Tokens", "--seq", "5"], tokens(1, 5), "batch 1, seq 5, infer"),
        (["models.py:Tokens", "--seq", "5", "--batch", "2"], tokens(2, 5), "batch 2, seq 5, infer"),
        (["models.py:Pixels", "--inputs", "batch,3,res,res", "--res", "8"], pixels(1, 8), "batch 1, res 8, infer"),
        (["models.py:Pixels", "--inputs", "2,3,8, 4"], pixels(2, 8, 4), "infer"),
        (["models.py:Pixels", "--res", "8", "--dtype", "bf16"], pixels(1, 8), "batch 1, res 8, bf16, infer"),
        (["models.py:Pixels", "--res", "8", "--convention", "torch"], 2 * pixels(1, 8), "batch 1, res 8, infer"),
        (["models.py:Pixels", "--res", "8", "--counter", "fvcore"], pixels(1, 8), "batch 1, res 8, infer"),
    ],
)
def test_targets_and_operating_points(models, capsys, arguments, flops, point):
    found = cost(capsys, *arguments)
    assert (found.flops, str(found.point)) == (flops, point)


def test_several_inputs(models, capsys):
    (models / "pair.py").write_text("from torch import nn\n\n\ndef make():\n    return nn.Bilinear(3, 4, 5)\n")
    found = cost(capsys, "pair.py:make", "--inputs", "batch,3", "--inputs", "batch,4", "--batch", "7")
    assert found.inputs == "float32 (7, 3), float32 (7, 4)"
    assert found.params == 3 * 4 * 5 + 5


def test_json_is_the_whole_cost(models, capsys):
    counted = measure(find_target("models.py:Pixels").model, batch=1, res=8)
    assert cost(capsys, "models.py:Pixels", "--res", "8") == counted


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_depth(models, capsys, depth):
    assert main(["count", "models.py:Tokens", "--seq", "5", "--depth", str(depth)]) == 0
    rows = re.findall(r"^ *(Tokens|embed|head) .* %$", capsys.readouterr().out, re.MULTILINE)
    assert rows == ["Tokens", "embed", "head"][: 1 if depth == 0 else 3]


def marker(capsys, *arguments):
    """The marker at the end of the text, as it stands there, and what is said of it."""
    assert main(["count", *arguments]) == 0
    *_, said, code = capsys.readouterr().out.split("\n\n")
    return said, code


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["models.py:Pixels", "--res", "224"], {}),
        (["models.py:Pixels", "--res", "101x37", "--batch", "7"], {}),
        (["models.py:Tokens", "--seq", "12345"], {}),
        (["models.py:Pixels", "--inputs", "batch,3,50,res", "--res", "9", "--batch", "3"], {}),
        (["models.py:Row", "--inputs", "3"], {}),
        (["models.py:Pair", "--inputs", "batch,3", "--inputs", "5,4", "--batch", "5"], {}),
        (["models.py:Pixels", "--res", "77", "--dtype", "bf16"], {}),
        (["models.py:Gray", "--res", "77", "--channels", "1"], {}),
        (["models.py:Norm", "--res", "33", "--convention", "torch"], {"budget_flops": "torch"}),
        (["models.py:Pixels", "--res", "33", "--convention", "torch"], {"budget_flops": "torch"}),
        (["models.py:Pixels", "--res", "33", "--counter", "fvcore"], {"budget_counter": "fvcore"}),
        (["models.py:Free", "--res", "33"], {}),
        (["models.py:Outer.Inner", "--res", "33"], {}),
        (["models.py:instance", "--res", "33"], {}),
        (["torchvision:squeezenet1_1"], {}),
        (["timm:resnet10t"], {}),
    ],
    ids=lambda value: " ".join(value) or "as it is",
)
def test_the_marker_passes_when_it_is_pasted(models, pytester, capsys, arguments, settings):
    more = """
class Row(nn.Linear):
    def __init__(self):
        super().__init__(3, 4)

class Pair(nn.Bilinear):
    def __init__(self):
        super().__init__(3, 4, 5)

class Gray(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 5, 3)

class Norm(nn.BatchNorm2d):
    def __init__(self):
        super().__init__(3)

class Free(nn.ReLU): ...

class Outer:
    class Inner(Pixels): ...

instance = Pixels()
"""
    if arguments[0].startswith("models"):
        (models / "models.py").write_text(MODELS + more, encoding="utf-8")
    imports = {"torchvision": "from torchvision.models import *", "timm": "import timm"}
    said, code = marker(capsys, *arguments)
    assert said == "A marker that passes at this cost" + "".join(f" with {k} = {v}" for k, v in settings.items()) + ":"
    pytester.makepyfile(models=MODELS + more)
    pytester.makepyfile(
        test_pasted=f"{imports.get(arguments[0].partition(':')[0], 'from models import *')}\n"
        f"from pytest_modelbudget import budget\n\n\n{code}"
    )
    pytester.makeini("[pytest]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert outcomes(result) == {"passed": 1}
    assert len(measured(result)) == 1


@pytest.mark.parametrize(
    ("target", "name"), [("torchvision:resnet18", "resnet18"), ("torchvision:vit_b_16", "vit_b_16")]
)
def test_torchvision_counts_what_it_publishes(capsys, target, name):
    """At 224, without being told; ``_ops`` is in units of 1e9 with three decimals."""
    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    found = cost(capsys, target)
    assert found.params == published["num_params"]
    assert round(found.macs / 1e9, 3) == published["_ops"]
    assert str(found.point) == "batch 1, res 224, infer"


def test_timm_counts_at_the_resolution_of_its_configuration(capsys):
    """176 for training, which is what this one is configured for."""
    size = timm.get_pretrained_cfg("resnet10t").input_size
    found = cost(capsys, "timm:resnet10t")
    assert found.point.res == tuple(size[1:])
    assert found.params == sum(p.numel() for p in timm.create_model("resnet10t").parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["models.py"],
            "'models.py' is not a TARGET. Allowed: package.module:factory, path/file.py:factory, torchvision",
        ),
        (["models.py:"], "'models.py:' is not a TARGET."),
        ([":Pixels"], "':Pixels' is not a TARGET."),
        (["nowhere.py:Pixels"], "There is no file nowhere.py."),
        (["nowhere.at.all:Pixels"], "nowhere.at.all does not import: ModuleNotFoundError: No module named 'nowhere'"),
        (["models.py:Pixel"], "models.py has no 'Pixel'. Did you mean 'Pixels'?"),
        (["models:Pixel"], "models has no 'Pixel'. Did you mean 'Pixels'?"),
        (["models.py:Pixels.layer.weight"], "models.py has no 'Pixels.layer.weight'."),
        (["models.py:__name__"], "models.py:__name__ is a str. A TARGET is a factory or an nn.Module."),
        (["broken.py:Net"], "broken.py does not import: ZeroDivisionError: division by zero"),
        (["syntax.py:Net"], "syntax.py does not import: SyntaxError:"),
        (["script.py:Net"], "script.py does not import: SystemExit: 0"),
        (["broken:Net"], "broken does not import: ZeroDivisionError: division by zero"),
        (
            ["factories.py:needs"],
            "the factory needs() needs the argument 'width'. Only 'batch', 'res', 'channels', 'seq'",
        ),
        (["factories.py:raises"], "raises() raised LookupError: no such weights"),
        (["factories.py:seven"], "seven() returned a value of type int, not an nn.Module."),
        (["models.py:Pixels"], "There are no inputs"),
        (["models.py:Pixels", "--res", "8", "--seq", "8"], "Both res= and seq= are given, and no inputs="),
        (["torch.nn:Module", "--res", "8"], "The model raised NotImplementedError"),
        (["models.py:Pixels", "--seq", "8"], "The model raised RuntimeError in module 'layer' (Conv2d)"),
        (["models.py:Pixels", "--res", "0"], "res=0 is not a whole number above zero."),
        (["models.py:Pixels", "--res", "large"], "res='large': 'large' is not a whole number. Write 224, "),
        (["models.py:Pixels", "--res", "8x"], "res='8x': '' is not a whole number."),
        (["models.py:Pixels", "--res", "8x8x8"], "res='8x8x8': '8x8x8' is neither one number nor HEIGHTxWIDTH."),
        (["models.py:Pixels", "--res", "8,16"], "res='8,16' has 2 values, and one is looked at here."),
        (["models.py:Pixels", "--batch", "two"], "batch='two': 'two' is not a whole number."),
        (["models.py:Pixels", "--channels", "1.5"], "channels='1.5': '1.5' is not a whole number."),
        (["models.py:Pixels", "--res", "8", "--batch", "0"], "batch=0 is not a whole number above zero."),
        (["models.py:Pixels", "--res", "8", "--batch", "-2"], "batch=-2 is not a whole number above zero."),
        (["models.py:Pixels", "--res", "8", "--depth", "-1"], "--depth -1 is negative."),
        (["models.py:Pixels", "--res", "8", "--dtype", "int8"], "dtype='int8' is not a floating dtype."),
        (["models.py:Pixels", "--res", "8", "--mode", "trian"], "mode='trian' is not a mode."),
        (["models.py:Pixels", "--inputs", "batch,3,side"], "'side' is not a dimension."),
        (["models.py:Pixels", "--inputs", ""], "'' is not a shape. Write such as batch,80,seq"),
        (
            ["models.py:Pixels", "--res", "8", "--convention", "torch", "--counter", "fvcore"],
            "counter='fvcore' counts in the convention 'fvcore' only",
        ),
        (["torchvision:resnet19"], "torchvision has no model 'resnet19'. Did you mean 'resnet1"),
        (["timm:resnet19"], "timm has no model 'resnet19'. Did you mean '"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_one_message_and_exit_code_2(models, capsys, arguments, message):
    (models / "broken.py").write_text("1 / 0\n")
    (models / "syntax.py").write_text("def\n")
    (models / "script.py").write_text("raise SystemExit(0)\n")
    (models / "factories.py").write_text(
        "def needs(width): ...\n\ndef raises():\n    raise LookupError('no such weights')\n\n"
        "def seven():\n    return 7\n"
    )
    assert main(["count", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("modelbudget: ")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["cuont"], "invalid choice: 'cuont'"),
        (["count"], "the following arguments are required: TARGET"),
        (["count", "models.py:Pixels", "--convention", "tourch"], "argument --convention: invalid choice: 'tourch'"),
        (["count", "models.py:Pixels", "--counter", "hand"], "argument --counter: invalid choice: 'hand'"),
        (["count", "models.py:Pixels", "--bat", "2"], "unrecognized arguments: --bat 2"),
    ],
)
def test_wrong_usage_is_argparses_message_and_exit_code_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--version"], f"modelbudget {__version__}"), (["count", "--help"], "path/file.py:factory")],
)
def test_help_and_version(capsys, arguments, text):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert text in capsys.readouterr().out


@torch.library.custom_op("modelbudget_tests::riddle", mutates_args=())
def riddle(values: torch.Tensor) -> torch.Tensor:
    return values.clone()


riddle.register_fake(torch.empty_like)


def test_operators_that_nobody_counts_are_named_and_the_marker_says_what_it_needs(models, capsys):
    (models / "riddle.py").write_text(
        "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, image):\n"
        "        return torch.ops.modelbudget_tests.riddle(image)\n"
    )
    assert main(["count", "riddle.py:Net", "--res", "8"]) == 0
    out = capsys.readouterr().out
    assert "modelbudget_tests::riddle: 1 call, in the model itself" in out
    assert "A marker that passes at this cost with budget_unknown_ops = warn:" in out
    assert 'flops="0"' not in out  # which would be a budget that can never fail


def test_the_command_is_installed(models):
    """In its own process, as people call it, with the exit codes they get."""
    command = [sys.executable, "-m", "pytest_modelbudget.cli", "count", "models.py:Pixels"]
    fine = subprocess.run([*command, "--res", "8"], capture_output=True, text=True, cwd=models, check=False)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout.startswith("Pixels at batch 1, res 8, infer.")
    wrong = subprocess.run(command, capture_output=True, text=True, cwd=models, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("modelbudget: There are no inputs")
