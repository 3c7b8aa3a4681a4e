"""Every page in a browser: what it is for, its keys, and who can use it."""

from __future__ import annotations

import gzip
import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.conftest import MARKUP, STATIC, WAIT, Explorer

Open = Callable[..., Any]

PAGES = ["/", "/lab", "/composer", "/live", "/style", "/fool", "/model", "/runs"]
PAGES += ["/units/bn2.pre", "/units/blocks.4/3", "/photographs/0", "/confusions"]

# What must be there before a page is complete.
COMPLETE = {
    "/": ".picker-image",
    "/lab": ".preview .bars",
    "/composer": ".examples li",
    "/live": ".live-sheet",
    "/style": ".style-picture",
    "/fool": ".preview .bars",
    "/model": ".live-sheet",
    "/runs": "h1",
    "/units/bn2.pre": ".tile .sheet-tile",
    "/units/blocks.4/3": ".pushes .bars",
    "/photographs/0": "[aria-label='Nearest by pixels'] .sheet-tile",
    "/confusions": ".confused .map",
}


AXE = {"resultTypes": ["violations"]}  # what is right is not described node by node

# Colors of another scheme are there with the second repaint.
PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def complete(open_page: Open, path: str, **settings: Any) -> Any:
    page = open_page(path, **settings)
    page.locator(COMPLETE[path]).first.wait_for()
    return page


def test_runs_are_listed_canceled_run_again_and_deleted(opened: Open) -> None:
    slow = {"technique": "deepdream", "go": "1", "options": json.dumps({"steps": 9000})}
    first = opened("/lab?" + urllib.parse.urlencode(slow))
    first.wait_for_url("**run=**")
    page = opened("/runs")
    row = page.locator(".run-row", has_text="DeepDream").first
    row.get_by_role("button", name="Cancel").click()
    row.get_by_text("Canceled").wait_for()
    row.get_by_role("button", name="Resume").click()
    row.get_by_role("button", name="Cancel").click()
    count = page.locator(".run-row").count()
    row.get_by_role("button", name="Delete").click()
    page.locator(".run-row").nth(count - 1).wait_for(state="detached")


def test_a_paper_is_composed_changed_run_saved_and_opened(opened: Open, tmp_path: Path) -> None:
    page = complete(opened, "/composer")
    assert page.locator(".examples li").count() == 6
    page.locator(".examples button").first.click()
    page.get_by_role("textbox", name="Steps").fill("2")
    page.get_by_role("textbox", name="Steps").press("Tab")
    page.locator(".recipe-file pre", has_text="steps = 2").wait_for()
    run = page.get_by_role("button", name="Run", exact=True)
    box = run.bounding_box()
    assert box and box["y"] + box["height"] <= 900
    run.click()
    page.locator(".transport-state", has_text="Done").wait_for()
    assert "score" in page.locator(".panel-picture img").first.get_attribute("alt")
    with page.expect_download() as download:
        page.get_by_text("Save the recipe").click()
    assert download.value.suggested_filename == "recipe.toml"
    download.value.save_as(tmp_path / "recipe.toml")
    other = complete(opened, "/composer")
    with other.expect_file_chooser() as chooser:
        other.get_by_role("button", name="Open a recipe").click()
    chooser.value.set_files(tmp_path / "recipe.toml")
    other.locator(".recipe-file pre", has_text="steps = 2").wait_for()
    saved = (tmp_path / "recipe.toml").read_text()
    assert other.locator(".recipe-file pre").first.inner_text().strip() == saved.strip()


def test_a_word_takes_words(opened: Open) -> None:
    page = complete(opened, "/composer")
    page.locator(".examples button").first.click()
    page.locator(".term .select-button").first.click()
    page.get_by_role("option", name="each").click()
    page.get_by_role("button", name="Add one").click()
    page.get_by_role("group", name="Objectives").locator(".call").wait_for()
    page.wait_for_url("**each**")


def test_live_names_classes_and_walks_through_layers_and_units(opened: Open) -> None:
    page = complete(opened, "/live")
    assert MARKUP in page.locator(".bars").first.inner_text()
    layer = page.locator(".live-sheet").get_attribute("aria-label")
    page.keyboard.press("[")
    page.locator(f".live-sheet:not([aria-label='{layer}'])").wait_for()
    page.keyboard.press("j")
    page.get_by_text("Unit 0 of").wait_for()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("video").wait_for()
    page.locator(".live-over").wait_for()


