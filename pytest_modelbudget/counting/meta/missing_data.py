"""What decides that the meta device cannot run a model, so that it is run for real: values that no meta tensor has.

An operator asks for values, or an error says that there are none. `MetaExecution` and the attempts of a count ask here.
"""

from __future__ import annotations


class NeedsData(RuntimeError):
    """An operator asked for values that a meta tensor does not have."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator} needs data")
        self.operator = operator


class MissingData:
    """The operators that asked for data in one run, also where the model caught the error and went on."""

    def __init__(self) -> None:
        self.operators: list[str] = []

    def add(self, operator: str) -> NeedsData:
        """Note that ``operator`` asked. Returns the error to raise."""
        self.operators.append(operator)
        return NeedsData(operator)

    def reason(self, error: Exception | None = None) -> str | None:
        """What asked for data first, or how ``error`` says that there is none; ``None`` if neither did."""
        if self.operators:
            return self.operators[0]
        if error is not None and is_missing_data(error):
            return next(iter(str(error).splitlines()), type(error).__name__)
        return None


def is_missing_data(error: BaseException) -> bool:
    """Whether an error says that a meta tensor has no values, or that an operator does not run without them."""
    if isinstance(error, NeedsData):
        return True
    text = str(error).lower()
    signs = (
        "meta", "fake impl", "data is not allocated", "unallocated storage", "unknown device type for autocast",
        "unsupported scalartype",
    )  # fmt: skip
    return (isinstance(error, NotImplementedError) and not text) or any(sign in text for sign in signs)
