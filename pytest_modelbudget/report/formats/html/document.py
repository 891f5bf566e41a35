"""A run as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ....text.line import one_line
from ....values.run import Report
from ...parts.conditions import conventions
from .page import page

if TYPE_CHECKING:
    import jinja2


def render(report: Report) -> str:
    """The page, by jinja2."""
    template = _environment().get_template("report.html.j2")
    style, script = _text("report.css"), _text("report.js")
    return template.render(
        page=page(report),
        conventions=conventions(report.results),
        style=_trusted(style),
        script=_trusted(script),
        policy="; ".join(
            [
                "default-src 'none'",
                f"style-src '{_hash(style)}'",
                f"script-src '{_hash(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
    )


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _inert(value: Any) -> Any:
    """What a template writes, on one line; only the page's own style, script and macros may have more."""
    return one_line(value) if type(value) is str else value


def _text(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _trusted(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
