"""``modelbudget init``: a package of ten models gets a gate without a number written by hand."""

from __future__ import annotations

import shutil
import sys

import pytest
from suites import outcomes

from pytest_modelbudget.cli.command import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = {
    "__init__": "",
    "images": """
        from torch import nn


        class Block(nn.Module):
            def __init__(self, width=4):
                super().__init__()
                self.layer = nn.Conv2d(width, width, 1)

            def forward(self, x):
                return self.layer(x)


        class Colour(nn.Sequential):
            def __init__(self, classes=10):
                head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)
                super().__init__(nn.Conv2d(3, 4, 1), Block(), *head)


        class Grey(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Conv2d(1, 4, 1))


        class Fixed(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Conv2d(3, 1, 1), nn.Flatten(), nn.Linear(32 * 32, 2))


        class Sized(nn.Sequential):
            def __init__(self, res):
                super().__init__(nn.Conv2d(3, 1, 1), nn.Flatten(), nn.Linear(res * res, 2))


        def hundred() -> nn.Module:
            return Colour(100)


        def named():
            model = Colour(classes=5)
            model.eval()
            return model
    """,
    "sequences": """
        import torch
        from torch import nn


        class Tokens(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Embedding(10, 4), nn.Linear(4, 10))


        class Rows(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Linear(7, 3))


        class Waves(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Conv1d(2, 4, 3))
    """,
    "deep.small": """
        import torch
        from .. import images


        def borrowed():
            return images.Grey()


        class Two(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(3, 3)

            def forward(self, left, right):
                return self.layer(left + right)


        class Wide(torch.nn.Module):
            def __init__(self, width):
                super().__init__()


        def main():
            raise SystemExit("main was called")


        def training():
            open("called", "w").close()
            return 1
    """,
    "broken": "import nowhere_to_be_found",
    "tests": "raise RuntimeError('a test was imported')",
}
MODELS = {
    "Colour", "Grey", "Fixed", "Sized", "hundred", "named", "Tokens", "Rows", "Waves", "borrowed",
}  # fmt: skip


@pytest.fixture
def package(pytester, monkeypatch):
    """A project with a package ``gallery`` and an empty ``pyproject.toml``; what is loaded of it is forgotten after."""
    (pytester.path / "gallery" / "deep").mkdir(parents=True)
    (pytester.path / "gallery" / "deep" / "__init__.py").write_text("")
    pytester.makepyfile(**{f"gallery/{name.replace('.', '/')}": text for name, text in PACKAGE.items()})
    (pytester.path / "pyproject.toml").write_bytes(b'[project]\r\nname = "gallery"  # gr\xc3\xb6\xc3\x9fe\r\n')
    pytester.syspathinsert()
    return pytester


def test_a_newcomer_gets_a_gate_without_writing_a_number(package, capsys):
    assert main(["init", "gallery"]) == 0
    out = capsys.readouterr().out
    text = (package.path / "pyproject.toml").read_bytes()
    assert text.startswith(b'[project]\r\nname = "gallery"  # gr\xc3\xb6\xc3\x9fe\r\n\r\n')
    budgets = tomllib.loads(text.decode())["tool"]["modelbudget"]["budgets"]
    assert set(budgets) == MODELS
    assert budgets["Rows"]["inputs"] == ["batch", 7]
    assert budgets["Waves"]["inputs"] == ["batch", 2, 128]
    assert (budgets["Grey"]["channels"], budgets["Tokens"]["seq"], budgets["Fixed"]["res"]) == (1, 128, 32)
    assert budgets["Rows"]["flops"] == "22"  # 7 * 3 and 2 %
    assert budgets["Rows"]["params"] == "25"  # 7 * 3 + 3 and 2 %
    assert "gallery.broken:: not counted: gallery.broken does not import" in out
    assert "gallery.deep.small:Two: not counted" in out
    assert b"# gallery.deep.small:Two: " in text
    assert not (package.path / "called").exists()

    filled = package.runpytest_inprocess("-p", "no:cacheprovider", "--budget-write", "pyproject.toml")
    assert outcomes(filled) == {"passed": 10}
    assert main(["check"]) == 0
    package.run("git", "init", "-q")
    package.run("git", "add", "-A")
    package.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "A gate")

    images = package.path / "gallery" / "images.py"
    images.write_text(images.read_text().replace("nn.Conv2d(1, 4, 1)", "nn.Conv2d(1, 5, 1)"))
    shutil.rmtree(package.path / "gallery" / "__pycache__", ignore_errors=True)
    stopped = package.runpytest_subprocess("-p", "no:cacheprovider")
    assert outcomes(stopped) == {"passed": 8, "failed": 2}  # Grey, and borrowed, which is one
    stopped.stdout.fnmatch_lines(["*over budget: *"])


def test_a_test_file_instead(package, capsys):
    assert main(["init", "gallery", "--tests", "test_cost.py"]) == 0
    assert (package.path / "pyproject.toml").read_bytes().count(b"\n") == 2
    result = package.runpytest_inprocess("-p", "no:cacheprovider", "test_cost.py")
    assert outcomes(result) == {"passed": 10}
    assert main(["init", "gallery", "--tests", "test_cost.py"]) == 2
    assert "test_cost.py is there already" in capsys.readouterr().err


def test_an_operating_point_that_is_given_is_the_only_one(package, capsys):
    (package.path / "pyproject.toml").unlink()
    assert main(["init", "gallery", "--res", "16"]) == 0
    budgets = tomllib.loads((package.path / "modelbudget.toml").read_text())["tool"]["modelbudget"]["budgets"]
    assert set(budgets) == {"Colour", "Sized", "hundred", "named"}
    assert {budget["res"] for budget in budgets.values()} == {16}


def test_budgets_that_are_there_stay(package, capsys):
    assert main(["init", "gallery.sequences"]) == 0
    before = (package.path / "pyproject.toml").read_bytes()
    assert main(["init", "gallery"]) == 2
    assert "has budgets already" in capsys.readouterr().err
    assert (package.path / "pyproject.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere does not import"),
        (("gallery.deep", "--res", "0"), "res=0"),
        (("gallery", "--headroom", "much"), "--headroom='much' is not a percentage"),
        (("gallery.broken",), "gallery.broken does not import"),
        (
            ("gallery.sequences", "--res", "8"),
            "No model of gallery.sequences could be counted, so nothing was written.",
        ),
    ],
)
def test_what_is_wrong_is_told(package, arguments, said, capsys):
    before = (package.path / "pyproject.toml").read_bytes()
    assert main(["init", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert (package.path / "pyproject.toml").read_bytes() == before
