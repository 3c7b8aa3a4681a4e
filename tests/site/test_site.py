"""A whole site of a small network: complete, alive offline, and the same after any kill."""

from __future__ import annotations

import base64
import io
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.microscope import Microscope, Show, Unit
from convscope.site.folder import SiteFolder
from convscope.site.site import Site
from tests.helpers.collections import Make, paint
from tests.helpers.told import NOTE, Told

HARM = '<img src=x onerror="document.title=1">'


class Links(HTMLParser):
    """All that a page names, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def scope(make: Make, own: cs.Network, tmp_path: Path) -> Told:
    """Two layers of a small network, over six photographs whose names would do harm."""
    folder = tmp_path / "<b>photos"
    for seed in range(6):
        name = f"{HARM.replace('/', '')} {seed}.png" if seed == 2 else f"photo %41#{seed}.png"
        paint(folder / f"kind {seed % 2}" / name, seed, (40 + seed, 30))
    return Told(own, make(folder=folder, layers=("blocks.0", "doubled")))


@pytest.fixture
def site(scope: Told, tmp_path: Path) -> Path:
    return Site(scope, tmp_path / "site").result()


def content(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def check_links(site: Path) -> None:
    """Follow all links from the first page on, without a server and without the network."""
    seen, waiting = set[Path](), [site / "index.html"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        if page.suffix != ".html":
            continue
        for link in Links(page.read_text("utf-8")).links:
            parts = urlsplit(link)
            if link.startswith(("#", "data:")):
                continue
            assert not parts.scheme and not parts.netloc and not link.startswith("/"), link
            target = (page.parent / unquote(parts.path)).resolve()
            assert target.is_file(), f"{link} on {page.relative_to(site)}"
            assert target.is_relative_to(site.resolve())
            waiting.append(target)
    kept = {
        site / name for name in content(site) if not name.startswith(("receipts/", "site.json"))
    }
    assert kept - seen == {site / "names.js", site / ".nojekyll"}  # for the script, and a server


def test_every_link_leads_to_a_file_and_every_file_has_a_link(site: Path) -> None:
    check_links(site)


def test_pages_and_pictures(site: Path, scope: Told) -> None:
    found = content(site)
    for layer in scope.layers:
        dead = scope.layer(layer.name).dead
        for channel in range(layer.channels):
            assert f"units/{layer.name}/{channel}.html" in found
            assert (f"units/{layer.name}/{channel}.webp" in found) == (not dead[channel])
    for row in range(6):
        assert f"photographs/{row}.html" in found
        with Image.open(site / "photographs" / f"{row}.webp") as opened:
            assert opened.size[0] == pytest.approx(40 + int(scope.index.paths[row][-5]), abs=1)


def test_a_page_says_what_is_known(site: Path, scope: Told) -> None:
    unit = scope.unit("blocks.0", 1)
    page = Links((site / "units" / "blocks.0" / "1.html").read_text("utf-8"))
    for text in (
        "blocks.0:1",
        NOTE,
        "doubled:1",
        "Pushed up",
        "deconvnet",
        "saliency",
        "previous unit",
        "next unit",
    ):
        assert text in page.text
    for patch in (*unit.top, *unit.bottom):
        assert page.links.count(f"../../photographs/{patch.row}.html") >= 1
    assert "<b>photos" in page.text
    text = (site / "photographs" / "1.html").read_text("utf-8")
    assert "Why it was taken for b" in text
    assert all(
        "<img src=x" not in page.decode() for page in content(site).values() if page[:1] == b"<"
    )


def test_the_rest_is_dimmed_where_the_unit_is_not_active(site: Path, scope: Told) -> None:
    unit = scope.unit("blocks.0", 1)
    text = (site / "units" / "blocks.0" / "1.html").read_text("utf-8")
    files = [base64.b64decode(one) for one in re.findall('data:image/png;base64,([^"]*)', text)]
    for patch, mask, file in zip(unit.patches, scope.masks(unit.patches), files, strict=True):
        assert mask[patch.position]
        with Image.open(io.BytesIO(file)) as opened:
            opacity = np.asarray(opened.convert("RGBA"))[..., 3]
        np.testing.assert_array_equal(opacity, np.where(mask, 0, 255))


def test_what_excites_a_unit_in_its_strongest_photograph(
    scope: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deconvnet for a unit that sees 5 of 32 pixels, guided backpropagation for 9 of them."""
    monkeypatch.setattr("convscope.site.seen.SMALL", 0.2)
    site = Site(scope, tmp_path / "site").result()
    deep: tuple[Show, ...] = ("guided", "saliency")
    for layer, shows in (("blocks.0", ("deconvnet", "saliency")), ("doubled", deep)):
        text = (site / "units" / layer / "1.html").read_text("utf-8")
        files = re.findall('data:image/webp;base64,([^"]*)', text)
        for show, file in zip(shows, files, strict=True):
            (expected,) = scope.pictures(scope.unit(layer, 1).top[:1], show)
            with Image.open(io.BytesIO(base64.b64decode(file))) as opened:
                assert max(opened.size) == 128
                found = opened.convert("RGB").resize(expected.shape[1::-1], Image.Resampling.BOX)
            assert np.abs(np.asarray(found, float) - expected).mean() < 25  # WebP is not exact


