"""The microscope's routes: what they tell is what the index has, and its pictures last."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.testing import small_network
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.helpers.collections import square_color, squares
from tests.helpers.explorer import TRAVERSALS, Reply, Visitor, served

COUNT = 24

SMALL = {"name": "convscope.testing:small_network", "device": "cpu"}

# A name that would do harm if a page took it for markup.
MARKUP = "<img src=x>"

LAYER = "blocks.0"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> cs.Index:
    folder = tmp_path_factory.mktemp("microscope")
    photographs = squares(folder / "photographs", COUNT, (small_network().label(0), MARKUP))
    made = cs.index(
        small_network(), photographs, folder / "index", workers=0, layers=["blocks.0", "blocks"]
    )
    return made.result()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> cs.Index:
    """Photographs twice as wide as high, whose colors tell where one is: x is red, y is green."""
    folder = tmp_path_factory.mktemp("wide")
    noise = np.random.default_rng(0)
    for number in range(6):
        y, x = np.mgrid[:100, :200]
        blue = noise.integers(0, 256, (10, 20)).repeat(10, 0).repeat(10, 1)
        pixels = np.stack([x * 255 / 200, y * 255 / 100, blue], 2).astype(np.uint8)
        place = folder / "photographs" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place)
    return cs.index(
        small_network(), place.parent, folder / "index", workers=0, layers=["blocks.0", "blocks"]
    ).result()


@pytest.fixture(scope="module")
def visitor(
    index: cs.Index, wide: cs.Index, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    options = Options({"n0": SMALL}, {"i0": index.path, "i1": wide.path})
    with served(tmp_path_factory.mktemp("runs"), main=main, options=options) as found:
        yield found


@pytest.fixture(scope="module")
def version(visitor: Visitor) -> str:
    return str(visitor.get("indexes/i0")["version"])


def picture(reply: Reply) -> np.ndarray[Any, Any]:
    assert reply.status == 200, reply.body
    with Image.open(io.BytesIO(reply.body)) as found:
        return np.asarray(found.convert("RGB"))


def middle(square: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The color in the middle of a picture."""
    height, width = square.shape[:2]
    return np.asarray(square[height // 2, width // 2], int)


def color(index: cs.Index, row: int) -> np.ndarray[Any, Any]:
    """The color of a photograph, which its name says."""
    return np.array(square_color(int(Path(index.paths[row]).stem)))


def test_an_index_tells_its_layers_and_its_network(visitor: Visitor, index: cs.Index) -> None:
    found = visitor.get("indexes/i0")
    assert (found["network"], found["photographs"], found["labeled"]) == ("n0", COUNT, True)
    expected = {name: len(one.high) for name, one in index.channels.items()}
    assert {one["name"]: one["channels"] for one in found["layers"]} == expected
    assert index.digest.startswith(found["version"])
    assert visitor.get("session")["indexes"][0]["version"] == found["version"]


def test_a_unit_is_told_as_the_index_has_it(visitor: Visitor, index: cs.Index) -> None:
    channels = index.channels[LAYER]
    found = visitor.get(f"indexes/i0/units/{LAYER}/1")
    assert found["high"] == pytest.approx(float(channels.high[1]))
    assert found["sparsity"] == pytest.approx(float(channels.sparsity[1]))
    assert sum(found["counts"]) == int(channels.histogram[1].sum())
    assert len(found["edges"]) == len(found["counts"]) + 1
    rows = [patch["photograph"]["row"] for patch in found["top"]]
    assert rows == channels.top.rows[1].tolist()
    first = found["top"][0]
    assert first["value"] == pytest.approx(float(channels.top.values[1, 0]))
    assert first["neuron"].startswith(f"{LAYER}:1@")
    assert first["photograph"]["size"] == [40, 40]
    left, top, right, bottom = first["box"]
    assert left < right <= 2 and top < bottom <= 2


def test_names_with_markup_are_told_as_they_are(visitor: Visitor) -> None:
    found = visitor.get("indexes/i0/photographs?search=%3Cimg")
    assert len(found) == COUNT // 2
    assert {one["label"] for one in found} == {MARKUP}
    assert len(visitor.get("indexes/i0/photographs?limit=5")) == 5


# ---------------------------------------------------------------------------- pictures


def test_thumbnails_come_in_the_order_of_the_address(
    visitor: Visitor, index: cs.Index, version: str
) -> None:
    rows = [7, 0, 23, 7]
    address = f"/api/indexes/i0/sheets/photographs?rows={','.join(map(str, rows))}&v={version}"
    lines = np.split(picture(visitor.ask("GET", address)), 2)
    squares_ = [square for line in lines for square in np.split(line, 2, axis=1)]
    for row, square in zip(rows, squares_, strict=True):
        assert np.abs(middle(square) - color(index, row)).max() < 8


@pytest.mark.parametrize("layer", ["blocks.0", "blocks"])
def test_patches_of_channels_are_those_of_their_photographs(
    visitor: Visitor, index: cs.Index, version: str, layer: str
) -> None:
    channels = [2, 0]
    address = f"/api/indexes/i0/sheets/patches/{layer}?channels=2,0&v={version}"
    tiles = np.split(picture(visitor.ask("GET", address)), len(channels), axis=1)
    for channel, tile in zip(channels, tiles, strict=True):
        strongest = int(index.channels[layer].top.rows[channel, 0])
        quarter = tile[: len(tile) // 2, : len(tile) // 2]
        gray = np.abs(quarter.astype(int) - 128).max(2) < 12
        near = np.abs(quarter.astype(int) - color(index, strongest)).max(2) < 12
        assert near.any() and (near | gray).mean() > 0.7  # the rest lies between the two


@pytest.mark.parametrize("view", ["crop", "mask", "whole"])
@pytest.mark.parametrize("part", ["top", "bottom", "across"])
def test_a_unit_shows_its_patches_in_three_views(
    visitor: Visitor, version: str, part: str, view: str
) -> None:
    count = len(visitor.get(f"indexes/i0/units/{LAYER}/1")[part])
    address = f"/api/indexes/i0/units/{LAYER}/1/patches?part={part}&view={view}&v={version}"
    found = picture(visitor.ask("GET", address))
    assert found.shape[1] // 192 == min(8, count)
    assert found.shape[0] // 192 == -(-count // 8)


@pytest.mark.parametrize("source", ["files", "thumbnails"])
@pytest.mark.parametrize("layer", ["blocks.0", "blocks"])
def test_patches_lie_where_their_units_saw_them(
    visitor: Visitor, wide: cs.Index, layer: str, source: str
) -> None:
    version = visitor.get("indexes/i1")["version"]
    moved = wide.folder.with_name("elsewhere")
    if source == "thumbnails":
        wide.folder.rename(moved)
    checked = 0
    try:
        for channel in range(len(wide.channels[layer].high)):
            first = visitor.get(f"indexes/i1/units/{layer}/{channel}")["top"][0]
            left, top, right, bottom = first["box"]
            x, y = (left + right) / 2, (top + bottom) / 2
            if not (0.3 < x < 0.7 and 0.1 < y < 0.9):
                continue  # its middle is not in the square that the network sees
            address = f"/api/indexes/i1/units/{layer}/{channel}/patches?part=top&v={version}"
            tile = picture(visitor.ask("GET", address))[:192, :192]
            assert np.abs(middle(tile)[:2] - (255 * x, 255 * y)).max() < 12
            checked += 1
    finally:
        if source == "thumbnails":
            moved.rename(wide.folder)
    assert checked > 0


def test_what_a_layer_makes_of_a_photograph_is_what_python_says(
    visitor: Visitor, index: cs.Index, version: str
) -> None:
    net, photo = small_network(), index.photo(3)
    maps = net.read(photo, {LAYER})[LAYER][0]
    address = f"/api/indexes/i0/sheets/activations/{LAYER}?row=3&v={version}"
    sheet = picture(visitor.ask("GET", address))[..., 0].astype(float) / 255
    columns = int(np.ceil(np.sqrt(len(maps))))
    height, width = maps.shape[1:]
    scaled = ((maps - maps.min()) / (maps.max() - maps.min())).numpy()
    for channel, values in enumerate(scaled):
        row, column = divmod(channel, columns)
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.abs(tile - values).max() < 0.01


def test_filters_of_a_first_layer_are_pictures(visitor: Visitor, version: str) -> None:
    layers = {one["name"]: one for one in visitor.get("indexes/i0")["layers"]}
    assert layers[LAYER]["filters"]
    found = picture(visitor.ask("GET", f"/api/indexes/i0/sheets/filters/{LAYER}?v={version}"))
    columns = int(np.ceil(np.sqrt(layers[LAYER]["channels"])))
    rows = -(-layers[LAYER]["channels"] // columns)
    assert found.shape[0] / rows == found.shape[1] / columns


def test_a_photograph_is_shown_and_its_thumbnail_where_it_is_gone(
    visitor: Visitor, index: cs.Index, version: str
) -> None:
    address = f"/api/indexes/i0/photographs/5/picture?v={version}"
    file = index.folder / index.paths[5]
    content = file.read_bytes()
    assert picture(visitor.ask("GET", address)).shape == (40, 40, 3)
    try:
        file.write_bytes(b"another file")
        found = picture(visitor.ask("GET", address))
        assert np.abs(middle(found) - color(index, 5)).max() < 8
        (channel, _), *_ = np.argwhere(index.channels["blocks"].top.rows == 5)
        patches = f"/api/indexes/i0/units/blocks/{channel}/patches?part=top&v={version}"
        assert picture(visitor.ask("GET", patches)).size
        reply = visitor.ask("POST", "/api/indexes/i0/photographs/5/open")
        assert reply.status == 422
        assert str(index.folder) not in reply.json["detail"]
    finally:
        file.write_bytes(content)


def test_pictures_last_and_another_version_has_none(visitor: Visitor, version: str) -> None:
    path = "/api/indexes/i0/sheets/photographs?rows=1,2&v="
    reply = visitor.ask("GET", path + version)
    assert "immutable" in reply.headers["cache-control"]
    again = visitor.ask("GET", path + version, if_none_match=reply.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    other = visitor.ask("GET", path + "abc")
    assert other.status == 422
    assert "no-store" in other.headers["cache-control"]
    assert "has changed" in other.json["detail"]


# ---------------------------------------------------------------------------- writes


def test_a_photograph_of_the_index_becomes_one_of_the_session(
    visitor: Visitor, index: cs.Index
) -> None:
    info = visitor.post("indexes/i0/photographs/4/open")
    content = (index.folder / index.paths[4]).read_bytes()
    assert info["id"] == hashlib.sha256(content).hexdigest()[:16]
    assert info["name"] == Path(index.paths[4]).name
    assert info["id"] in [one["id"] for one in visitor.get("images")]
    assert visitor.post("indexes/i0/photographs/4/open") == info


def test_a_note_stays_in_the_index(visitor: Visitor) -> None:
    text = "sees <b>edges</b>\nand corners"
    assert visitor.post(f"indexes/i0/units/{LAYER}/2/note", {"text": text})["text"] == text
    assert visitor.get(f"indexes/i0/units/{LAYER}/2")["note"] == text
    visitor.post(f"indexes/i0/units/{LAYER}/2/note", {"text": ""})
    assert visitor.get(f"indexes/i0/units/{LAYER}/2")["note"] == ""


WRITES = [
    ("layers/blocks.0/images", {"channels": [0]}),
    ("units/blocks.0/1/note", {"text": "mine"}),
    ("photographs/1/open", None),
]


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_a_foreign_page_writes_nothing(visitor: Visitor, path: str, body: object) -> None:
    for origin in (None, "null", "https://evil.example"):
        assert visitor.ask("POST", f"/api/indexes/i0/{path}", body, origin=origin).status == 403
    kind = {"content_type": "text/plain"}
    assert visitor.ask("POST", f"/api/indexes/i0/{path}", body, **kind).status == 415
    assert visitor.ask("POST", f"/api/indexes/i0/{path}", body, cookie=None).status == 403
    assert visitor.ask("GET", f"/api/indexes/i0/{path}").status in (404, 405)
    assert visitor.get("indexes/i0/units/blocks.0/1")["note"] == ""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("units/blocks.0/1/note", {"text": "x" * 10_001}),
        ("units/blocks.0/1/note", {"texts": "x"}),
        ("units/blocks.0/999/note", {"text": "x"}),
        ("units/nothing/1/note", {"text": "x"}),
        ("layers/blocks.0/images", {"channels": []}),
        ("layers/blocks.0/images", {"channels": list(range(17))}),
        ("layers/blocks.0/images", {"channels": [-1]}),
        ("layers/blocks.0/images", {"channels": [0], "number": 4}),
        ("photographs/999/open", None),
    ],
)
def test_a_write_out_of_bounds_is_refused_in_one_line(
    visitor: Visitor, path: str, body: object
) -> None:
    reply = visitor.ask("POST", f"/api/indexes/i0/{path}", body)
    assert reply.status == 422
    assert "\n" not in reply.json["detail"] and "Traceback" not in reply.json["detail"]


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "path",
    [
        "units/blocks.0/-1", "units/blocks.0/4294967296", "units/blocks.0/x", "units/blocks.0/999",
        "units/nothing/0", "layers/nothing", "photographs/-1", "photographs/24", "photographs/1e3",
        "photographs?limit=0", "found", "found?row=1&image=0123456789abcdef", "found?row=24",
        "found?row=1&by=taste", "found?image=0123456789abcdef", "units/blocks.0/999/connections",
        "units/blocks.0/999/alike", "classes/-1", "classes/999", "classes/x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_in_one_line(visitor: Visitor, path: str) -> None:
    reply = visitor.ask("GET", f"/api/indexes/i0/{path}")
    assert reply.status in (404, 422), path
    assert len(reply.json["detail"]) < 500 and "\n" not in reply.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "sheets/photographs?rows=", "sheets/photographs?rows=1,", "sheets/photographs?rows=-1",
        "sheets/photographs?rows=24", "sheets/photographs?rows=1;2",
        f"sheets/photographs?rows={','.join(['1'] * 65)}", "sheets/patches/blocks.0?channels=999",
        "sheets/patches/nothing?channels=1", "sheets/filters/nothing?x=1",
        "sheets/activations/blocks.0?x=1", "sheets/activations/blocks.0?row=24",
        "units/blocks.0/999/patches?part=top", "units/blocks.0/1/patches?part=middle",
        "units/blocks.0/1/patches?part=top&view=all", "units/blocks.0/1/images/0?x=1",
        "units/blocks.0/1/images/4?x=1", "photographs/24/picture?x=1",
        "photographs/1/maps/99?x=1", "photographs/1/maps/-1?x=1", "photographs/24/maps/1?x=1",
    ],
)  # fmt: skip
def test_a_picture_that_is_not_there_is_told_in_one_line(
    visitor: Visitor, version: str, path: str
) -> None:
    reply = visitor.ask("GET", f"/api/indexes/i0/{path}&v={version}")
    assert reply.status in (404, 422), path
    assert "immutable" not in reply.headers["cache-control"]
    assert len(reply.json["detail"]) < 500 and "\n" not in reply.json["detail"]


@pytest.mark.parametrize("id", TRAVERSALS, ids=range(len(TRAVERSALS)))
def test_no_id_is_a_path(visitor: Visitor, version: str, id: str) -> None:
    for path in (
        id, f"{id}/confusions", f"i0/layers/{id}", f"i0/units/{id}/0", f"i0/units/{LAYER}/{id}",
        f"i0/units/{id}/0/patches?part=top&v={version}", f"i0/photographs/{id}",
        f"i0/photographs/{id}/picture?v={version}", f"i0/photographs/0/maps/{id}?v={version}",
        f"i0/sheets/patches/{id}?channels=0&v={version}", f"i0/sheets/filters/{id}?v={version}",
        f"i0/sheets/photographs?rows={id}&v={version}", f"i0/sheets/photographs?rows=0&v={id}",
        f"i0/units/{LAYER}/0/images/{id}?v={version}", f"i0/found?image={id}",
    ):  # fmt: skip
        reply = visitor.ask("GET", f"/api/indexes/{path}")
        assert reply.status in (404, 405, 422), path
        assert b"root:" not in reply.body
    for path in (f"layers/{id}/images", f"units/{id}/0/note", f"photographs/{id}/open"):
        body = {"channels": [0]} if "images" in path else {"text": "x"}
        reply = visitor.ask("POST", f"/api/indexes/i0/{path}", body)
        assert reply.status in (404, 405, 422), path
