"""``--inputs`` and ``--arg`` of the commands: tensors of any dtype, by position and by name, functions, factories."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cli.counted import cost
from suites import outcomes

from pytest_modelbudget.cli.command import main

NETS = """
import torch
from torch import nn


class Masked(nn.Module):
    def __init__(self, width: int = 8, bias: bool = False):
        super().__init__()
        self.embed = nn.Embedding(100, 8)
        self.net = nn.Linear(8, width, bias=bias)

    def forward(self, ids, mask):
        return self.net(self.embed(ids)) * mask[..., None]


def needs(width: int, depth: int = 1):
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(depth)))


def both(batch, seq):
    return {"ids": torch.zeros(batch, seq, dtype=torch.int64), "mask": torch.ones(batch, seq)}


class Three(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.layer = nn.Linear(of, 2)

    def forward(self, x):
        return self.layer(x)
"""


@pytest.fixture
def nets(pytester):
    pytester.makepyfile(nets=NETS)
    return pytester.path


BOTH = "int64 (2, 16), int64 (2, 16)"


@pytest.mark.parametrize(
    ("inputs", "given"),
    [
        (["batch,seq", "batch,seq"], BOTH),
        (["batch,seq:int64", "batch,seq:fp32"], "int64 (2, 16), float32 (2, 16)"),
        ([" batch, seq : int32", "2,seq"], "int32 (2, 16), float32 (2, 16)"),
        (["ids=batch,seq:int64", "mask=batch,seq:bool"], "ids=int64 (2, 16), mask=bool (2, 16)"),
        (["mask=batch,seq:float32", "ids=batch,seq"], "mask=float32 (2, 16), ids=int64 (2, 16)"),
        (["batch,seq:long", "mask=batch,seq:half"], "int64 (2, 16), mask=float16 (2, 16)"),
        (["nets.py:both"], "ids=int64 (2, 16), mask=float32 (2, 16)"),
    ],
)
def test_inputs_of_ids_and_a_mask(nets, capsys, inputs, given):
    """At each of 2 * 16 tokens, 8 outputs of 8 multiply-adds."""
    flags = [flag for text in inputs for flag in ("--inputs", text)]
    found = cost(capsys, "nets.py:Masked", "--seq", "16", "--batch", "2", *flags)
    assert (found.inputs, found.macs) == (given, 2 * 16 * 8 * 8)


def test_a_single_number_and_a_module_by_its_dots(nets, capsys):
    (nets / "pkg").mkdir()
    (nets / "pkg" / "made.py").write_text("def inputs(batch):\n    return (batch, 8)\n")
    assert cost(capsys, "nets.py:needs", "--arg", "width=8", "--inputs", "pkg.made:inputs").macs == 64
    (nets / "scale.py").write_text(
        "from torch import nn\nclass Scale(nn.Linear):\n    def forward(self, x, by):\n"
        "        return super().forward(x) * by\ndef make():\n    return Scale(8, 8)\n"
    )
    found = cost(capsys, "scale.py:make", "--inputs", "3,8", "--inputs", ":int64")
    assert found.inputs == "float32 (3, 8), int64 ()"


@pytest.mark.parametrize(
    "inputs",
    [
        ["batch,seq", "batch,seq"],
        ["ids=batch,seq:int64", "mask=batch,seq"],
        ["batch,seq:int64", "mask=batch,seq:fp32"],
        ["nets.py:both"],
    ],
)
@pytest.mark.parametrize("args", [[], ["--arg", "width=5", "--arg", "bias=true"]])
def test_the_marker_passes_when_it_is_pasted(nets, pytester, capsys, inputs, args):
    flags = [flag for text in inputs for flag in ("--inputs", text)]
    assert main(["count", "nets.py:Masked", "--seq", "16", *flags, *args]) == 0
    marker = capsys.readouterr().out.split("\n\n")[-1]
    assert ("args={" in marker) == bool(args)
    test = f"from nets import Masked\nfrom pytest_modelbudget import budget, tensor\n\n{marker}\n"
    pytester.makepyfile(test_pasted=test)
    pytester.syspathinsert()
    assert outcomes(pytester.runpytest_inprocess("-p", "no:cacheprovider")) == {"passed": 1}


def test_arguments_of_a_factory_in_every_command(nets, capsys):
    assert cost(capsys, "nets.py:needs", "--arg", "width=8", "--arg", "depth=3", "--inputs", "5,8").macs == 3 * 5 * 64
    options = ["--arg", "width=8", "--inputs", "batch,8"]
    assert main(["sweep", "nets.py:needs", *options, "--batch", "1,2", "--json", "grid.json", "--metrics", "macs"]) == 0
    cells = json.loads((nets / "grid.json").read_text())
    assert [cell["values"]["macs"] for cell in cells["cells"]] == [64, 128]
    assert main(["fit", "nets.py:needs", *options, "--macs", "640"]) == 0
    assert "macs: 704 at batch 11" in capsys.readouterr().out
    assert main(["init", "nets", "--arg", "of=3", "--arg", "width=8", "--inputs", "batch,8"]) == 0
    table = (nets / "modelbudget.toml").read_text()
    assert 'model = "nets:needs"\nargs = { width = 8 }\n' in table
    assert main(["check"]) == 0


def test_init_of_one_target(nets, capsys, pytester):
    assert main(["init", "nets.py:needs", "--arg", "width=8", "--inputs", "batch,8"]) == 0
    capsys.readouterr()
    assert main(["check"]) == 0
    assert main(["init", "nets.py:needs", "--arg", "width=8", "--inputs", "batch,8", "--tests", "test_nets.py"]) == 0
    assert 'args={"width": 8}' in (nets / "test_nets.py").read_text()
    assert outcomes(pytester.runpytest_inprocess("-p", "no:cacheprovider", "test_nets.py")) == {"passed": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--inputs", "ids=batch,seq:int46"], "--inputs ids=batch,seq:int46: dtype='int46' is not a dtype. Allowed: "),
        (["--inputs", "ids=batch,seq:int46"], "Did you mean 'int64'?"),
        (["--inputs", "ids=batch,,seq"], "--inputs ids=batch,,seq: 'batch,,seq' is not a shape. Write"),
        (["--inputs", "ids=batch,seq:"], "'batch,seq:' is not a shape."),
        (["--inputs", "1s=batch,seq"], "--inputs 1s=batch,seq: '1s' is not the name of a parameter of forward."),
        (["--inputs", "a=1", "--inputs", "a=2"], "--inputs a=2: 'a' is given twice."),
        (["--inputs", "nets.py:both", "--inputs", "3"], "--inputs nets.py:both: a function gives all inputs."),
        (["--inputs", "nets.py:bot"], "nets.py has no 'bot'. Did you mean 'both'?"),
        (["--inputs", "nest.py:both"], "There is no file nest.py."),
        (["--inputs", "batch,80:fp32", "--inputs", "3"], 'give tensor("batch", "seq", dtype="int64"), or'),
        (["--arg", "width=x"], "args: width=x is not what Masked() takes. Allowed: a whole number."),
        (["--arg", "widht=3"], "args: Masked() takes no argument 'widht'. Did you mean 'width'? Allowed: width, bias."),
        (["--arg", "width=3", "--arg", "width=4"], "--arg width=3: 'width' is given twice. Leave one out."),
    ],
)
def test_what_cannot_be_meant_is_one_message(nets, capsys, arguments, message):
    assert main(["count", "nets.py:Masked", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_an_argument_without_a_value_is_wrong_usage(nets, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["count", "nets.py:Masked", "--arg", "width"])
    assert ended.value.code == 2
    assert "argument --arg: 'width' is not NAME=VALUE, such as num_classes=10" in capsys.readouterr().err


def test_an_argument_that_no_model_of_a_package_takes(nets, capsys):
    assert main(["init", "nets", "--arg", "heigth=3", "--inputs", "batch,8"]) == 2
    assert "--arg heigth=...: no model of nets takes an argument 'heigth'. Leave it out." in capsys.readouterr().err


def test_help_loads_no_torch():
    load = "import sys\nfrom pytest_modelbudget.cli.command import command_line\ncommand_line()"
    code = f"{load}\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
