"""A cost as people meet it: printed, and in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from torch import nn

from pytest_modelbudget import measure


class Cells(HTMLParser):
    """The texts of a page, by the tag that each is in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.tags[-1], data.strip(" \n")))


@pytest.fixture
def cost():
    """1x1 convolutions at 8 x 8 pixels: 64 * 3 * 4 and 64 * 4 * 5 multiply-adds, 12 and 20 parameters."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 5, 1, bias=False))
    return measure(model, res=8, device="T4")


def test_it_prints_as_its_table(cost):
    head, totals, _, *table = str(cost).splitlines()
    assert head == "Sequential at res 8, infer, T4. FLOPs as fvcore counts them: 1 multiply-add = 1."
    assert totals.startswith("flops 2.05 k, params 32, memory ")
    assert "estimated latency" in totals
    assert "\n".join(table) == cost.table()
    assert table[0].split() == ["module", "class", "FLOPs", "params", "activations", "share"]


def test_a_notebook_gets_a_table(cost):
    cells = Cells(cost._repr_html_())
    assert [text for tag, text in cells.texts if tag == "th"] == [
        "module", "class", "FLOPs", "params", "activations", "share",
    ]  # fmt: skip
    texts = [text for tag, text in cells.texts if tag == "td"]
    assert texts[0] == "Sequential"
    assert texts[6:12] == ["\N{NO-BREAK SPACE}" * 2 + "0", "Conv2d", "768", "12", "256", "38 %"]


def test_names_are_escaped():
    class Evil(nn.Linear):
        pass

    Evil.__name__ = Evil.__qualname__ = "<script>alert(1)</script>"
    model = nn.Sequential()
    model.add_module("<img src=x>", Evil(2, 2))
    page = measure(model, inputs=(1, 2))._repr_html_()
    assert "<script" not in page
    assert "<img" not in page


def test_what_was_not_counted_is_said():
    class Odd(nn.Module):
        def forward(self, x):
            return x.svd()[0]

    assert "not counted: " in str(measure(Odd, inputs=(3, 3)))
