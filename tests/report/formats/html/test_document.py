"""The HTML report: one file that needs nothing else, and says what the result says."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_samples as samples
from golden_files import check_golden

from pytest_modelbudget.errors import UsageError
from pytest_modelbudget.report.formats import find_format
from pytest_modelbudget.report.formats.html import document
from pytest_modelbudget.report.formats.html.document import render as to_html

TEXT = to_html(samples.REPORT)
VOID = {"meta", "rect", "line"}  # tags that are not closed; in SVG they close themselves


class Page(HTMLParser):
    """Every tag with its attributes, the texts, and whether tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_golden() -> None:
    """Of four entries; without style and script, and the hashes of both, which say nothing to a reader."""
    four = replace(samples.REPORT, results=(samples.SAME, samples.UNCOUNTED, samples.REGRESSED, samples.OVER))
    bare = re.sub(r"(?s)(<(style|script)>).*?(</\2>)", r"\1\3", to_html(four))
    check_golden("report.html", re.sub(r"sha256-[\w+/=]+", "sha256-", bare))


def test_well_formed() -> None:
    Page(TEXT)
    Page(to_html(samples.EMPTY))


def test_nothing_is_loaded() -> None:
    """No attribute that could fetch anything, and no address at all; links stay on the page."""
    tags = Page(TEXT).tags
    assert {tag for tag, _ in tags} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "use",
        "image",
    } == set()
    loading = {"src", "srcset", "action", "background", "poster", "data", "xlink:href", "style", "onclick", "onload"}
    assert [(tag, found) for tag, found in tags if loading & set(found)] == []
    assert all((found["href"] or "").startswith("#entry-") for _, found in tags if "href" in found)
    assert not re.search(r"https?:|url\(|@import", TEXT)


def test_policy_allows_the_pages_own_style_and_script_and_nothing_else() -> None:
    policies = [
        found["content"] for tag, found in Page(TEXT).tags if found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    rules = dict(rule.split(" ", 1) for rule in (policies[0] or "").split("; "))
    assert rules["default-src"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"(?s)<{tag}>(.*?)</{tag}>", TEXT)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_links_lead_to_entries() -> None:
    tags = Page(TEXT).tags
    ids = [found["id"] for _, found in tags if "id" in found]
    assert [(found["href"] or "")[1:] for _, found in tags if "href" in found] == ids
    assert len(ids) == len(set(ids)) == len(samples.RESULTS)


def test_tables_can_be_sorted_with_the_keyboard() -> None:
    """Every heading holds a button, and says how it is sorted."""
    tables = re.findall(r'(?s)<table class="sortable.*?</table>', TEXT)
    headings = [heading for table in tables for heading in re.findall(r'(?s)<th scope="col".*?</th>', table)]
    assert headings
    assert all('aria-sort="none"' in heading and '<button type="button">' in heading for heading in headings)


def test_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    document._environment.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"pip install pytest-modelbudget\[html\]"):
            find_format(Path("page.html")).render(samples.REPORT)
    finally:
        document._environment.cache_clear()
