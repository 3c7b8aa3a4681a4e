"""The map of a collection: what its routes give, from photographs that are squares of one color."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.collection import Facts, at_random, cached_layout
from convscope.collection.browsing import odd
from convscope.testing import small_network
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.helpers.collections import square_color, squares
from tests.helpers.explorer import Visitor, served
from tests.helpers.networks import Own

COUNT = 40

SMALL = {"name": "convscope.testing:small_network", "device": "cpu"}

# A name that would do harm if a page took it for markup.
MARKUP = "<img src=x>"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> cs.Index:
    folder = tmp_path_factory.mktemp("map")
    photographs = squares(folder / "photographs", COUNT, ("circle", MARKUP))
    made = cs.index(small_network(), photographs, folder / "index", shard=7, workers=0)
    return made.result()


@pytest.fixture(scope="module")
def visitor(index: cs.Index, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A server without a process of its own for the worker: its questions are asked in a thread."""
    options = Options({"n0": SMALL}, {"i0": index.path})
    with served(tmp_path_factory.mktemp("runs"), main=main, options=options) as found:
        yield found


def addressed(path: str, version: str) -> str:
    """The address of a file of the index."""
    return f"/api/indexes/i0/{path}{'&' if '?' in path else '?'}v={version}"


def fetched(visitor: Visitor, path: str) -> bytes:
    version = visitor.get("indexes/i0/map")["version"]
    reply = visitor.ask("GET", addressed(path, version))
    assert reply.status == 200, reply.body
    assert "immutable" in reply.headers["cache-control"]
    return reply.body


def numbers(index: cs.Index) -> list[int]:
    """The number of each photograph, which its name says."""
    return [int(Path(path).stem) for path in index.paths]


def words(data: bytes) -> list[str]:
    """The words of a column, photograph by photograph."""
    codes = np.frombuffer(data[: 4 * COUNT], "<u4")
    known = data[4 * COUNT :].decode().split("\0")
    return [known[code] for code in codes]


def test_the_map_says_what_there_is(visitor: Visitor, index: cs.Index) -> None:
    found = visitor.get("indexes/i0/map")
    assert found["photographs"] == COUNT
    assert index.digest.startswith(found["version"])
    assert {one["name"]: one["kind"] for one in found["columns"]} == {
        "label": "words",
        "prediction": "words",
        "probability": "numbers",
        "oddness": "numbers",
        "width": "numbers",
        "height": "numbers",
        "size": "numbers",
        "path": "words",
    }
    assert [one["method"] for one in found["layouts"]] == ["tsne", "umap", "pca", "isomap"]


def test_columns_are_those_of_the_index(visitor: Visitor, index: cs.Index) -> None:
    assert words(fetched(visitor, "map/columns/path")) == list(index.paths)
    assert words(fetched(visitor, "map/columns/label")) == list(index.folders)
    assert words(fetched(visitor, "map/columns/prediction")) == [
        *map(index.prediction, range(COUNT))
    ]
    sizes = np.frombuffer(fetched(visitor, "map/columns/size"), "<f4")
    assert sizes.tolist() == [(index.folder / path).stat().st_size for path in index.paths]


def test_odd_photographs_are_far_from_all_others(visitor: Visitor, index: cs.Index) -> None:
    embeddings = index.embeddings.astype(np.float64)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    distances = 1 - units @ units.T
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(distances, axis=1)[:, :5].mean(1)
    found = np.frombuffer(fetched(visitor, "map/columns/oddness"), "<f4")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_in_a_large_collection_some_are_compared_at_random_and_that_is_told(
    index: cs.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "PAIRS", 10 * COUNT)
    facts = Facts(index)
    assert facts.title("oddness") == "Oddness: how far the nearest are of 10 at random"
    others = at_random(COUNT, 10, 0)
    embeddings = index.embeddings.astype(np.float64)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    distances = 1 - units @ units[others].T
    distances[others, np.arange(10)] = np.inf
    expected = np.sort(distances, axis=1)[:, :5].mean(1)
    np.testing.assert_allclose(facts["oddness"].values, expected, atol=1e-6)


