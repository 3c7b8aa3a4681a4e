"""Neighbors of a photograph by embedding and by pixels, without itself and without copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope as cs
from convscope.collection.reading import Index
from convscope.types.panels import Grid
from tests.helpers.collections import Make, needs, paint


def told(result: cs.Result) -> Any:
    """The summary, of whatever types they are."""
    return result.summary


def rows(result: cs.Result, space: str) -> list[int]:
    return [one["image"] for one in told(result)[space]]


def by_hand(
    index: Index, net: cs.Network, image: Tensor, metric: str
) -> tuple[list[int], list[int]]:
    """The order of all images by embedding and by pixels, in float64."""
    embedding = (
        net.read(image, {index.settings.embedding})[index.settings.embedding][0]
        .mean((1, 2))
        .double()
        .numpy()
    )
    embeddings = np.asarray(index.embeddings, np.float64)
    if metric == "cosine":
        far = 1 - embeddings @ embedding / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(
            embedding
        )
    else:
        far = np.linalg.norm(embeddings - embedding, axis=1)
    small = torch.nn.functional.interpolate(
        net.preprocess(image), (32, 32), mode="bicubic", antialias=True
    )
    pixels = (small[0].clamp(0, 1) * 255).permute(1, 2, 0).reshape(-1).double().numpy()
    apart = np.linalg.norm(np.asarray(index.pixels, np.float64) - pixels, axis=1)
    return np.argsort(far).tolist(), np.argsort(apart).tolist()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_the_nearest(own: cs.Network, own_photo: Tensor, make: Make, metric: str) -> None:
    index = make()
    result = cs.neighbors(
        own,
        own_photo,
        index=str(index.path),
        count=4,
        metric=metric,  # type: ignore[arg-type]
    ).result()
    by_embedding, by_pixels = by_hand(index, own, own_photo, metric)
    assert rows(result, "embedding") == by_embedding[:4]
    assert rows(result, "pixels") == by_pixels[:4]
    for space in ("embedding", "pixels"):
        for one in told(result)[space]:
            assert one["path"] == index.images["path"][one["image"]].as_py()
            assert one["prediction"] == index.prediction(one["image"])
        distances = [one["distance"] for one in told(result)[space]]
        assert distances == sorted(distances)
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    assert panel.columns == 5
    assert panel.rows == ("by embedding", "by pixels")
    torch.testing.assert_close(panel.tiles[0], panel.tiles[5])


def test_distance_by_pixels_is_the_root_mean_square(make: Make, own: cs.Network) -> None:
    index = make()
    white = torch.ones(1, 3, 32, 32)
    result = cs.neighbors(own, white, index=str(index.path), count=1).result()
    (first,) = told(result)["pixels"]
    pixels = np.asarray(index.pixels[first["image"]], np.float64) / 255
    assert first["distance"] == pytest.approx(np.sqrt(((pixels - 1) ** 2).mean()), abs=1e-5)


def test_neither_itself_nor_copies(own: cs.Network, make: Make, photos: Path) -> None:
    for i in range(30):
        shutil.copy(photos / "20.png", photos / f"copy {i}.png")
    shutil.copy(photos / "21.png", photos / "another copy.png")
    index = make()
    image = cs.open_image(photos / "20.png")
    result = cs.neighbors(own, image, index=str(index.path), count=22).result()
    for space in ("embedding", "pixels"):
        contents = [index.images["sha256"][row].as_py() for row in rows(result, space)]
        assert len(contents) == len(set(contents)) == 22
        assert index.images["sha256"][0].as_py() not in contents
    # An image that was not opened from its file is its own neighbor.
    result = cs.neighbors(own, image.clone(), index=str(index.path), count=22).result()
    assert told(result)["embedding"][0]["distance"] == pytest.approx(0, abs=1e-3)


def test_more_than_there_are(own: cs.Network, own_photo: Tensor, make: Make) -> None:
    result = cs.neighbors(own, own_photo, index=str(make().path), count=30).result()
    assert sorted(rows(result, "embedding")) == list(range(23))
    assert min(result.picture.size) > 100


def test_several_queries(own: cs.Network, own_photo: Tensor, make: Make) -> None:
    index = str(make().path)
    both = torch.cat([own.preprocess(own_photo), own.preprocess(own_photo.flip(3))])
    result = cs.neighbors(own, both, index=index, count=3).result()
    for i in range(2):
        alone = cs.neighbors(own, both[i : i + 1], index=index, count=3).result()
        assert told(result)["embedding"][i] == told(alone)["embedding"]
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    assert panel.rows == ("by embedding", "by pixels") * 2


@pytest.mark.parametrize("search", ["faiss", "lance"])
def test_approximate_search_is_built_once_and_tells_its_recall(
    own: cs.Network, own_photo: Tensor, make: Make, search: Any
) -> None:
    needs({"faiss": "faiss", "lance": "lancedb"}[search])
    index = make()
    exact = cs.neighbors(own, own_photo, index=str(index.path), count=4).result()
    result = cs.neighbors(own, own_photo, index=str(index.path), count=4, search=search).result()
    assert rows(result, "embedding") == rows(exact, "embedding"), "so few are looked through"
    assert told(result)["recall_at_10"] == 1.0
    stamps = {p: p.stat().st_mtime_ns for p in index.path.rglob("search/**/*")}
    assert stamps
    cs.neighbors(own, own_photo, index=str(index.path), count=4, search=search).result()
    assert stamps == {p: p.stat().st_mtime_ns for p in index.path.rglob("search/**/*")}
    shutil.rmtree(index.path / "search")
    again = cs.neighbors(own, own_photo, index=str(index.path), count=4, search=search).result()
    assert rows(again, "embedding") == rows(exact, "embedding"), "it can always be made again"


def test_an_update_makes_it_anew(
    own: cs.Network, own_photo: Tensor, make: Make, photos: Path
) -> None:
    needs("faiss")
    index = make()
    cs.neighbors(own, own_photo, index=str(index.path), search="faiss").result()
    paint(photos / "new.png", 77)
    make(update=True)
    image = cs.open_image(photos / "new.png").clone()
    result = cs.neighbors(own, image, index=str(index.path), search="faiss", count=1).result()
    assert told(result)["embedding"][0]["path"] == "new.png"


def test_conditions_in_sql(own: cs.Network, own_photo: Tensor, make: Make) -> None:
    needs("lancedb")
    index = make()

    def found(where: str) -> list[str]:
        words: dict[str, Any] = {"search": "lance", "where": where, "count": 20}
        result = cs.neighbors(own, own_photo, index=str(index.path), **words).result()
        assert "pixels" not in result.summary
        return [one["path"] for one in told(result)["embedding"]]

    labels = dict(zip(*(index.images[n].to_pylist() for n in ("path", "label")), strict=True))
    assert sorted(found("label = 'class 1'")) == [
        p for p in sorted(labels) if labels[p] == "class 1"
    ]
    assert found("width > 1000") == []
    sizes = dict(zip(*(index.images[n].to_pylist() for n in ("path", "width")), strict=True))
    assert sorted(found("width >= 60 AND label IS NULL")) == [
        p for p in sorted(sizes) if sizes[p] >= 60 and labels[p] is None
    ]
    with pytest.raises(cs.ConvscopeError) as raised:
        found("nosuch ===")
    assert "\n" not in str(raised.value)


def test_conditions_need_lance(own: cs.Network, own_photo: Tensor, make: Make) -> None:
    with pytest.raises(cs.ConvscopeError, match="where needs search='lance'"):
        cs.neighbors(own, own_photo, index=str(make().path), where="width > 3").result()
