"""Models of packages that people install beside PyTorch, counted beside a real run: `make ecosystem` has them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from ecosystem.cases import PACKAGES, cases_of, distribution, is_installed
from ecosystem.comparison import Compared, counted, line
from ecosystem.reference import reference, tensors_of

ACCURACY = Path(__file__).parents[2] / "docs" / "accuracy.md"
MISSING = [package for package in PACKAGES if not is_installed(package)]


def each_case():
    for package in PACKAGES:
        if package in MISSING:
            why = f"{package} is not installed: `make ecosystem` installs it"
            yield pytest.param(package, None, id=package, marks=pytest.mark.skip(reason=why))
            continue
        for case in cases_of(package):
            marks = pytest.mark.xfail(strict=True, reason=case.wrong) if case.wrong else ()
            yield pytest.param(package, case, id=f"{package}-{case.model}", marks=marks)


@pytest.mark.parametrize(("package", "case"), list(each_case()))
@pytest.mark.filterwarnings("ignore")
def test_model(package, case):
    """PyTorch's own count of a real run, its parameters, its peak to the byte, on meta, and nothing left behind."""
    given = tensors_of(case.inputs)
    real = reference(case)
    cost = counted(case)
    assert (cost.executed, cost.uncounted) == (case.executed, {})
    assert cost.flops == real.flops + sum(case.beyond.values())
    assert cost.params == real.params
    assert (cost.memory == real.memory) != bool(case.memory)
    assert all(now is before for now, before in zip(tensors_of(case.inputs), given, strict=True))
    if not case.wrong:  # then nothing but the fault may make the test fail
        assert line(Compared(distribution(package), case, cost, real)) in ACCURACY.read_text(encoding="utf-8")


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_forty_models_of_twelve_packages():
    right = [case for package in PACKAGES for case in cases_of(package) if not case.wrong]
    assert len(PACKAGES) >= 12
    assert len(right) >= 40


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_the_file_shows_every_case():
    text = ACCURACY.read_text(encoding="utf-8")
    for package in PACKAGES:
        for case in cases_of(package):
            assert f"| {distribution(package)} | {case.model} | " in text