def test_units_that_look_alike(site: Path, scope: Told) -> None:
    """Those of the site that are alive, of all that are as near as others."""
    page = (site / "units" / "doubled" / "3.html").read_text("utf-8")
    part = page.split("Units whose images look alike")[1].split("<section>")[0]
    shown = [link for link in Links(part).links if link.endswith(".html")]
    names = [one.name.removesuffix(".pre") for one in scope.layers]
    every = [(name, channel) for name in names for channel in range(scope.layer(name).high.size)]
    living = [unit for unit in every if not scope.layer(unit[0]).dead[unit[1]]]
    near = [unit for unit in living if unit != ("doubled", 3)][:12]
    assert [link.split("/")[-2:] for link in shown] == [[n, f"{c}.html"] for n, c in near]


def test_a_photograph_that_is_gone_is_shown_as_the_index_has_it(
    scope: Told, tmp_path: Path
) -> None:
    for row in range(6):
        (scope.index.folder / scope.index.paths[row]).unlink()
    site = Site(scope, tmp_path / "site").result()
    with Image.open(site / "photographs" / "0.webp") as opened:
        assert opened.size == (40 + int(scope.index.paths[0][-5]), 30)
        middle = np.asarray(opened.crop((16, 8, 26, 22)).convert("L"), float)
    assert np.ptp(middle) > 20


def test_some_layers(scope: Told, tmp_path: Path) -> None:
    site = Site(scope, tmp_path / "site", ["doubled"]).result()
    assert not (site / "units" / "blocks.0").exists()
    page = Links((site / "units" / "doubled" / "0.html").read_text("utf-8"))
    assert "blocks.0:0" in page.text
    assert not any("blocks.0" in link for link in page.links)
    with pytest.raises(cs.ConvscopeError, match=r"has no layer 'blocks\.9'"):
        Site(scope, tmp_path / "site", ["blocks.9"])
    with pytest.raises(cs.ConvscopeError, match="is a site of other layers"):
        Site(scope, tmp_path / "site").result()


def test_without_labels_there_are_no_confusions(
    own: cs.Network, make: Make, tmp_path: Path
) -> None:
    """The microscope itself, for an index of two loose pictures and one layer."""
    for seed in range(2):
        paint(tmp_path / "loose" / f"{seed}.png", seed)
    scope = Microscope(own, make(folder=tmp_path / "loose", layers=("blocks.0",)))
    site = Site(scope, tmp_path / "site").result()
    assert not (site / "confusions.html").exists()
    assert "blocks.0:1" in Links((site / "units/blocks.0/1.html").read_text("utf-8")).text
    check_links(site)


