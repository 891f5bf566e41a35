"""Names that would be markup, commands or control characters elsewhere come out inert in every report."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from report.hostile_names import NAMES, report

from pytest_modelbudget.report.formats.html.document import render as to_html
from pytest_modelbudget.report.formats.json import from_json
from pytest_modelbudget.report.formats.json import render as to_json
from pytest_modelbudget.report.formats.markdown import render as to_markdown
from pytest_modelbudget.report.formats.openmetrics import render as to_openmetrics
from pytest_modelbudget.report.github import error_annotations
from pytest_modelbudget.report.parts.where import where_lines
from pytest_modelbudget.report.parts.why import growth_lines
from pytest_modelbudget.text.line import one_line

hostile = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


def check_inert(text: str, *, newlines: bool = True) -> None:
    """No control, formatting, direction or line-separating character but the newline, and text that can be written."""
    text.encode()
    found = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert found <= ({"\n"} if newlines else set())


def shown(name: str) -> str:
    """A name as every format has it: on one line, the middle of a long one left out. The end tells it is there."""
    return one_line(name)[-30:]


@hostile
def test_text(name: str) -> None:
    """Every line is one of ours: a name begins none and ends none."""
    for result in report(name).results:
        for line in (*growth_lines(result), *where_lines(result)):
            check_inert(line, newlines=False)
            assert re.match(r"cause  |why    |what   |where  | {7}", line)


@hostile
def test_json(name: str) -> None:
    text = to_json(report(name))
    assert text.isascii()
    check_inert(text)
    assert from_json(text, "r.json") == report(name)


class Tags(HTMLParser):
    """The tags, attributes and texts of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.comments: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@hostile
def test_html(name: str) -> None:
    """The page has the same tags and attributes, in the same order, as with a harmless name of one word.

    But for the lines of a problem, of which a name with newlines makes several.
    """
    page = to_html(report(name))
    check_inert(page)
    tags, harmless = Tags(page), Tags(to_html(report("harmless")))
    items = ("li", ())
    assert [tag for tag in tags.found if tag != items] == [tag for tag in harmless.found if tag != items]
    assert tags.comments == []
    assert shown(name) in tags.text


@hostile
def test_markdown(name: str) -> None:
    """A parser with every extension on finds the same blocks and spans as with a harmless name of one word."""
    text, harmless = to_markdown(report(name)), to_markdown(report("harmless"))
    check_inert(text)
    assert structure(text) == structure(harmless)
    assert [part for part in raw_html(text) if "<!--" in part] == ["<!-- modelbudget -->\n"]


@hostile
def test_names_are_text_in_markdown(name: str) -> None:
    """The table holds the name as the content of a code span, pipes and all."""
    spans = code_of(to_markdown(report(name)))
    assert any(shown(name) in span for span in spans)
    assert not any(span.count("|") != one_line(name).count("|") for span in spans if span == one_line(name))


def parse(text: str) -> list:
    return MarkdownIt("gfm-like", {"linkify": False, "html": True}).enable(["table", "strikethrough"]).parse(text)


def structure(text: str) -> list[object]:
    """The kinds of all tokens, and the raw HTML without what stands between its tags."""
    found: list[object] = []
    for token in parse(text):
        for part in (token, *(token.children or ())):
            raw = part.type in ("html_block", "html_inline")
            found.append((part.type, tuple(Tags(part.content).found) if raw else part.tag))
    return [kind for kind in found if kind not in (("text", ""), ("softbreak", "br"))]


def raw_html(text: str) -> list[str]:
    parts = [part for token in parse(text) for part in (token, *(token.children or ()))]
    return [part.content for part in parts if part.type in ("html_block", "html_inline")]


def code_of(text: str) -> list[str]:
    """The contents of code: spans, blocks, and ``<code>`` in raw HTML."""
    found = []
    for token in parse(text):
        for part in (token, *(token.children or ())):
            if part.type in ("code_inline", "fence"):
                found.append(part.content)
            elif part.type == "html_block":
                found += re.findall(r"<code>(.*?)</code>", part.content)
    return found


@hostile
def test_annotations(name: str) -> None:
    """One line each, which GitHub's runner reads as one command whose properties are ours."""
    lines = error_annotations(report(name)).split("\n")
    assert lines.pop() == ""
    assert len(lines) == 1
    check_inert(lines[0], newlines=False)
    command, properties, message = runner(lines[0])
    assert command == "error"
    assert list(properties) == ["file", "line", "title"]
    assert properties["line"] == "7"
    assert properties["title"].startswith("Model budget: ")
    assert shown(name) in properties["title"]
    assert shown(name) in message


def runner(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as actions/runner reads it (ActionCommand.TryParseV2)."""
    assert line.startswith("::")
    end = line.index("::", 2)
    command, _, text = line[2:end].partition(" ")
    properties = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    return command, {key: decoded(value) for key, value in properties.items()}, decoded(line[end + 2 :])


def decoded(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


@hostile
def test_openmetrics(name: str) -> None:
    """A strict parser reads the same families and samples as with a harmless name, and gets the name back."""
    text, harmless = to_openmetrics(report(name)), to_openmetrics(report("harmless"))
    check_inert(text)
    assert [[s.name for s in f.samples] for f in families(text)] == [
        [s.name for s in f.samples] for f in families(harmless)
    ]
    labels = [
        sample.labels["entry"] for family in families(text) for sample in family.samples if "entry" in sample.labels
    ]
    entries = [shown(entry).replace("#", "\\x23") for entry in (name, f"other {name}")]
    assert all(any(entry in label for entry in entries) for label in labels)


def families(text: str) -> list:
    return list(text_string_to_metric_families(text))