def test_a_layout_is_there_when_it_was_made(visitor: Visitor, index: cs.Index) -> None:
    version = visitor.get("indexes/i0/map")["version"]
    reply = visitor.ask("GET", addressed("map/layouts/pca", version))
    assert reply.status == 422
    assert "has not been laid out by PCA yet" in reply.json["detail"]
    made = cached_layout(index, "pca")
    places = np.frombuffer(fetched(visitor, "map/layouts/pca"), "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(places, made.places)
    told = next(one for one in visitor.get("indexes/i0/map")["layouts"] if one["method"] == "pca")
    assert told["made"] and told["laid_out"] == COUNT
    assert told["recall"] == made.recall


def test_a_run_makes_a_layout(visitor: Visitor) -> None:
    for method, steps in (("isomap", 1), ("tsne", 751)):
        options = {"index": "i0", "method": method, "limit": 1}
        run = visitor.post("runs", {"technique": "embedding_map", "options": options}, 201)
        ended = visitor.until(run["id"], "done")
        assert (ended["step"], ended["steps"]) == (steps, steps)
        assert len(fetched(visitor, f"map/layouts/{method}")) == 8 * COUNT


@pytest.mark.parametrize(("size", "side"), [("small", 32), ("large", 128)])
def test_a_sheet_has_the_photographs_that_were_asked_for(
    visitor: Visitor, index: cs.Index, size: str, side: int
) -> None:
    rows = [17, 3, 39, 3, 0]
    data = fetched(visitor, f"sheets/photographs?rows={','.join(map(str, rows))}&size={size}")
    with Image.open(io.BytesIO(data)) as picture:
        sheet = np.asarray(picture.convert("RGB")).astype(int)
    assert sheet.shape == (2 * side, 3 * side, 3)
    for place, row in enumerate(rows):
        top, left = place // 3 * side, place % 3 * side
        tile = sheet[top : top + side, left : left + side]
        assert abs(tile - square_color(numbers(index)[row])).max() <= 8


def test_neighbors_by_pixels_are_those_of_the_colors(visitor: Visitor, index: cs.Index) -> None:
    found = visitor.get("indexes/i0/map/neighbors/5?space=pixels&count=4")
    colors = np.array([square_color(number) for number in numbers(index)], float)
    distances = np.linalg.norm(colors - colors[5], axis=1)
    distances[5] = np.inf
    np.testing.assert_allclose(
        found["distances"], np.sort(distances)[:4] * 32, rtol=1e-3
    )  # 32 x 32 pixels
    near = visitor.get("indexes/i0/map/neighbors/5?count=3")["rows"]
    embeddings = index.embeddings.astype(float)
    cosine = embeddings @ embeddings[5] / np.linalg.norm(embeddings, axis=1)
    cosine[5] = -np.inf
    assert cosine[near] == pytest.approx(np.sort(cosine)[::-1][:3])


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("i1/map?", 404, "no index of that id"),
        ("i0/map/columns/nothing?", 422, "nothing"),
        ("i0/sheets/photographs?rows=1,40", 422, "no photograph 40 among 40"),
        ("i0/sheets/photographs?rows=../x", 422, "rows"),
        ("i0/sheets/photographs?rows=" + ",".join(["1"] * 65), 422, "at most 64"),
        ("i0/map/neighbors/40?", 422, "no photograph 40 among 40"),
        ("i0/map/layouts/other?", 422, "method"),
    ],
)
def test_what_is_not_there(visitor: Visitor, path: str, status: int, says: str) -> None:
    version = visitor.get("indexes/i0/map")["version"]
    reply = visitor.ask("GET", f"/api/indexes/{path}&v={version}")
    assert reply.status == status
    assert says in reply.json["detail"]


@pytest.mark.parametrize(
    "path", ["map/columns/path", "map/layouts/pca", "sheets/photographs?rows=1&size=small"]
)
def test_an_outdated_address_says_so(visitor: Visitor, path: str) -> None:
    reply = visitor.ask("GET", addressed(path, "abc"))
    assert reply.status == 422
    assert reply.json["detail"] == "the index has changed; load the page again"
    assert "immutable" not in reply.headers["cache-control"]


def test_right_and_wrong_are_told_where_labels_are_classes(tmp_path: Path) -> None:
    classes = small_network().num_classes or 0
    labels = [f"kind {number}" for number in range(classes)]
    net = cs.Network(Own(3), mean=[0.5] * 3, std=[0.25] * 3, input_size=32, labels=labels)
    folder = squares(tmp_path / "photographs", 2 * classes, tuple(labels))
    facts = Facts(cs.index(net, folder, tmp_path / "index", workers=0).result())
    column: Any = facts["outcome"]
    says = [column.words[value] for value in column.values]
    expected = [
        "right" if label == facts.index.prediction(row) else "wrong"
        for row, label in enumerate(facts.index.folders)
    ]
    assert says == expected
    assert {"right", "wrong"} == set(says)
