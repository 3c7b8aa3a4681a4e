"""The page of a map: complete, safe whatever images are called, and alive in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.collection.exports import page
from convscope.collection.layout.grids import EMPTY, unique_grid

HOSTILE = [
    "</script><script>globalThis.caught = 1</script>",
    '"><img src=x onerror="globalThis.caught = 2">.jpg',
    "a\nb\tc\r.jpg",
    "'; globalThis.caught = 3; //",
    "猫 🐈 \u2028 \u2029 Größe.png",
    "caf\udce9.jpg",
    "<!-- <b>bold</b> {{ 7 * 7 }} {% raw %} ${globalThis.caught = 4}",
    "\\u003cscript\\u003e & &amp; &lt;",
]


def thumbnail(color: tuple[int, int, int], side: int = 48) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), color).save(buffer, "JPEG")
    return buffer.getvalue()


def color_of(i: int) -> tuple[int, int, int]:
    return 40 + i * 53 % 200, 40 + i * 97 % 200, 40 + i * 151 % 200


COUNT = 60
PLACES = np.random.default_rng(0).uniform(size=(COUNT, 2)).astype(np.float32)
NAMES = HOSTILE + [f"folder/photo {i}.jpg" for i in range(len(HOSTILE), COUNT)]
LABELS = [None if i == 20 else HOSTILE[i] if i < 8 else f"kind {i % 5}" for i in range(COUNT)]


def made(**options: Any) -> str:
    given: dict[str, Any] = {
        "title": "Holidays </title><script>globalThis.caught = 5</script>",
        "labels": LABELS,
        "predictions": [f"tench, {i}%" for i in range(COUNT)],
        "summary": {"trustworthiness": 0.75, "<i>": "<b>"},
        "notes": ["<u>sampled</u>"],
        "grid": unique_grid(PLACES),
        **options,
    }
    return page.page(PLACES, [thumbnail(color_of(i)) for i in range(COUNT)], NAMES, **given)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.html"
    path.write_text(made(), encoding="utf-8")
    return path


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def test_page_needs_nothing_else() -> None:
    page = made()
    assert re.findall(r"\bhttps?:[^\s\"']*", page) == []
    assert not re.search(r"<(link|iframe|img)\b", page)
    assert "@import" not in page
    assert "url(" not in page
    assert page.count("<script") == 2, "the data and the program"
    assert page.startswith("<!doctype html>")


def test_names_come_through_as_they_are() -> None:
    data = data_of(made())
    expected = [name.encode("utf-8", "replace").decode() for name in NAMES]
    assert data["names"] == expected
    assert data["labels"][:8] == expected[:8]
    assert data["labels"][20] is None


@pytest.mark.parametrize(("count", "native", "side"), [(3, 48, 48), (3, 500, 128), (3, 20, 32)])
def test_thumbnails_lie_on_sheets_in_their_order(count: int, native: int, side: int) -> None:
    files = [thumbnail(color_of(i), native) for i in range(count)]
    data = data_of(page.page(PLACES[:count], files, NAMES[:count], title=""))
    assert data["tile"] == side
    assert data["across"] == 2048 // side
    (sheet,) = data["sheets"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("RGB"), int)
    colors = np.frombuffer(base64.b64decode(data["colors"]), np.uint8).reshape(-1, 3)
    for i in range(count):
        middle = picture[side // 2, i * side + side // 2]
        assert np.abs(middle - color_of(i)).max() <= 8
        assert np.abs(colors[i].astype(int) - color_of(i)).max() <= 3


def test_many_thumbnails_are_smaller_and_on_several_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PIXELS", COUNT * 36**2)
    monkeypatch.setattr(page, "SHEET", 100)
    data = data_of(made())
    assert (data["tile"], data["across"], len(data["sheets"])) == (32, 3, 7)
    last = Image.open(io.BytesIO(base64.b64decode(data["sheets"][-1])))
    assert last.size == (96, 64), "60 = 6 sheets of 9, and 6"


def test_places_fit_the_page() -> None:
    data = data_of(made())
    for word, count in (("places", COUNT), ("cells", COUNT)):
        found = np.frombuffer(base64.b64decode(data[word]), "<f4").reshape(-1, 2)
        assert len(found) == count
        assert found.min() >= 0
        assert found.max() <= 1
        assert (found.max(0) + found.min(0)) / 2 == pytest.approx([0.5, 0.5], abs=0.07)


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(cs.ConvscopeError, match="a place, a thumbnail and a label for each name"):
        page.page(PLACES[:2], [thumbnail((0, 0, 0))] * 3, ["a", "b"], title="")


# ------------------------------------------------------------------------------- in a browser


@pytest.fixture
def tab(browser: Any, file: Path) -> Iterator[Any]:
    """The page, opened; whatever it complains of is a failure."""
    tab = browser.new_page(viewport={"width": 1100, "height": 800}, reduced_motion="reduce")
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(file.as_uri())
    settle(tab)
    yield tab
    assert complaints == []
    assert [r for r in requests if not r.startswith("data:")] == [file.as_uri()]
    assert tab.evaluate("globalThis.caught") is None
    tab.close()


def settle(tab: Any) -> None:
    """Two frames later, all is drawn that was asked for."""
    tab.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def pixels(tab: Any) -> Any:
    settle(tab)
    return np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"), int)


def find(tab: Any, words: str) -> None:
    """Search for what is one image, and go there: it is then in the middle of the map."""
    tab.fill("#search", words)
    assert tab.inner_text("#found") == "1 found"
    tab.press("#search", "Enter")


def middle(tab: Any) -> tuple[int, int]:
    """Of the map, which begins below the title: where the page goes on a search."""
    return 1100 // 2, (84 + 800 - 20) // 2


def test_an_image_under_the_pointer_is_named(tab: Any) -> None:
    assert not tab.is_visible("#card")
    find(tab, "photo 33.jpg")
    tab.mouse.move(300, 790)
    assert not tab.is_visible("#card")
    tab.mouse.move(*middle(tab))
    assert tab.is_visible("#card")
    assert tab.inner_text("#name") == "folder/photo 33.jpg"
    assert tab.inner_text("#label") == "kind 3"
    assert tab.inner_text("#prediction") == "prediction: tench, 33%"
    x, y = middle(tab)
    assert np.abs(pixels(tab)[y, x] - color_of(33)).max() <= 8
    box = tab.locator("#card canvas").bounding_box()
    shown = pixels(tab)[round(box["y"] + 100), round(box["x"] + 100)]
    assert np.abs(shown - color_of(33)).max() <= 8


def test_hostile_names_are_words(tab: Any) -> None:
    for i, name in enumerate(HOSTILE):
        tab.fill("#search", f"tench, {i}%")
        tab.press("#search", "Enter")
        shown = tab.evaluate("document.getElementById('name').textContent")
        assert shown == name.encode("utf-8", "replace").decode()
    assert tab.title().startswith("Holidays </title><script>")
    assert "<i> <b>" in tab.inner_text("header")
    assert "<u>sampled</u>" in tab.inner_text("header")
    assert tab.evaluate("document.scripts.length") == 2
    assert tab.evaluate("document.images.length") == 0


def extent(picture: Any) -> int:
    """How many pixels of the map are of an image, not of the ground."""
    middle = picture[100:780, 20:800]
    ground = np.array([0xF1, 0xF0, 0xEE])
    return int((np.abs(middle - ground).max(2) > 30).sum())


def test_zooming_and_moving(tab: Any) -> None:
    begun = pixels(tab)
    tab.mouse.move(400, 400)
    tab.mouse.wheel(0, -600)
    near = pixels(tab)
    assert not np.array_equal(begun, near)
    tab.keyboard.press("0")
    tab.mouse.move(1090, 790)
    np.testing.assert_array_equal(pixels(tab), begun)
    for keys in (["+", "-"], ["ArrowLeft", "ArrowRight"], ["ArrowUp", "ArrowDown"]):
        tab.keyboard.press(keys[0])
        assert np.abs(pixels(tab) - begun).max() > 50
        tab.keyboard.press(keys[1])
        assert (np.abs(pixels(tab) - begun).max(2) > 50).mean() < 0.02, "there and back"
    tab.click("#fit")
    tab.mouse.move(400, 400)
    tab.mouse.down()
    tab.mouse.move(460, 430)
    tab.mouse.up()
    tab.mouse.move(1090, 790)
    moved = pixels(tab)
    np.testing.assert_array_equal(moved[330:630, 260:660], begun[300:600, 200:600])


def test_what_is_searched_for_stands_out(tab: Any) -> None:
    everything = extent(pixels(tab))
    tab.fill("#search", "KIND 2")
    expected = sum(label == "kind 2" for label in LABELS)
    assert tab.inner_text("#found") == f"{expected} found"
    assert 0.1 < extent(pixels(tab)) / everything < 0.45
    tab.press("#search", "Escape")
    assert tab.inner_text("#found") == ""
    assert extent(pixels(tab)) == pytest.approx(everything, rel=0.02)
    tab.fill("#search", "no such thing")
    assert tab.inner_text("#found") == "0 found"
    tab.press("#search", "Enter")
    assert not tab.is_visible("#card")


def test_the_grid_shows_each_image_by_itself(tab: Any) -> None:
    tab.click("#grid")
    assert tab.get_attribute("#grid", "aria-pressed") == "true"
    tab.mouse.move(1090, 790)
    grid = unique_grid(PLACES)
    rows, columns = grid.shape
    cell = (800 - 84 - 20) / max(grid.shape)
    x, y = middle(tab)
    picture = pixels(tab)
    for row, column in np.argwhere(grid != EMPTY)[[0, 7, 25, 40, -1]]:
        across = round(x + (column + 0.5 - columns / 2) * cell)
        down = round(y + (row + 0.5 - rows / 2) * cell)
        assert np.abs(picture[down, across] - color_of(int(grid[row, column]))).max() <= 8
        tab.mouse.move(across, down)
        assert tab.evaluate("document.getElementById('prediction').textContent").endswith(
            f" {grid[row, column]}%"
        )
        tab.mouse.move(1090, 790)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_on_screens_of_all_kinds(browser: Any, file: Path, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab.goto(file.as_uri())
    picture = pixels(tab)
    ground = picture[400, 4].mean()
    assert (ground > 128) == (scheme == "light")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("header", "#tools", "#search", "#fit"):
        box = tab.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    tab.close()


def test_touch(browser: Any, file: Path) -> None:
    context = browser.new_context(has_touch=True, viewport={"width": 1100, "height": 800})
    tab = context.new_page()
    tab.goto(file.as_uri())
    find(tab, "photo 33.jpg")
    tab.touchscreen.tap(300, 780)
    assert not tab.is_visible("#card")
    tab.touchscreen.tap(*middle(tab))
    assert tab.is_visible("#card")
    assert tab.inner_text("#name") == "folder/photo 33.jpg"
    context.close()


def test_without_labels_and_grid(browser: Any, tmp_path: Path) -> None:
    page = made(labels=None, predictions=None, grid=None, summary=None, notes=())
    (tmp_path / "map.html").write_text(page, encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1100, "height": 800})
    tab.goto((tmp_path / "map.html").as_uri())
    find(tab, "photo 41")
    assert tab.inner_text("#card").split("\n") == ["folder/photo 41.jpg"]
    assert tab.query_selector("#grid") is None
    tab.close()
