"""A model of a package, counted, beside a real run of it: a row of ``docs/accuracy.md``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecosystem.case import Case
from ecosystem.reference import Reference, reference
from torch.distributions import Distribution
from zoo.comparison import Figure

from pytest_modelbudget import Cost, ModelError, measure


@dataclass(frozen=True)
class Compared:
    """What a case costs (nothing when `measure` raises), and what its real run came to."""

    package: str
    case: Case
    cost: Cost | None
    real: Reference

    @property
    def figures(self) -> tuple[Figure, Figure, Figure]:
        """FLOPs, parameters, and bytes of memory."""
        assert self.cost is not None
        cost, real = self.cost, self.real
        return Figure(cost.flops, real.flops), Figure(cost.params, real.params), Figure(cost.memory, real.memory)

    @property
    def why(self) -> str:
        """Each reason that the case gives."""
        beyond = [f"{flops:,} FLOPs of {name}, without a formula there" for name, flops in self.case.beyond.items()]
        open_fault = [f"open: {self.case.wrong}"] if self.case.wrong else []
        return "; ".join(filter(None, [*beyond, self.case.real, self.case.memory, *open_fault]))

    def cells(self) -> list[str]:
        if self.cost is None:
            figures = [cell for value in vars(self.real).values() for cell in ("", f"{value:,}", "")]
            return [self.package, self.case.model, *figures, "", self.why]
        figures = [cell for figure in self.figures for cell in figure.cells()]
        return [self.package, self.case.model, *figures, self.cost.executed, self.why]


def counted(case: Case) -> Cost:
    """In PyTorch's convention. Raises what `measure` raises."""
    with validating_distributions():
        return measure(case.build, inputs=case.inputs, convention="torch", attention=case.attention)


@contextmanager
def validating_distributions() -> Iterator[None]:
    """As PyTorch does by default: torchrl switches it off for the whole process when it is imported."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(True)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


def compared(package: str, case: Case) -> Compared:
    """The case for the table: a model that cannot be counted has a row all the same, if the case says that."""
    real = reference(case)
    try:
        return Compared(package, case, counted(case), real)
    except ModelError:
        if not case.wrong:
            raise
        return Compared(package, case, None, real)


def line(row: Compared) -> str:
    return f"| {' | '.join(row.cells())} |\n"


def table(rows: Iterable[Compared]) -> str:
    """A Markdown table."""
    figures = [cell for what in ("FLOPs", "parameters", "bytes at the peak") for cell in (what, "real", "difference")]
    head = ["package", "model", *figures, "counted on", "why"]
    rule = ["---", "---", *["---:"] * 9, "---", "---"]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule)) + "".join(line(row) for row in rows)


def summary(rows: list[Compared]) -> str:
    """One row for each package: how many of its models agree in each figure, and where they were counted."""
    text = "| package | models | FLOPs agree | parameters agree | memory agrees | on meta | open |\n"
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    for package in dict.fromkeys(row.package for row in rows):
        of_it = [row for row in rows if row.package == package]
        done = [row for row in of_it if row.cost is not None]
        flops = sum(row.cost.flops == row.real.flops + sum(row.case.beyond.values()) for row in done)
        agree = [sum(row.figures[number].agrees for row in done) for number in (1, 2)]
        on_meta = sum(row.cost.executed == "meta" for row in done)
        numbers = [len(of_it), flops, *agree, on_meta, sum(bool(row.case.wrong) for row in of_it)]
        text += f"| {package} | {' | '.join(map(str, numbers))} |\n"
    return text
