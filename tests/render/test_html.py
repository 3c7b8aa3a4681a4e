"""Pages: any text passes, and each says who made it."""

from __future__ import annotations

from pathlib import Path

import pytest

import convscope
from convscope.render import html

SOURCE = Path(convscope.__file__).parent
# Parts of pages.
PARTS = ("parts.html", "section.html")
# But the page of the explorer, which is built and never written by users.
TEMPLATES = [
    file
    for file in SOURCE.rglob("*.html")
    if "{% extends" not in file.read_text("utf-8")
    and file.parent.name != "static"
    and file.name not in PARTS
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_every_template_makes_pages_that_are_known(template: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(template.read_bytes())
    assert html.is_page(page)
    page.write_text(f"<!doctype html>{'.' * 500}{html.MADE_BY}")
    assert not html.is_page(page), "only in its head"


def test_a_name_that_is_not_utf_8_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "files", lambda package: tmp_path)
    (tmp_path / "a.html").write_text("<p>{{ path }}</p>")
    page = html.fill_template("here", "a.html", path="\udcff<b>\u732b")
    assert page == "<p>\\udcff&lt;b&gt;\u732b</p>"
