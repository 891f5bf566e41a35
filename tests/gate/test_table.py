"""Budgets in a TOML file: pytest and ``modelbudget check`` give the same verdicts, baseline and reports."""

from __future__ import annotations

import json

import pytest
from suites import MODELS, measured, outcomes, pixels, tokens

from pytest_modelbudget.cli.command import main

TABLE = """
[tool.modelbudget.defaults]
batch = 2

[tool.modelbudget.budgets."models:Pixels"]
res = 4
flops = {flops}

[tool.modelbudget.budgets.tokens]
model = "models.py:Tokens"
inputs = [["batch", 3]]
params = 65
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(models=MODELS)
    pytester.syspathinsert()
    return pytester


def write(project, text: str, file: str = "pyproject.toml") -> None:
    (project.path / file).write_text(text)


def test_pytest_collects_it_as_items(project):
    write(
        project,
        TABLE.format(flops=pixels(2, 4)).replace(
            '[["batch", 3]]', '{ ids = { size = ["batch", 3], dtype = "int64" } }'
        ),
    )
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "-v")
    assert outcomes(result) == {"passed": 2}
    result.stdout.fnmatch_lines(["pyproject.toml::models:Pixels PASSED*", "pyproject.toml::tokens PASSED*"])
    assert measured(result) == [pixels(2, 4), tokens(2, 3)]
    one = project.runpytest_inprocess("-p", "no:cacheprovider", "pyproject.toml::tokens")
    assert outcomes(one) == {"passed": 1}


PLAIN = "def test_plain(): ...\n"


@pytest.mark.parametrize(
    ("ini", "arguments", "passed"),
    [
        ("", (), 2),
        ("", ("test_plain.py",), 1),
        ("", ("test_plain.py", "pyproject.toml"), 2),
        ("budget_table = 'true'", ("test_plain.py",), 2),
        ("budget_table = 'false'", (), 1),
        ("budget_table = 'false'", ("pyproject.toml",), 1),
        ("testpaths = ['inner']", (), 2),
        ("testpaths = ['inner']", ("-n", "1"), 2),
    ],
)
def test_when_it_is_collected(project, ini, arguments, passed):
    project.makepyfile(test_plain=PLAIN)
    (project.path / "inner").mkdir()
    if "testpaths" in ini:
        (project.path / "test_plain.py").rename(project.path / "inner" / "test_plain.py")
    budget = '[tool.modelbudget.budgets."models:Pixels"]\nres = 4\nparams = 12\n'
    write(project, f"[tool.pytest.ini_options]\n{ini}\n{budget}")
    result = project.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
    assert outcomes(result) == {"passed": passed}


def test_the_command_gives_the_verdict_of_pytest(project, capsys):
    table = TABLE.replace('inputs = [["batch", 3]]', "seq = 3")
    for flops, code in ((pixels(2, 4), 0), (pixels(2, 4) - 1, 1)):
        write(project, table.format(flops=flops))
        assert project.runpytest_inprocess("-p", "no:cacheprovider", "--budget-report=a.json").ret == code
        capsys.readouterr()
        assert main(["check", "--report", "b.json"]) == code
        out = capsys.readouterr().out
        assert ("over budget: flops 384 of 383" in out) == bool(code)
        a, b = (json.loads((project.path / name).read_text()) for name in ("a.json", "b.json"))
        assert a == b


def test_the_command_keeps_the_same_baseline(project, capsys):
    table = '[tool.modelbudget.budgets.net]\nmodel = "models:Pixels"\nres = 4\n'
    write(project, table)
    assert main(["check"]) == 1
    assert "no limits and no baseline" in capsys.readouterr().out
    assert main(["check", "--update"]) == 0
    assert main(["check"]) == 0
    assert outcomes(project.runpytest_inprocess("-p", "no:cacheprovider", "--budget-strict")) == {"passed": 1}
    write(project, table.replace("res = 4", "res = 8"))
    assert main(["check"]) == 1
    assert "resolution 4.00x (4 -> 8)" in capsys.readouterr().out
    write(project, table.replace("budgets.net", "budgets.other").replace("res = 4", "res = 4\nparams = 12"))
    assert main(["check", "--strict"]) == 1
    assert "1 entry whose test is gone" in capsys.readouterr().out


def test_the_command_reads_the_keys_that_pytest_reads(project, capsys):
    write(project, '[tool.modelbudget.budgets."models:Pixels"]\nres = 4\nflops = 384\n')
    assert main(["check"]) == 0
    write(project, "[pytest]\nbudget_flops = torch\n", "pytest.ini")
    assert main(["check"]) == 0
    write(project, '[tool.modelbudget.budgets."models:Pixels"]\nres = 4\nflops = 383\n')
    assert main(["check"]) == 1
    assert "1 multiply-add = 2" in capsys.readouterr().out


@pytest.mark.parametrize("write_with", ["pytest", "check"])
def test_open_limits_are_written(project, write_with, capsys):
    write(project, TABLE.format(flops='"..."  # größe').replace('inputs = [["batch", 3]]', "seq = 3"))
    assert main(["check"]) == 1
    assert "to be filled in: flops=..." in capsys.readouterr().out
    if write_with == "check":
        assert main(["check", "--write"]) == 0
    else:
        assert outcomes(project.runpytest_inprocess("-p", "no:cacheprovider", "--budget-write")) == {"passed": 2}
    assert 'flops = "392"  # größe\n' in (project.path / "pyproject.toml").read_text()  # 384 and 2 % is 391.68
    assert main(["check"]) == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[tool.modelbudget.budget.a]", "'budget' is nothing of [tool.modelbudget]. Did you mean 'budgets'?"),
        ('[tool.modelbudget.budgets.a]\nmodel = "models:Pixels"\nress = 4', "'ress' is not an argument of budget()"),
        ("[tool.modelbudget.budgets.a]\nres = 4", "pyproject.toml:1: budgets.a: model = None is no TARGET."),
        ("[tool.modelbudget]\nbudgets.a = 3", "budgets.a is 3. Write [tool.modelbudget.budgets.a]."),
        ('[tool.modelbudget.budgets.a]\nmodel = "models:Pixels"\ninputs = "models:shape"', "models has no 'shape'"),
        ("[tool.modelbudget.budgets.a\n", "is not a TOML file"),
        ("", "There are no budgets in pyproject.toml or modelbudget.toml"),
    ],
)
def test_what_is_wrong_is_told(project, table, said, capsys):
    write(project, table)
    assert main(["check"]) == 2
    assert said in capsys.readouterr().err
    if table.startswith("[") and not table.endswith("a\n"):
        result = project.runpytest_inprocess("-p", "no:cacheprovider", "pyproject.toml")
        assert result.ret != 0
        assert said in result.stdout.str() + result.stderr.str()


def test_a_file_of_its_own_takes_the_same_tables(project, capsys):
    budget = 'budgets."models:Pixels"]\nres = 4\nparams = 12\n'
    write(project, f"[tool.modelbudget.{budget}", "modelbudget.toml")
    assert main(["check"]) == 0
    write(project, f"[{budget}", "modelbudget.toml")
    assert main(["check"]) == 2
    assert "budgets is there. Allowed: tables [tool.modelbudget.budgets.NAME]." in capsys.readouterr().err


def test_a_table_elsewhere_names_files_beside_it(project, capsys, monkeypatch):
    (project.path / "inner").mkdir()
    (project.path / "models.py").rename(project.path / "inner" / "models.py")
    write(
        project,
        '[tool.modelbudget.budgets.a]\nmodel = "models.py:Pixels"\nres = 4\nparams = 12\n',
        "inner/pyproject.toml",
    )
    assert main(["check", "--file", "inner/pyproject.toml"]) == 0
    assert outcomes(project.runpytest_inprocess("-p", "no:cacheprovider")) == {"passed": 1}
    monkeypatch.chdir(project.path / "inner")
    assert main(["check"]) == 0


def test_a_name_that_is_not_there(project, capsys):
    write(project, TABLE.format(flops=1))
    assert main(["check", "token"]) == 2
    assert "There is no budget 'token'. Did you mean 'tokens'?" in capsys.readouterr().err


NETS = """
import torch
from torch import nn


