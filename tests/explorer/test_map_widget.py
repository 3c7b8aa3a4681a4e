"""The map of a collection in a notebook, whose part is played by a page with a model of its own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.collection import sheet
from convscope.testing import small_network
from convscope.widgets.scripts import MAP
from tests.explorer.test_pages import AXE
from tests.helpers.collections import square_color, squares

COUNT = 30

SITE = "http://notebook.test"

STYLE = Path(cs.__file__).parent / "widgets" / "map.css"

PAGE = """<!doctype html><html lang="en"><title>Notebook</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/map.css"><main><h1>Notebook</h1><div id="cell"></div></main>
<script type="module">
import widget from "/map.js";
const state = await (await fetch("/state")).json();
const read = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
state.places = read(state.places);
for (const column of state.columns) column.data = read(column.data);
const heard = {};
const tell = (name, ...values) => (heard[name] ?? []).forEach(one => one(...values));
window.model = {
  get: name => state[name],
  set: (name, value) => { state[name] = value; tell("change:" + name); },
  save_changes() {},
  on: (name, one) => (heard[name] ??= []).push(one),
  off: (name, one) => { heard[name] = heard[name].filter(other => other !== one); },
  send: async ({id, rows, size}) => {
    const picture = await (await fetch(`/sheet/${size}/${rows}`)).arrayBuffer();
    tell("msg:custom", {kind: "sheet", id}, [new DataView(picture)]);
  },
};
window.end = widget.render({model, el: document.getElementById("cell")});
</script>"""


@pytest.fixture(scope="module")
def flags(flags: str) -> str:
    """Chromium draws WebGL without a graphics card."""
    return f"{flags} --use-angle=swiftshader --enable-unsafe-swiftshader"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> cs.Index:
    folder = tmp_path_factory.mktemp("widget")
    photographs = squares(folder / "photographs", COUNT)
    return cs.index(small_network(), photographs, folder / "index", workers=0).result()


@pytest.fixture
def page(browser: Any, index: cs.Index) -> Iterator[Any]:
    if not MAP.is_file():
        pytest.skip("the map's script is not built (pip install -e . builds it)")
    pytest.importorskip("anywidget")
    state = _state(cs.widgets.embedding_map(index, method="pca"))

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(SITE)
        if path.startswith("/sheet/"):
            size, rows = path.split("/")[2:]
            route.fulfill(body=sheet(index, [int(row) for row in rows.split(",")], size))
        elif path == "/state":
            route.fulfill(json=state)
        elif path == "/":
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            route.fulfill(path=MAP if path == "/map.js" else STYLE)

    context = browser.new_context(viewport={"width": 1000, "height": 700}, reduced_motion="reduce")
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.route("**/*", answer)
    made.goto(SITE)
    made.get_by_text(f"0 of {COUNT} chosen").wait_for()
    made.wait_for_timeout(600)  # the map rests, then draws the thumbnails that have come
    yield made
    context.close()
    assert not problems


def _state(widget: Any) -> dict[str, object]:
    """What the widget sends, as JSON can have it."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    columns = [{**column, "data": text(column["data"])} for column in widget.columns]
    kept = {name: getattr(widget, name) for name in ("title", "photographs", "color", "selected")}
    return {**kept, "places": text(widget.places), "columns": columns}


def _places(page: Any, index: cs.Index) -> dict[int, tuple[float, float]]:
    """Where each photograph is seen, by its color: x and y on the page."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        seen = np.asarray(picture.convert("RGB")).astype(int)
    top = page.locator(".convscope-map-stage").bounding_box()["y"]
    found = {}
    for row in range(COUNT):
        color = square_color(int(Path(index.paths[row]).stem))
        y, x = np.nonzero((abs(seen - color) <= 24).all(2))
        if (y > top).sum() > 150:
            found[row] = (float(np.median(x)), float(np.median(y)))
    return found


def test_the_right_photographs_are_seen_and_chosen(page: Any, index: cs.Index) -> None:
    where = _places(page, index)
    assert len(where) > COUNT / 2
    row = next(row for row, (x, y) in where.items() if 200 < x < 800 and 150 < y < 550)
    page.mouse.move(*where[row])
    card = page.locator(".convscope-map-card")
    card.get_by_text(index.paths[row]).wait_for()
    page.mouse.down()
    page.mouse.up()
    page.get_by_text(f"1 of {COUNT} chosen").wait_for()
    assert page.evaluate("model.get('selected')") == [row]

    page.evaluate("model.set('selected', [1, 2, 3])")  # from Python
    page.get_by_text(f"3 of {COUNT} chosen").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Drag to").select_option("rectangle")
    box = page.locator(".convscope-map-stage").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] - 3)
    page.mouse.up()
    page.get_by_text(f"{COUNT} of {COUNT} chosen").wait_for()
    page.evaluate("end()")


def test_the_map_in_a_notebook_is_accessible(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options=AXE).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
    assert not told, json.dumps(told, indent=1)
