"""``modelbudget sweep`` and ``modelbudget fit``: what they print and write, and their exit codes."""

from __future__ import annotations

import csv
import json

import pytest
from golden_files import check_golden
from suites import MODELS, pixels

from pytest_modelbudget.cli.command import main

MORE = """

class Fixed(Pixels):
    def forward(self, image):
        assert image.shape[-1] == 8, f"Expected 8, got {image.shape[-1]}"
        return super().forward(image)


def larger():
    return nn.Sequential(Pixels(), nn.Conv2d(4, 5, 1))
"""


@pytest.fixture(autouse=True)
def models(pytester):
    pytester.makepyfile(models=MODELS + MORE)
    return pytester.path


def test_the_table(capsys):
    """12 multiply-adds and 4 outputs for each pixel."""
    assert main(["sweep", "models.py:Pixels", "models.py:Fixed", "--batch", "1,3", "--res", "8:16:8"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    check_golden("sweep.txt", out)


def test_files(models, capsys):
    options = ["--csv", "a.csv", "--json", "a.json", "--md", "a.md", "--metrics", "flops,params"]
    assert main(["sweep", "models.py:Fixed", "--batch", "2", "--res", "8,9", *options]) == 0
    assert capsys.readouterr().out.endswith("csv: a.csv\njson: a.json\nmd: a.md\n")
    with (models / "a.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["batch"], first["height"], first["flops"], first["flops_per_sample"]) == ("2", "8", "1536", "768")
    assert (second["flops"], second["refused"]) == ("", "AssertionError: Expected 8, got 9")
    data = json.loads((models / "a.json").read_text())
    assert data["format"] == "modelbudget-sweep"
    assert data["cells"][0]["values"] == {"flops": pixels(2, 8), "params": 12}
    assert data["cells"][0]["per_sample"] == {"flops": pixels(1, 8)}
    assert data["cells"][1]["refused"] == "AssertionError: Expected 8, got 9"
    text = (models / "a.md").read_text()
    assert "| batch   | res   |   FLOPs |   per sample |   params |" in text
    assert r"models.py:Fixed: infer." in text


def test_text_of_models_is_inert(models, capsys):
    (models / "evil.py").write_text(
        "from torch import nn\n\n\n"
        "class Evil(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 4, 1)\n\n"
        "    def forward(self, x):\n        if x.shape[-1] == 9:\n"
        "            raise ValueError('=1+1\\x1b[31m|<b>`\\u202e')\n        return super().forward(x)\n"
    )
    assert main(["sweep", "evil.py:Evil", "--res", "8,9", "--csv", "e.csv", "--md", "e.md"]) == 0
    out = capsys.readouterr().out + (models / "e.csv").read_text() + (models / "e.md").read_text()
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "<b>" not in (models / "e.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "models.py:Pixels", "--res", "16:8:2"], "res='16:8:2' is empty: 16 is above 8"),
        (["sweep", "models.py:Pixels", "--res", "0"], "res=0 is not a whole number above zero"),
        (["sweep", "models.py:Pixels", "--res", "8", "--batch", "-1"], "batch=-1 is not a whole number above zero"),
        (["sweep", "models.py:Pixels", "--res", ""], "'' is not a whole number"),
        (["sweep", "models.py:Fixed", "--res", "9,10"], "No point of the grid is accepted: batch 1, res 9"),
        (["sweep", "models.py:Pixel", "--res", "8"], "has no 'Pixel'. Did you mean 'Pixels'?"),
        (["sweep", "models.py:Pixels"], "There are no inputs"),
        (["sweep", "models.py:Pixels", "--res", "8", "--metrics", "memry"], "Did you mean 'memory'?"),
        (["sweep", "models.py:Pixels", "--res", "8", "--dtype", "fp8"], "dtype='fp8' is not a floating dtype"),
        (["sweep", "models.py:Pixels", "--res", "8", "--jobs", "0"], "jobs=0 is not a whole number above zero"),
        (["sweep", "models.py:Pixels", "--res", "8", "--csv", "a", "--md", "a"], "One file is named twice"),
        (["sweep", "models.py:Pixels", "--res", "8", "--csv", "models.py/a"], "cannot be written: Not a directory"),
        (["sweep", "models.py:Pixels", "--res", "8", "--plot", "a.pdf"], "allowed are .png and .svg"),
        (["sweep", "models.py:Pixels", "--res", "8", "--plot", "a.png"], "one point is no picture"),
        (["sweep", "models.py:Pixels", "--res", "8", "--accuracy", "a=1"], "say --plot FILE, too"),
        (
            ["sweep", "models.py:Pixels", "--res", "8", "--plot", "a.png", "--accuracy", "Pixel=1"],
            "no TARGET is named 'Pixel'",
        ),
        (
            ["sweep", "models.py:Pixels", "--res", "8", "--plot", "a.png", "--accuracy", "Pixels=high"],
            "'high' is not a number",
        ),
        (["sweep", "models.py:Pixels", "--res", "8", "--plot", "a.png", "--accuracy", "no.csv"], "No such file"),
        (["fit", "models.py:Pixels"], "There is no limit to keep"),
        (["fit", "models.py:Pixels", "--flops", "ten"], "flops='ten' is not a quantity"),
        (["fit", "models.py:Pixels", "--flops", "1G", "--batch", "0"], "batch=0 is not a whole number above zero"),
        (
            ["fit", "models.py:Pixels", "--flops", "1G", "--mode", "infer,train"],
            "mode='infer,train' has 2 values, and one is",
        ),
        (["fit", "models.py:Tokens", "--flops", "1G"], "A model of token ids needs seq="),
    ],
)
def test_wrong_usage(capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" or "picture" in message or "written" in message
    assert message in err
    assert err.startswith("modelbudget: ")


def test_fit(capsys):
    assert main(["fit", "models.py:Pixels", "--res", "8", "--flops", "8k", "--params", "100"]) == 0
    assert (
        capsys.readouterr().out
        == """\
models.py:Pixels within flops 8 k, params 100. FLOPs as fvcore counts them: 1 multiply-add = 1.

batch    res      flops          left    params          left  what binds
10       8       7.68 k  96 %     320        12  12 %      88  flops: 8.45 k at batch 11
"""
    )


def test_fit_over_the_limit_is_1(capsys):
    assert main(["fit", "models.py:Pixels", "--res", "8", "--flops", "700"]) == 1
    assert capsys.readouterr().out.endswith("nothing fits: at batch 1, res 8, infer it takes flops 768 of 700\n")
    assert main(["fit", "models.py:Pixels", "--batch", "1", "--flops", "11"]) == 1
    assert capsys.readouterr().out.endswith("nothing fits: at batch 1, res 1, infer it takes flops 12 of 11\n")


def test_fit_a_range_and_a_model_of_one_size(capsys):
    assert main(["fit", "models.py:Pixels", "--batch", "1", "--res", "4:32:4", "--flops", "5k"]) == 0
    assert "1        20       4.8 k  96 %     200  flops: 6.91 k at res 24" in capsys.readouterr().out
    assert main(["fit", "models.py:Fixed", "--batch", "1", "--res", "4:32:4", "--flops", "5k"]) == 0
    assert "the model takes no more: AssertionError: Expected 8, got" in capsys.readouterr().out


def test_pictures(models, capsys):
    pytest.importorskip("matplotlib")
    (models / "acc.csv").write_text("target,res,accuracy\nPixels,8,70\nPixels,16,75\nlarger,8,72.5\n")
    targets = ["models.py:Pixels", "models.py:larger"]
    options = ["--batch", "1,2,4", "--res", "8,16", "--plot", "a.svg", "--accuracy", "acc.csv"]
    assert main(["sweep", *targets, *options]) == 0
    text = (models / "a.svg").read_text()
    for said in (
        "FLOPs over batch, on log axes",
        "FLOPs over resolution, on log axes",
        "models.py:Pixels at res 8: grows as batch^1.00",
        "models.py:larger at batch 1: grows as res^2.00",
        "resolution (pixels)",
        "Accuracy against FLOPs",
        "Accuracy, as given",
        "Pareto front",
    ):
        assert said in text
    assert main(["sweep", *targets, *options[:-2]]) == 0
    again = (models / "a.svg").read_text()
    assert "Params against FLOPs" in again
    assert main(["sweep", *targets, *options[:-2]]) == 0
    assert (models / "a.svg").read_text() == again  # the same data, the same bytes


def test_a_bar_on_a_terminal(capsys, monkeypatch):
    """It is drawn on stderr, and gone when the table is printed."""
    import tqdm

    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            super().__init__(**{**options, "delay": 0})
            bars.append(self)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["sweep", "models.py:Pixels", "--batch", "1:5", "--res", "8"]) == 0
    assert [(bar.n, bar.total) for bar in bars] == [(5, 5)]
    out, err = capsys.readouterr()
    assert out.startswith("models.py:Pixels: infer.")
    assert "points" in err
    assert main(["fit", "models.py:Pixels", "--res", "8", "--flops", "10k"]) == 0
    assert bars[1].n > 0


@pytest.mark.parametrize(
    ("flag", "hint"),
    [("--resolution", "--res"), ("--batch-size=8", "--batch"), ("--metric", "--metrics"), ("--every", "--every-point")],
)
def test_a_flag_by_another_name_is_hinted_at(capsys, flag, hint):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "torchvision:resnet18", flag, "8"])
    assert ended.value.code == 2
    assert f"unrecognized arguments: {flag}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["sweep", "torchvision:resnet18", flag, "8"])
    assert f". Did you mean {hint}?" in capsys.readouterr().err