def make(width: int, sizes: tuple[int, ...] = ()):
    assert isinstance(sizes, tuple)
    return nn.Linear(3, width, bias=False)


def rows(batch):
    return [(torch.zeros(batch, 3), torch.zeros(batch))]
"""


def test_arguments_and_loaders_of_a_table(project, monkeypatch, capsys):
    """Files are relative to the table, wherever it is held from: 4 rows, 3 times 5 multiply-adds."""
    project.mkdir("own")
    (project.path / "own" / "nets.py").write_text(NETS)
    table = """
[tool.modelbudget.budgets.net]
model = "nets.py:make"
args = { width = 5, sizes = [1, 2] }
loader = "nets.py:rows"
batch = 4
flops = 60
"""
    write(project, table, "own/modelbudget.toml")
    monkeypatch.chdir(project.path)
    assert main(["check", "--file", "own/modelbudget.toml"]) == 0
    assert "batch 4, infer: FLOPs 60 of 60 (100 %), params 15" in capsys.readouterr().out
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "own/modelbudget.toml")
    assert outcomes(result) == {"passed": 1}
    assert measured(result) == [60]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("args = 3", "args=3 is not a mapping from names to values"),
        ("args = { widht = 3 }", "args: make() takes no argument 'widht'. Did you mean 'width'?"),
        ('args = { width = "3" }', "args: width='3' is not what make() takes. Allowed: a whole number."),
        ("loader = 3", "loader = 3 is not a text. Write loader ="),
        ('loader = "nets.py:row"', "loader = 'nets.py:row': "),
        ('inputs = "nets.py:row"', "inputs = 'nets.py:row': "),
    ],
)
def test_wrong_arguments_and_loaders_of_a_table(project, monkeypatch, capsys, said, message):
    project.makepyfile(nets=NETS)
    monkeypatch.chdir(project.path)
    inputs = "" if "inputs" in said or "loader" in said else "inputs = [2, 3]\n"
    write(project, f'[tool.modelbudget.budgets.net]\nmodel = "nets.py:make"\nflops = 9\n{inputs}{said}\n')
    assert main(["check"]) in (1, 2)
    out, err = capsys.readouterr()
    assert message in out + err
    assert "Traceback" not in out + err
