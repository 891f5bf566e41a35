"""The formats of a report of a run: a row each, of which options, flags and messages are made, and a file each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ...errors import UsageError, nearest
from ...values.run import Report
from ..parts.files import check_file, write_file


@dataclass(frozen=True)
class Format:
    """One format: files with its ``suffix`` get it, and ``note`` says what the suffix does not.

    ``module``, in this folder, has ``render``, which makes the text of a `Report`. It is loaded when it is used, as is
    the library that it ``needs``, of the extra ``extra``.
    """

    suffix: str
    module: str
    note: str = ""
    needs: str = ""
    extra: str = ""

    @property
    def option(self) -> str:
        """The name of the option that asks for it: the suffix without its dot."""
        return self.suffix.removeprefix(".")

    def noted(self, text: str) -> str:
        """A text about the format, with the note after it."""
        return f"{text} ({self.note})" if self.note else text

    def check(self) -> None:
        """Raise `UsageError` where a library that it needs is not installed."""
        try:
            if self.needs:
                import_module(self.needs)
        except ImportError as error:
            kind = self.option.upper()
            raise UsageError(
                f"An {kind} report needs {self.needs}: pip install pytest-modelbudget[{self.extra}]"
            ) from error

    def render(self, report: Report) -> str:
        """The text of a report. Raises `UsageError` where a library that it needs is not installed."""
        self.check()
        renderer: Callable[[Report], str] = import_module(f".{self.module}", __package__).render
        return renderer(report)


JSON = Format(".json", "json")
"""The format that can be read back, and rendered as any other."""

FORMATS = (
    JSON,
    Format(".md", "markdown"),
    Format(".html", "html.document", needs="jinja2", extra="html"),
    Format(".txt", "openmetrics", note="OpenMetrics"),
)
"""Every format, in the order in which messages name them."""


def find_format(path: Path) -> Format:
    """The format that a file's suffix asks for. Raises `UsageError` for a suffix that no format has."""
    suffix = path.suffix.lower()
    for one in FORMATS:
        if one.suffix == suffix:
            return one
    found = f"the suffix {suffix!r}" if suffix else "no suffix"
    raise UsageError(
        f"--budget-report {path}: {found} says no format. Allowed: {', '.join(f.noted(f.suffix) for f in FORMATS)}."
        f"{nearest(suffix, [f.suffix for f in FORMATS])}"
    )


def check_report(path: Path) -> None:
    """Check before a run that its report can be written. Raises `UsageError` as `find_format` and `write_report` do."""
    find_format(path).check()
    check_file(path, _what(path))


def write_report(path: Path, report: Report) -> None:
    """Render the report and put it in place, as `write_file` does. Raises `UsageError` where that cannot be done."""
    write_file(path, find_format(path).render(report).encode(), _what(path))


def _what(path: Path) -> str:
    return f"--budget-report {path}: the report"
