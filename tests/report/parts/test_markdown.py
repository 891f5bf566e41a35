"""Markdown in which names are names: code spans, texts, rows and folded sections, read back by a parser of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report.hostile_names import NAMES

from pytest_modelbudget.report.parts.markdown import Room, code, escaped, folded, table_head, table_row
from pytest_modelbudget.text.line import shown

GFM = MarkdownIt("gfm-like", {"linkify": False, "html": True})


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("plain", "`plain`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("```", "```` ``` ````"),
        ("", "` `"),
        ("line\nbreak", "`line\\nbreak`"),
    ],
)
def test_code_span(name: str, span: str) -> None:
    """By CommonMark's rules; the parser below agrees that the name is its whole content."""
    assert code(name) == span
    inline = MarkdownIt().parseInline(f"x {span} y")[0].children or []
    assert [token.type for token in inline] == ["text", "code_inline", "text"]


@pytest.mark.parametrize("name", ["a<b>c", "*a*", "`a`", "[a](b)", "_a_", "a\\*b", "a|b"])
def test_escaped_text_is_text(name: str) -> None:
    """A parser finds nothing but text, and that text is the name."""
    inline = MarkdownIt().parseInline(f"x {escaped(name)} y")[0].children or []
    assert {token.type for token in inline} <= {"text", "text_special"}
    assert "".join(token.content for token in inline) == f"x {name} y"


def test_a_table_has_a_cell_for_each_text_whatever_is_in_it() -> None:
    """Also a pipe, outside of code and inside; columns of numbers are aligned to the right."""
    cells = ["a|b", code("c|d"), "1 G"]
    found = GFM.parse("\n".join([*table_head(["", "entry"], ["FLOPs"]), table_row(cells)]))
    assert [token.content for token in found if token.type == "inline"] == ["", "entry", "FLOPs", "a|b", "`c|d`", "1 G"]
    heads = [token.attrs for token in found if token.type == "th_open"]
    assert heads == [{}, {}, {"style": "text-align:right"}]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_folded_section_is_a_summary_and_one_block_of_code(name: str) -> None:
    body = f"begin\n{shown(name)}\nend"
    blocks = GFM.parse(folded(name, body, status="over budget"))
    assert [token.type for token in blocks] == ["html_block", "fence", "html_block"]
    assert blocks[1].content == f"{body}\n"
    assert len(re.findall("<b>", blocks[0].content)) == 1


@given(st.lists(st.text(max_size=20)), st.integers(-10, 200))
def test_a_room_keeps_the_first_texts_that_fit_in_bytes(texts: list[str], size: int) -> None:
    kept = Room(size).fill(texts)
    assert kept == texts[: len(kept)]
    assert sum(len(text.encode()) + 1 for text in kept) <= max(size, 0)
    if len(kept) < len(texts):
        assert sum(len(text.encode()) + 1 for text in texts[: len(kept) + 1]) > size


def test_after_what_does_not_fit_nothing_does() -> None:
    """Four bytes and a newline fit into five; into the nothing that is left, not even an empty text with its own."""
    room = Room(5)
    assert room.fill(["four", "x"]) == ["four"]
    assert room.fill([""]) == []
