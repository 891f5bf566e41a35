"""The how-to pages of packages that people install beside PyTorch, played with the real packages."""

from __future__ import annotations

import pytest
from pages import DOCS, Page

PACKAGES = {
    "pytorch": "torch",
    "timm": "timm",
    "transformers": "transformers",
    "lightning": "lightning",
    "diffusers": "diffusers",
    "ultralytics": "ultralytics",
    "pyg": "torch_geometric",
}
"""What each page needs."""


def test_every_how_to_is_played():
    assert {page.stem for page in DOCS.glob("howto/*.md")} == set(PACKAGES)


@pytest.mark.parametrize("page", PACKAGES)
@pytest.mark.filterwarnings("ignore")
def test_page(page, tmp_path, monkeypatch, capsys):
    pytest.importorskip(PACKAGES[page])
    monkeypatch.chdir(tmp_path)
    Page(DOCS / "howto" / f"{page}.md", tmp_path, capsys).play()
