"""The pages of an index in a browser: layers, units, photographs, mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.explorer.conftest import INDEX, MARKUP, WAIT

Open = Callable[..., Any]


def tile(page: Any, channel: int) -> Any:
    return page.locator(f".tile[data-channel='{channel}']")


def order(page: Any) -> list[int]:
    """The channels of the tiles in sight, in their order."""
    tiles = page.locator(".tile")
    tiles.first.wait_for()
    return [int(one) for one in tiles.evaluate_all("all => all.map(one => one.dataset.channel)")]


def choose(page: Any, label: str, option: str) -> None:
    """Choose in a list that opens under a button."""
    page.locator(".field", has_text=label).locator(".select-button").click()
    page.get_by_role("option", name=option).first.click()


def drawn(page: Any, place: Any) -> None:
    """Wait until a tile has its picture."""
    place.first.wait_for()
    page.wait_for_function(
        "tile => getComputedStyle(tile).backgroundImage.startsWith('url')",
        arg=place.first.element_handle(),
    )
    address = place.first.evaluate("tile => tile.style.backgroundImage.slice(5, -2)")
    assert page.request.get(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + address).ok


def test_the_first_page_leads_to_an_index(opened: Open) -> None:
    page = opened("/")
    page.get_by_role("link", name=INDEX).click()
    page.wait_for_url("**/units?index=i0")
    page.get_by_role("heading", name="blocks.0").wait_for()
    for name, place in (("Photographs", "photographs/0"), ("Confusions", "confusions")):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**/{place}?index=i0")


def test_a_thousand_tiles_are_not_all_in_the_page(opened: Open) -> None:
    page = opened("/units/bn2.pre")
    page.get_by_text("1,280 units").wait_for()
    drawn(page, page.locator(".tile .sheet-tile"))
    assert page.locator(".tile").count() < 150
    page.keyboard.press("End")
    tile(page, 1279).wait_for()
    assert tile(page, 0).count() == 0
    tile(page, 1279).click()
    page.get_by_role("heading", name="bn2.pre:1279").wait_for()
    assert page.evaluate("scrollY") == 0
    page.go_back()
    tile(page, 1279).wait_for()


def test_tiles_are_sorted_and_found(opened: Open) -> None:
    page = opened("/units/global_pool")
    assert order(page)[:3] == [0, 1, 2]
    choose(page, "Sort by", "Strength")
    page.wait_for_url("**sort=strength**")
    values = page.locator(".tile .tile-note").all_inner_texts()
    highest = [float(text.removeprefix("up to ")) for text in values if text.startswith("up to")]
    assert highest == sorted(highest, reverse=True) and len(highest) > 20
    choose(page, "Sort by", "Class pushed up")
    page.wait_for_url("**sort=class**")
    page.get_by_role("textbox", name="Find").fill(" 281")
    page.wait_for_function("() => document.querySelectorAll('.tile').length < 40")
    assert all(
        MARKUP in text for text in page.locator(".tile .tile-note:last-child").all_inner_texts()
    )
    page.get_by_role("textbox", name="Find").fill("12")
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 1")
    assert order(page) == [12]


def test_tiles_show_filters_and_what_they_make_of_a_photograph(opened: Open) -> None:
    page = opened("/units/blocks.0")
    choose(page, "Show", "Filters")
    page.wait_for_url("**show=filters**")
    drawn(page, page.locator(".tile .pixels"))
    choose(page, "Show", "Activation of a photograph")
    page.locator(".picker-image").nth(1).click()
    page.wait_for_url("**photo=**")
    page.get_by_text("of its highest").first.wait_for()
    drawn(page, page.locator(".tile .pixels"))
    choose(page, "Sort by", "Answer to a photograph")
    page.wait_for_url("**sort=photograph**")
    notes = page.locator(".tile .tile-note", has_text="of its highest").all_inner_texts()
    shares = [float(text.split()[0].replace(",", "")) for text in notes]
    assert shares == sorted(shares, reverse=True) and len(shares) > 5


def test_keys_walk_through_tiles_units_and_layers(opened: Open) -> None:
    page = opened("/units/blocks.4")
    order(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.wait_for_function("() => document.activeElement?.dataset.channel === '1'")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="blocks.4:1", exact=True).wait_for()
    page.keyboard.press("j")
    page.get_by_role("heading", name="blocks.4:2", exact=True).wait_for()
    page.keyboard.press("]")
    page.get_by_role("heading", name="bn2.pre:2", exact=True).wait_for()
    page.keyboard.press("k")
    page.keyboard.press("[")
    page.get_by_role("heading", name="blocks.4:1", exact=True).wait_for()
    page.get_by_role("link", name="All of blocks.4").click()
    page.wait_for_url("**/units/blocks.4?**")
    page.keyboard.press("[")
    page.wait_for_url("**/units/blocks.0?**")


def test_a_patch_of_a_unit_is_seen_in_its_photograph_and_explained(opened: Open) -> None:
    page = opened("/units/blocks.4/3")
    strongest = page.get_by_role("region", name="Strongest patches")
    drawn(page, strongest.locator(".sheet-tile"))
    before = strongest.locator(".sheet-tile").first.evaluate("tile => tile.style.backgroundImage")
    page.get_by_role("button", name="Where it is active").click()
    page.wait_for_url("**view=mask**")
    after = strongest.locator(".sheet-tile").first.evaluate("tile => tile.style.backgroundImage")
    assert before != after
    drawn(page, strongest.locator(".sheet-tile"))
    strongest.locator("button").nth(1).click()
    page.wait_for_url("**patch=top.1**")
    chosen = page.get_by_role("region", name="The chosen patch")
    assert re.search(r"blocks\.4:3@\d+,\d+", chosen.inner_text())
    assert MARKUP in chosen.inner_text()
    chosen.get_by_role("button", name="Deconvnet").click()
    chosen.locator(".run-view .panel").first.wait_for(timeout=2 * WAIT)
    chosen.locator("p a").first.click()
    page.wait_for_url("**/photographs/**")


def test_a_note_is_kept(opened: Open) -> None:
    page = opened("/units/blocks.4/5")
    page.get_by_role("textbox", name="Your note").fill(f"edges {MARKUP}")
    page.get_by_role("button", name="Save the note").click()
    page.get_by_text("Saved in the index.").wait_for()
    page.reload()
    page.get_by_role("textbox", name="Your note").wait_for()
    assert page.get_by_role("textbox", name="Your note").input_value() == f"edges {MARKUP}"
    assert page.locator("img[src=x]").count() == 0


def test_what_feeds_a_unit_leads_to_other_units(opened: Open) -> None:
    page = opened("/units/blocks.4/3")
    feeds = page.get_by_role("region", name="What feeds it")
    feeds.locator("a").first.wait_for()
    name = feeds.locator("a").first.get_attribute("title")
    assert name.startswith("blocks.0:")
    assert page.get_by_role("list", name="Pushes up").locator("li").count() > 3
    feeds.locator("a").first.click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def test_a_mistake_is_found_and_explained(opened: Open) -> None:
    """Why was this photograph mistaken?"""
    page = opened("/confusions")
    pair = page.locator(".confused").first
    pair.locator(".map img").nth(1).wait_for()
    assert MARKUP in pair.locator("h2").inner_text()
    assert pair.get_by_text("would have to answer less").is_visible()
    pair.get_by_role("link", name="Explain this error").click()
    page.wait_for_url("**/photographs/*#why")
    why = page.get_by_role("region", name="Why it was mistaken")
    why.locator(".map img").nth(1).wait_for()
    why.locator(".unit-tile").first.wait_for()
    assert page.evaluate("scrollY") > 100


def test_a_photograph_tells_what_decided(opened: Open) -> None:
    page = opened("/photographs/0")
    page.get_by_role("list", name="Predictions").wait_for()
    page.locator(".photograph-tools .select-button").click()
    page.get_by_role("option", name=MARKUP).first.click()
    page.wait_for_url("**map=**")
    page.locator(".photograph-main .map img").wait_for()
    decided = page.get_by_role("region", name="Units that decided")
    assert "this is the score" in decided.inner_text()
    decided.get_by_role("button", name="blocks.4").click()
    assert decided.locator("a").first.get_attribute("title").startswith("blocks.4:")
    near = page.get_by_role("region", name="Nearest by pixels").locator("a")
    assert near.count() == 5
    page.keyboard.press("j")
    page.wait_for_url("**/photographs/1?**")
    page.keyboard.press("k")
    page.wait_for_url("**/photographs/0?**")
    page.get_by_role("button", name="Saliency").click()
    page.wait_for_url("**/lab?technique=saliency**")
    page.locator(".transport-state", has_text="Done").wait_for(timeout=2 * WAIT)


def test_what_is_not_there_is_told(opened: Open) -> None:
    for path, text in (
        ("/units/blocks.0/999", "no 999"),
        ("/units/nothing", "no layer nothing"),
        ("/photographs/77", "no 77"),
    ):
        page = opened(path)
        page.get_by_role("alert").get_by_text(text).wait_for()