def test_of_a_large_collection_only_photographs_on_other_pages(
    scope: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.site.site.ALL", 5)
    monkeypatch.setattr(Told, "unit", lambda *unit: _only_two(Microscope.unit(*unit)))
    site = Site(scope, tmp_path / "site").result()
    assert {file.name for file in (site / "photographs").glob("*.html")} == {"1.html", "4.html"}
    page = Links((site / "photographs.html").read_text("utf-8"))
    assert "2 of 6 photographs: those that the pages of units show" in page.text
    check_links(site)


def _only_two(unit: Unit) -> Unit:
    kept = tuple(replace(unit.top[0], row=row) for row in (1, 4))
    return replace(unit, top=kept, bottom=kept[::-1], across=kept)


def test_again_does_nothing_and_says_so(
    site: Path, scope: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(site)
    monkeypatch.setattr(SiteFolder, "write", lambda *_: pytest.fail("it wrote"))
    (progress,) = Site(scope, site)
    assert (
        progress.done == progress.total == len([name for name in before if name.endswith(".html")])
    )
    assert content(site) == before


def test_a_new_note_changes_its_page(
    site: Path, scope: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(site)
    monkeypatch.setattr(Told, "note", lambda *unit: "new" if unit[2] == 0 else "")
    Site(scope, site).result()
    after = content(site)
    changed = {name for name in after if after[name] != before[name] and name.endswith(".html")}
    units = {f"units/{layer.name}/{channel}.html" for layer in scope.layers for channel in (0, 1)}
    assert changed == units
    assert "new" in Links((site / "units/doubled/0.html").read_text("utf-8")).text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_and_resumed(site: Path, scope: Told, tmp_path: Path) -> None:
    """A process is killed while it makes its n-th part; the next one ends in the same bytes."""
    whole, path = content(site), tmp_path / "killed"
    for moment in (1, 2, 1, 3):
        child = os.fork()
        if not child:
            try:
                for number, _ in enumerate(Site(scope, path)):
                    if number == moment:
                        os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        assert len(content(path)) < len(whole)
    Site(scope, path).result()
    assert content(path) == whole


# -------------------------------------------------------------------------------- one file


@pytest.fixture
def file(scope: Told, tmp_path: Path) -> Path:
    return Site(scope, tmp_path / "site.html").result()


def test_one_file_needs_no_other(file: Path, site: Path) -> None:
    page = Links(file.read_text("utf-8"))
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith("data:") or (link[0] == "#" and unquote(link[1:]) in page.ids), link
    pages = {name.removesuffix(".html") for name in content(site) if name.endswith(".html")}
    assert pages <= set(page.ids)
    found = content(site)
    inside = sum(text.count(b"data:image/webp") for text in found.values())
    pictures = len([name for name in found if name.endswith(".webp")])
    assert file.read_text("utf-8").count("data:image/webp") == pictures + inside


def test_one_file_replaces_itself_and_nothing_else(scope: Told, file: Path) -> None:
    before = file.read_bytes()
    Site(scope, file).result()
    assert file.read_bytes() == before
    file.write_text("precious")
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        Site(scope, file).check()


def test_one_file_is_for_small_networks(
    scope: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.site.onefile.UNITS", 23)
    with pytest.raises(cs.ConvscopeError, match="one file shows at most 23 units of these layers"):
        Site(scope, tmp_path / "site.html").check()
    Site(scope, tmp_path / "site.html", ["doubled"]).check()
    monkeypatch.setattr("convscope.site.onefile.PHOTOGRAPHS", 5)
    with pytest.raises(cs.ConvscopeError, match="at most 5 photographs, not 6"):
        Site(scope, tmp_path / "site.html", ["doubled"]).check()


# ------------------------------------------------------------------------------ in a browser


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    tab.problems = []
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    yield tab
    assert not tab.problems
    tab.close()


PAGES = (
    "index", "layers/blocks.0", "units/blocks.0/1", "photographs/1", "photographs", "map",
    "confusions",
)  # fmt: skip


def test_pages_are_accessible_on_every_screen(site: Path, tab: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for address in PAGES:
        tab.goto((site / f"{address}.html").as_uri())
        for scheme in ("dark", "light"):
            tab.emulate_media(color_scheme=scheme)
            assert axe.run(tab).response["violations"] == [], address
        for width in (1280, 820, 390):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter(one => one.complete && !one.naturalWidth).length"
        assert tab.evaluate(broken) == 0


def test_tiles_are_sorted_and_keys_lead_on(site: Path, tab: Any, scope: Told) -> None:
    tab.goto((site / "layers" / "blocks.0.html").as_uri())
    tab.get_by_label("Sort by").select_option("high")
    shown = tab.locator("[data-tiles] > li").evaluate_all(
        "all => all.map(one => +one.dataset.high)"
    )
    assert shown == sorted(scope.layer("blocks.0").high.tolist(), reverse=True)
    tab.keyboard.press("j")  # in the menu, keys are the menu's
    tab.locator("body").click(position={"x": 5, "y": 5})
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    second = tab.locator("[data-tiles] a").nth(1)
    assert second.evaluate("one => one === document.activeElement")
    tab.keyboard.press("]")
    tab.wait_for_url("**/layers/doubled.html")
    tab.keyboard.press("[")
    tab.wait_for_url("**/layers/blocks.0.html")


def test_the_search_finds_units_and_photographs(site: Path, tab: Any) -> None:
    tab.goto((site / "units" / "blocks.0" / "1.html").as_uri())
    tab.keyboard.press("/")
    tab.keyboard.type("doubled:3")
    tab.locator(".found a", has_text="doubled:3").wait_for()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/units/doubled/3.html")
    tab.get_by_label("Search").fill("onerror")
    found = tab.locator(".found a")
    found.first.wait_for()
    assert "<img src=x" in found.first.inner_text()
    assert tab.title() != "1"
    found.first.click()
    tab.wait_for_url("**/photographs/*.html")


def test_a_link_is_copied(site: Path, tab: Any) -> None:
    address = (site / "units" / "blocks.0" / "1.html").as_uri()
    tab.goto(address)
    tab.evaluate("navigator.clipboard.writeText = async text => { window.copied = text; }")
    tab.get_by_role("button", name="copy link").click()
    tab.get_by_role("button", name="copied").wait_for()
    assert tab.evaluate("window.copied") == address


def test_what_a_page_says_of_itself(site: Path, tab: Any) -> None:
    tab.goto((site / "units" / "blocks.0" / "1.html").as_uri())
    said = {
        name: tab.locator(f"meta[name='{name}'], meta[property='{name}']").get_attribute("content")
        for name in ("description", "og:title", "og:description")
    }
    assert said["og:title"] == tab.title() == "blocks.0:1 - Own on <b>photos"
    assert said["description"] == said["og:description"]
    assert said["description"].startswith("What unit blocks.0:1 of Own wants to see")


def test_patches_are_shown_in_three_ways(site: Path, tab: Any) -> None:
    tab.goto((site / "units" / "blocks.0" / "1.html").as_uri())
    parts = {
        name: tab.locator(f".patches .{name}").first
        for name in ("crop", "whole", "rest", "outline")
    }

    def visible() -> list[str]:
        return [name for name, part in parts.items() if part.is_visible()]

    assert visible() == ["crop"]
    tab.get_by_label("the rest dimmed").check()
    assert visible() == ["whole", "rest"]
    tab.get_by_label("the whole photograph").check()
    assert visible() == ["whole", "outline"]


def test_crops_are_gray_where_the_network_sees_nothing(site: Path, tab: Any, scope: Told) -> None:
    """Of photographs wider than high, the network sees the square in the middle."""
    beyond = 0
    for channel in range(12):
        tab.goto((site / "units" / "doubled" / f"{channel}.html").as_uri())
        for patch, crop in zip(
            scope.unit("doubled", channel).top, tab.locator(".patches svg.crop").all(), strict=False
        ):
            width = 40 + int(scope.index.paths[patch.row][-5])
            outside = (width - 30) / 2 - patch.box.left  # pixels at the left, one more or less
            if outside < 2 or patch.box.left < 0:
                continue
            shown = np.asarray(Image.open(io.BytesIO(crop.screenshot())).convert("RGB"), float)
            edge, pixel = outside / patch.box.width * shown.shape[1], shown.shape[1] / 8
            far = np.abs(shown[10:-10] - 128).mean((0, 2))
            assert far[3 : int(edge - pixel)].max() < 2
            assert far[int(edge + pixel) :].max() > 10
            beyond += 1
    assert beyond


def test_readable_without_javascript(site: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((site / "layers" / "blocks.0.html").as_uri())
    assert not tab.locator("select").is_visible()
    tab.locator("[data-tiles] a").nth(1).click()
    tab.wait_for_url("**/units/blocks.0/1.html")
    tab.locator(".patches a").first.click()
    tab.wait_for_url("**/photographs/*.html")
    assert tab.locator("h1").is_visible()
    context.close()


def test_the_one_file_in_a_browser(file: Path, tab: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for address, heading in (("", "Own on <b>photos"), ("#units/blocks.0/1", "blocks.0:1")):
        tab.goto(file.as_uri() + address)
        assert tab.locator("h1:visible").all_inner_texts() == [heading]
    tab.get_by_role("link", name="next unit").click()
    assert tab.locator("h1:visible").all_inner_texts() == ["blocks.0:2"]
    assert tab.locator(".patches:visible svg.crop").first.bounding_box()["width"] > 40
    tab.keyboard.press("/")
    tab.keyboard.type("doubled:3")
    tab.keyboard.press("Enter")
    assert tab.locator("h1:visible").all_inner_texts() == ["doubled:3"]
    assert tab.locator(".found a").count() == 0
    assert axe.run(tab).response["violations"] == []