def test_styles_blend(opened: Open) -> None:
    page = complete(opened, "/style")
    first = page.locator(".style-picture").get_attribute("src")
    page.get_by_role("slider", name="Mosaic").focus()
    page.keyboard.press("End")
    page.wait_for_function("s => document.querySelector('.style-picture').src !== s", arg=first)
    assert page.url.count("styles=")
    page.get_by_role("slider", name="the original").focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "() => document.querySelector('.style-picture').style.clipPath.includes('100%')"
    )


def test_a_network_is_fooled_while_its_confidence_is_drawn(opened: Open) -> None:
    page = complete(opened, "/fool")
    page.get_by_role("button", name="Fool it").click()
    page.locator(".curves canvas").first.wait_for(timeout=2 * WAIT)
    page.get_by_role("tab", name="One step").click()
    page.get_by_role("slider", name="Largest change").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**epsilon=0.25**")
    page.locator(".transport-state", has_text="Done").wait_for()
    assert page.locator(".panel-picture").count() == 3


def test_a_layer_of_the_model_shows_its_features(opened: Open) -> None:
    page = complete(opened, "/model")
    page.locator(".layer").nth(2).click()
    page.locator(".layer").nth(2).get_attribute("aria-pressed")
    page.locator(".live-sheet").wait_for()
    name = page.locator(".features h2").inner_text()
    page.locator(".live-sheet .grid").click(position={"x": 5, "y": 5})
    page.get_by_text("unit 0 look for?").wait_for()
    assert urllib.parse.quote(name) in page.url


def test_eight_windows_share_one_connection_and_hand_it_on(opened: Open) -> None:
    """A browser opens six connections to a server, which is fewer than these windows."""
    first, *others = (complete(opened, path) for path in ["/", *7 * ["/runs"]])
    first.goto("about:blank")  # it had the connection
    quick = {"technique": "saliency", "go": "1", "options": json.dumps({"target": "7"})}
    other = opened("/lab?" + urllib.parse.urlencode(quick))
    other.locator(".transport-state", has_text="Done").wait_for()
    for page in others:
        row = page.locator(".run-row", has_text="target 7").first
        row.get_by_text("Done").wait_for()


def test_search_and_help_open_by_keys_and_escape_goes_back(opened: Open) -> None:
    page = complete(opened, "/")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.keyboard.press("/")
    page.keyboard.type("occlusion")
    page.get_by_role("option", name="Occlusion").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lab?technique=**")
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "/lab" not in url)


def test_the_color_scheme_is_switched_and_kept(opened: Open) -> None:
    page = complete(opened, "/", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Use dark colors").click()
    page.get_by_role("button", name="Use light colors").wait_for()
    other = "light => getComputedStyle(document.body).backgroundColor !== light"
    page.wait_for_function(other, arg=light)
    page.reload()
    page.get_by_role("button", name="Use light colors").wait_for()
    page.wait_for_function(other, arg=light)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_fits_every_width_and_shows_names_as_text(
    opened: Open, path: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = complete(opened, path, color_scheme="dark", bypass_csp=True)
    assert page.locator("img[src=x]").count() == 0
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(PAINTED)
        found = axe.run(page, options=AXE).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
        assert not told, json.dumps(told, indent=1)
    for width in (820, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_open_page_is_in_sight_in_the_header(opened: Open) -> None:
    for path, name in (("/runs", "Runs"), ("/lab", "Lab")):
        page = complete(opened, path, viewport={"width": 390, "height": 844})
        box = page.get_by_role("navigation", name="Pages").get_by_role("link", name=name)
        place = box.bounding_box()
        assert place["x"] >= 0 and place["x"] + place["width"] <= 390


def test_the_first_page_is_small_and_asks_no_other_host(explorer: Explorer, opened: Open) -> None:
    page = complete(opened, "/")
    asked = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(address.startswith(explorer.origin) for address in asked)
    built = [urllib.parse.urlsplit(address).path for address in asked if "/assets/" in address]
    size = sum(len(gzip.compress((STATIC / path[1:]).read_bytes())) for path in built)
    assert built and size < 500_000
