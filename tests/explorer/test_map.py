"""The map of a collection in a browser. Its photographs are squares, each of a color of its own, so
that pixels tell which photograph is seen."""

from __future__ import annotations

import io
import json
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.collection import cached_layout
from convscope.testing import small_network
from convscope.types import Array
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.explorer.conftest import MARKUP, STATIC, Explorer
from tests.explorer.test_pages import AXE, PAINTED
from tests.helpers.collections import square_color, squares
from tests.helpers.explorer import served

Open = Callable[..., Any]

COUNT = 60

LABELS = ("circle", MARKUP, "square")

SMALL = {"name": "convscope.testing:small_network", "device": "cpu"}

CLOSE = 24  # steps of a color that a JPEG may change; two squares differ by 51


@pytest.fixture(scope="module")
def flags(flags: str) -> str:
    """Chromium draws WebGL without a graphics card."""
    return f"{flags} --use-angle=swiftshader --enable-unsafe-swiftshader"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> cs.Index:
    folder = tmp_path_factory.mktemp("map")
    photographs = squares(folder / "photographs", COUNT, LABELS)
    made = cs.index(small_network(), photographs, folder / "index", workers=0).result()
    cached_layout(made, "pca")
    return made


@pytest.fixture(scope="module")
def explorer(
    browser: Any, index: cs.Index, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explorer]:
    if not (STATIC / "index.html").is_file():
        pytest.skip("the explorer's pages are not built (pip install -e . builds them)")
    options = Options({"n0": SMALL}, {"i0": index.path})
    with served(tmp_path_factory.mktemp("runs"), main=main, options=options) as visitor:
        visitor.get("indexes/i0/map")  # the worker has begun
        yield Explorer(visitor.access.address, browser, 0)


def address(**wanted: str) -> str:
    return "/map?" + urllib.parse.urlencode({"index": "i0", **wanted})


def drawn(page: Any) -> Any:
    """The page, when all photographs in view are on the map and in the list."""
    page.locator(".map-stage[data-drawn]").wait_for()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)  # the map rests, then draws what has come
    return page


def pixels(shown: Any, **options: Any) -> Array:
    """What a page or a part of it looks like: (height, width, 3)."""
    with Image.open(io.BytesIO(shown.screenshot(**options))) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def colors(index: cs.Index) -> Array:
    """The color of each photograph, which its name says."""
    return np.array([square_color(int(Path(path).stem)) for path in index.paths])


def places(picture: Array, index: cs.Index) -> dict[int, tuple[float, float]]:
    """Where the photographs are on a picture of the map, by their colors: x and y."""
    found = {}
    for row, color in enumerate(colors(index)):
        y, x = np.nonzero((abs(picture - color) <= CLOSE).all(2))
        if len(x) > 400:  # not a letter
            found[row] = (float(np.median(x)), float(np.median(y)))
    return found


def point(page: Any, x: float, y: float) -> None:
    """Move the pointer to a place of the map."""
    box = page.locator(".map-stage").bounding_box()
    page.mouse.move(float(box["x"] + x), float(box["y"] + y))


def away(page: Any) -> None:
    """Take the pointer off the map."""
    page.mouse.move(700, 20)
    page.wait_for_timeout(100)


def check_under_pointer(page: Any, index: cs.Index, points: int = 9) -> set[int]:
    """What is seen at a point is what the pointer finds there, and what its card shows."""
    away(page)
    stage = page.locator(".map-stage")
    picture, own = pixels(stage), colors(index)
    chance = np.random.default_rng(3)
    seen = set()
    for y, x in chance.permutation(np.argwhere(np.ones(picture.shape[:2], bool)[::7, ::7]) * 7):
        around = picture[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].reshape(-1, 3)
        if (abs(around - picture[y, x]) > 8).any() or not 60 < y < len(picture) - 60:
            continue  # at an edge
        match = np.flatnonzero((abs(own - picture[y, x]) <= CLOSE).all(1))
        if len(match) != 1 or x < 230:
            continue  # paper, or the legend
        point(page, x, y)
        card = page.locator(f".map-hover[data-row='{match[0]}']")
        card.wait_for()
        seen.add(int(match[0]))
        if len(seen) % 3 == 0:
            card.locator("img").evaluate("image => image.decode()")
            box = card.locator("img").bounding_box()
            clip = {"x": box["x"] + 48, "y": box["y"] + 48, "width": 2, "height": 2}
            assert abs(pixels(page, clip=clip) - own[match[0]]).max() <= CLOSE
        if len(seen) >= points:
            break
    assert len(seen) >= 3
    return seen


