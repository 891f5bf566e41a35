"""Writes ``docs/accuracy.md``: models of the zoos beside published figures, of other packages beside real runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torchvision_ops
from ecosystem import comparison as ecosystem
from ecosystem.cases import PACKAGES, cases_of, distribution, name_and_version
from tqdm import tqdm
from zoo.comparison import Compared, table

INTRODUCTION = """\
# Accuracy

Every model of torchvision, those of timm with a figure in its benchmark results, and architectures of Hugging Face
transformers: what this counts, beside what was published. Then models of other packages, beside a real run of them.
This file is made by `make accuracy`; the tests in `tests/zoo` (`make zoo` runs all of them) and `tests/ecosystem`
(`make ecosystem`) assert every row of it.

A difference of 0 means: the same to the last digit that was published. Where a figure differs, the last column says
why. Counted with torch {torch}, torchvision {torchvision}, timm {timm}, transformers {transformers}.

| models | compared | work agrees | parameters agree | differences explained |
| --- | ---: | ---: | ---: | ---: |
{summary}"""

TORCHVISION = """
## torchvision

Multiply-adds, published as `_ops`, on the picture that the model's preprocessing makes of one of 512x512.

"""
TIMM = """
## timm

FLOPs in fvcore's convention, norms included, as in timm's `results/benchmark-infer-*.csv` ({number} rows of it; figures
only, from the timm repository, Apache-2.0). The models are as `timm.create_model` makes them.

"""
TRANSFORMERS = """
## transformers

Multiply-adds beside a formula worked out by hand (`tests/zoo/transformers_models.py`), and the parameters of the
published checkpoint of that name. Built from configurations: nothing is downloaded, and a 70B model takes no memory.

"""
OTHERS = """
## Other packages

Small models of packages that people install beside PyTorch (`tests/ecosystem`), from their configurations, in eval
mode: FLOPs in PyTorch's convention beside `torch.utils.flop_counter.FlopCounterMode` over a real run on the CPU with
attention as mathematics, parameters beside those of the real model, and the bytes alive at the peak of that run. Those
counted on `meta` computed nothing; where a model was run for real, the last column says why. A fault that is known and
not yet mended is marked as open there. With {versions}.

"""


def rows(compare: Callable[[str], Compared], names: Iterable[str], what: str) -> Iterator[Compared]:
    for name in tqdm(list(names), desc=what, unit=" models"):
        yield compare(name)


def summary(what: str, compared: list[Compared]) -> str:
    work = [row.work for row in compared if row.work.theirs is not None]
    differ = [row for row in compared if any(f.difference not in ("", "0") for f in (row.work, row.params))]
    explained = sum(bool(row.why) for row in differ)
    agree = f"{sum(f.agrees for f in work)} of {len(work)}"
    params = f"{sum(row.params.agrees for row in compared)} of {len(compared)}"
    return f"| {what} | {len(compared)} | {agree} | {params} | {explained} of {len(differ)} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file

    torchvision_ops.install()  # before what imports torchvision
    import timm
    import torch
    import torchvision
    import transformers
    from zoo import timm_models, torchvision_models, transformers_models

    vision = list(rows(lambda n: torchvision_models.compared_static(n)[0], torchvision_models.STATIC, "torchvision"))
    vision += rows(lambda n: torchvision_models.compared_detector(n)[0], torchvision_models.DETECTORS, "detectors")
    timms = list(rows(timm_models.compared, timm_models.PUBLISHED, "timm"))
    others = [
        ecosystem.compared(distribution(package), case)
        for package in PACKAGES
        for case in tqdm(cases_of(package), desc=package, unit=" models")
    ]
    hub = list(rows(lambda n: transformers_models.compared(n)[0], transformers_models.ARCHITECTURES, "transformers"))
    versions = {m.__name__: m.__version__.split("+")[0] for m in (torch, torchvision, timm, transformers)}
    parts = [("torchvision", vision), ("timm", timms), ("transformers", hub)]
    file.write_text(
        INTRODUCTION.format(**versions, summary="".join(summary(*part) for part in parts))
        + TORCHVISION
        + table(vision, work="GMACs", params="parameters")
        + TIMM.format(number=len(timms))
        + table(timms, work="GFLOPs", params="M parameters")
        + TRANSFORMERS
        + table(hub, work="MACs", params="parameters")
        + OTHERS.format(versions=", ".join(map(name_and_version, PACKAGES)))
        + ecosystem.summary(others)
        + "\n"
        + ecosystem.table(others),
        encoding="utf-8",
    )
    print(f"{file}: {len(vision) + len(timms) + len(hub) + len(others)} models")


if __name__ == "__main__":
    main()
