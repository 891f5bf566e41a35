"""The message of a failed budget, word for word, as kept in ``golden/``.

The numbers in it, by hand, at 32 x 32 pixels. FLOPs: the stem 8 * (3 * 9) * 1024 = 221184; each block's convolution
8 * (8 * 9) * 1024 = 589824 and its norm 2 * 8 * 1024 = 16384, together 606208; the head 8 * 10 = 80; all 1433680.
Parameters: the stem 8 * 27 + 8 = 224; each block 8 * 72 + 2 * 8 = 592; the head 8 * 10 + 10 = 90; all 1498.
What fits at r x r pixels: 1400 r^2 + 80 FLOPs, of which 1184 r^2 in the body, and 24 r^2 + 10 activations.
Activations: 8 * 1024 for each convolution, 10 for the head. Weights: 4 bytes for each parameter, and for each norm's
buffers 2 * 8 * 4 + 8; all 6136.
"""

from __future__ import annotations

import pytest
from golden_files import check_golden
from suites import failure, outcomes
from testing.two_blocks import run


def message(pytester, source, *options):
    return failure(run(pytester, source, *options)).replace(str(pytester.path), "/root")


@pytest.mark.parametrize(
    ("golden", "source", "options"),
    [
        ("over", '@budget(flops="100k", params="1k", res=32)\ndef test_it():\n    return Net()', []),
        ("over_all_modules", '@budget(flops="100k", params="1k", res=32)\ndef test_it():\n    return Net()', ["-vv"]),
        ("over_by_one", "@budget(flops=1433679, res=32)\ndef test_it():\n    return Net()", []),
        ("over_nothing", "@budget(params=0, res=32)\ndef test_it():\n    return Net()", []),
        ("over_in_module", '@budget(model=Net, flops="1M", module="body", res=32)\ndef test_it(): ...', []),
        ("over_in_bytes", '@budget(model=Net, weights="5 KiB", res=32)\ndef test_it(): ...', []),
        ("over_in_activations", '@budget(model=Net, activations="20k", res=32)\ndef test_it(): ...', []),
        ("over_by_name", '@budget(model=Net, flops="1M", res=32, name="the net")\ndef test_it(): ...', []),
        (
            "over_at_two_of_three_points",
            '@budget(model=Net, flops="1M", res=32)\n'
            '@budget(model=Net, flops="2M", res=32)\n'
            '@budget(model=Net, params="1k", flops="9M", res=32, batch=2)\n'
            "def test_it(): ...",
            [],
        ),
        ("no_limits", "@budget(res=32)\ndef test_it():\n    return Net()", []),
        ("no_work", "@budget(flops='1M', res=32)\ndef test_it():\n    return nn.Flatten()", []),
        ("no_model", "@budget(flops='1M', res=32)\ndef test_it():\n    Net()", []),
        (
            "reads_values",
            "class Gated(Net):\n"
            "    def forward(self, image):\n"
            "        return super().forward(image if image.sum().item() < 1e9 else -image)\n"
            "\n\n"
            "@budget(flops='1M', res=32)\ndef test_it():\n    return Gated()",
            [],
        ),
    ],
)
def test_the_message(pytester, golden, source, options):
    check_golden(f"{golden}.txt", message(pytester, source, *options) + "\n")


def test_the_summary_line_says_what_is_wrong(pytester):
    """pytest cuts its last lines at the width of the terminal, so the verdict comes first, also at several points."""
    source = """
        @budget(model=Net, flops="1M", res=32)
        @budget(model=Net, flops="1M", res=64)
        def test_it(): ...
    """
    result = run(pytester, source)
    result.stdout.fnmatch_lines(["FAILED test_cost.py::test_it - Failed: over budget: flops 1.43 M of 1 M*"])


@pytest.mark.parametrize("depth", [1, 4])
def test_it_is_no_longer_for_a_larger_model(pytester, depth):
    """A verdict, a table and five modules, whatever the number of modules; no line is wider than it has to be."""
    source = f"""
        import itertools

        numbers = itertools.count(1)

        def deep(depth):  # no two layers are the same, or they would be one row
            if not depth:
                return nn.Conv2d(3, 3, 1, dilation=next(numbers))
            return nn.Sequential(*(deep(depth - 1) for _ in range(6)))

        @budget(flops=1, res=8)
        def test_it():
            return deep({depth})
    """
    lines = message(pytester, source).splitlines()
    assert len(lines) == 5 + 1 + 5  # nothing fits
    assert max(map(len, lines)) < 90


def test_a_test_within_budget_says_nothing(pytester):
    result = run(pytester, "@budget(model=Net, flops='2M', res=32)\ndef test_it(): ...", "-q")
    assert outcomes(result) == {"passed": 1}
    assert "budget" not in result.stdout.str()


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        # 1400 r^2 + 80 FLOPs for each of b images
        ('@budget(model=Net, flops="16M", batch=12, res=32)', "fits   batch <= 11, or res <= 30"),
        ('@budget(model=Net, flops="1M", batch=12, res=32)', "fits   res <= 7 at batch 12"),
        ('@budget(model=Net, flops="3M", batch=3, res=(32, 64))', "fits   batch <= 1 at res 32x64"),
        ('@budget(model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 9)), flops="2k", batch=8, res=4)',
         "fits   batch <= 4 at res 4"),
        ('@budget(model=lambda: nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 8)), flops="1k", batch=2, seq=30)',
         "fits   seq <= 7 at batch 2"),
    ],
)  # fmt: skip
def test_what_would_fit(pytester, source, fits):
    assert message(pytester, f"{source}\ndef test_it(): ...").splitlines()[-1] == fits


@pytest.mark.parametrize(
    "source",
    [
        '@budget(model=Net, params="1k", flops="1k", res=32)',  # no size helps against parameters
        '@budget(model=Net, flops="10", res=32)',  # not even the smallest
        '@budget(model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 9)), flops="2", res=4)',
    ],
)
def test_what_would_fit_is_not_said_where_nothing_does(pytester, source):
    assert "fits " not in message(pytester, f"{source}\ndef test_it(): ...")


def test_what_would_fit_is_found_in_few_counts(pytester, monkeypatch):
    import pytest_modelbudget.gate.evaluate

    calls = []

    def counting(*args, **keywords):
        calls.append(args)
        return true_measure(*args, **keywords)

    true_measure = pytest_modelbudget.gate.evaluate.count
    monkeypatch.setattr(pytest_modelbudget.gate.evaluate, "count", counting)
    lines = message(pytester, '@budget(model=Net, flops="1.2G", batch=50, res=224)\ndef test_it(): ...').splitlines()
    assert lines[-1] == "fits   batch <= 17, or res <= 130"  # 1400 * 224^2 * 17 < 1.2e9, 50 * 1400 * 130^2 < 1.2e9
    assert len(calls) <= 14