def check_list(page: Any, index: cs.Index) -> list[int]:
    """Each photograph of the list is the one that it says it is; the rows of those on the page."""
    own, found = colors(index), []
    for tile in page.locator(".map-tile").all():
        row = int(tile.get_attribute("data-row"))
        found.append(row)
        if len(found) <= 3:
            assert abs(pixels(tile.locator("img"))[48, 48] - own[row]).max() <= CLOSE
    return found


# ------------------------------------------------------------------ the right image


@pytest.mark.parametrize("layout", ["order", "pca"])
def test_the_image_under_the_pointer_is_the_one_that_is_seen(
    opened: Open, index: cs.Index, layout: str
) -> None:
    page = drawn(opened(address(layout=layout, color="label")))
    check_under_pointer(page, index)
    page.get_by_role("button", name="Closer").click()
    check_under_pointer(drawn(page), index, 4)


def test_the_right_image_after_filter_sort_and_lasso(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order", color="label", sort="path", down="1")))
    away(page)
    before = places(pixels(page.locator(".map-stage")), index)
    assert len(before) == COUNT

    page.get_by_role("button", name="circle").click()
    seen = check_under_pointer(drawn(page), index)
    assert {index.folders[row] for row in seen} == {"circle"}
    away(page)
    after = places(pixels(page.locator(".map-stage")), index)
    circles = {row for row, label in enumerate(index.folders) if label == "circle"}
    assert set(after) == circles

    page.get_by_role("radio", name="Rectangle").click()
    left, top, right, bottom = 240, 120, 560, 560
    point(page, left, top)
    page.mouse.down()
    point(page, 300, 300)
    point(page, right, bottom)
    page.mouse.up()
    inside = {
        row for row in circles if left < after[row][0] < right and top < after[row][1] < bottom
    }
    assert 2 <= len(inside) < len(circles)
    page.get_by_text(f"{len(inside)} photographs chosen").wait_for()
    listed = check_list(drawn(page), index)
    assert listed == sorted(inside, key=lambda row: index.paths[row], reverse=True)
    # The others are dimmed, not gone; what is under the pointer stays what it was.
    for row in list(inside)[:3] + list(circles - inside)[:3]:
        point(page, after[row][0], after[row][1])
        page.locator(f".map-hover[data-row='{row}']").wait_for()

    # The address has it all: the same photographs, seen in another layout.
    other = drawn(opened("/map?" + urllib.parse.urlsplit(page.url).query))
    assert check_list(other, index) == listed
    other.get_by_role("button", name="Layout").click()
    other.get_by_role("option", name="PCA").click()
    drawn(other)
    assert check_list(other, index) == listed
    check_under_pointer(other, index, 4)


def test_a_lasso_chooses_what_lies_inside(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order", color="none")))
    away(page)
    where = places(pixels(page.locator(".map-stage")), index)
    page.get_by_role("radio", name="Lasso").click()
    x, y, radius = 450.0, 380.0, 150.0
    point(page, x + radius, y)
    page.mouse.down()
    for angle in np.linspace(0, 2 * np.pi, 40):
        point(page, x + radius * np.cos(angle), y + radius * np.sin(angle))
    page.mouse.up()
    far = {row: np.hypot(px - x, py - y) for row, (px, py) in where.items()}
    inside = {row for row, distance in far.items() if distance < radius - 3}
    near = {row for row, distance in far.items() if distance < radius + 3}
    page.get_by_text("photographs chosen").wait_for()
    listed = set(check_list(drawn(page), index))
    assert inside <= listed <= near


def test_neighbors_of_a_click_by_pixels(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order", color="none")))
    away(page)
    where, own = places(pixels(page.locator(".map-stage")), index), colors(index)
    row = 21
    point(page, *where[row])
    page.mouse.down()
    page.mouse.up()
    page.locator(".map-card").get_by_role("button", name="Nearest by pixels").click()
    page.get_by_text("25 photographs nearest by pixels").wait_for()
    listed = check_list(drawn(page), index)
    distances = np.linalg.norm((own - own[row]).astype(float), axis=1)
    assert listed[0] == row
    assert distances[listed] == pytest.approx(np.sort(distances)[: len(listed)], abs=3)
    page.locator(".map-card").get_by_role("link", name="Open").click()
    page.wait_for_url(f"**/photographs/{row}?index=i0")


def test_search_dims_the_others(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order", color="none")))
    page.get_by_role("searchbox").fill("square/05")
    page.get_by_text(f"{sum('square/05' in path for path in index.paths)} photograph").wait_for()
    assert {index.paths[row] for row in check_list(drawn(page), index)} == {
        path for path in index.paths if "square/05" in path
    }


def test_a_filter_by_numbers(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order")))
    page.get_by_role("button", name="Filter").click()
    sizes = index.images["size"].to_pylist()
    limit = sorted(sizes)[COUNT // 2]
    box = page.get_by_role("group", name="Size in bytes").get_by_role("textbox", name="From")
    box.fill(str(limit))
    box.press("Tab")
    page.get_by_role("button", name="Done").click()
    left = sum(size >= limit for size in sizes)
    page.get_by_role("status").filter(has_text=f"{left} photographs").wait_for()
    assert all(sizes[row] >= limit for row in check_list(drawn(page), index))


# ------------------------------------------------------------------ how it is used


def test_everything_can_be_done_by_keys(opened: Open, index: cs.Index) -> None:
    page = drawn(opened(address(layout="order")))
    page.locator(".map-stage").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**view=0.*1.500")
    page.locator(".map-list").focus()
    page.keyboard.press("ArrowRight")
    option = page.locator(".map-tile[data-active]")
    second = int(option.get_attribute("data-row"))
    assert page.locator(".map-list").get_attribute("aria-activedescendant") == option.get_attribute(
        "id"
    )
    page.locator(".map-mark:not([hidden])").wait_for()
    page.keyboard.press(" ")
    page.keyboard.press("ArrowRight")
    third = int(page.locator(".map-tile[data-active]").get_attribute("data-row"))
    page.keyboard.press(" ")
    page.wait_for_url(f"**chosen=rows%3A{second}%2C{third}*")
    page.get_by_text("2 photographs chosen").wait_for()
    assert page.locator(".map-tile[aria-selected=true]").count() == 2
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/photographs/{second}?index=i0")


def test_the_legend_folds_and_leaves_the_map_to_the_pointer(opened: Open) -> None:
    page = drawn(opened(address(layout="order", color="label")))
    legend = page.locator(".map-legend")
    box = legend.bounding_box()
    x, y = box["x"] + box["width"] - 8, box["y"] + box["height"] - 8
    on_top = f"document.elementFromPoint({x}, {y}).closest('.map-legend') !== null"
    assert page.evaluate(on_top)
    legend.get_by_role("heading").click()
    page.get_by_role("button", name="circle").wait_for(state="hidden")
    assert not page.evaluate(on_top)
    legend.get_by_role("heading").click()
    page.get_by_role("button", name="circle").wait_for()


def test_a_layout_is_made_on_demand_and_says_how_good_it_is(opened: Open) -> None:
    page = drawn(opened(address(layout="isomap")))
    page.get_by_role("button", name="Lay it out by Isomap").click()
    page.get_by_text("Isomap: trustworthiness").wait_for()
    assert not page.get_by_text("has not been laid out").count()


def test_without_webgl_the_photographs_are_listed(opened: Open) -> None:
    page = opened("/runs")
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(page.url.replace("/runs", address()))
    page.get_by_text("This browser draws no WebGL").wait_for()
    page.get_by_text(f"{COUNT} photographs").wait_for()


def test_the_map_is_accessible_and_fits_every_width(opened: Open) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = drawn(opened(address(row="3", color="label"), color_scheme="dark", bypass_csp=True))
    assert page.locator("img[src=x]").count() == 0
    assert MARKUP in page.locator(".map-legend").inner_text()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.evaluate(PAINTED)
        check_accessible(page, axe)
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("dialog").wait_for()
        check_accessible(page, axe)
        page.get_by_role("button", name="Done").click()
    for width in (820, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def check_accessible(page: Any, axe: Any) -> None:
    found = axe.run(page, options=AXE).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
    assert not told, json.dumps(told, indent=1)
