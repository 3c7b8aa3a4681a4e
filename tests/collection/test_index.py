"""An index: what is in it, against a pass image by image."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.collection.build import layers_to_index
from convscope.collection.engines import plain, ray
from convscope.collection.engines.engine import make_engine
from convscope.collection.manifest import listing
from convscope.collection.reading import Index
from convscope.files import images
from convscope.network import default_layers, zoo
from tests.helpers.collections import Make, paint
from tests.helpers.networks import Own, own_network

Array = np.ndarray[Any, np.dtype[Any]]


def brute_force(net: cs.Network, index: Index, layers: list[str]) -> dict[str, Array]:
    """Every channel's extreme of every image (value, place), image by image."""
    found: dict[str, list[Array]] = {layer: [] for layer in layers}
    for path in index.images["path"].to_pylist():
        answers = net.read(cs.open_image(index.folder / path), layers)
        for layer, answer in answers.items():
            flat = answer[0].flatten(1) if answer.dim() == 4 else answer[0][:, None]
            found[layer].append(flat.numpy())
    return {layer: np.stack(values) for layer, values in found.items()}


def check_extremes(net: cs.Network, index: Index) -> None:
    """The recorded extremes are those of a pass image by image."""
    contents = index.images["sha256"].to_pylist()
    first = [i for i, sha in enumerate(contents) if sha not in contents[:i]]
    for layer, values in brute_force(net, index, list(index.channels)).items():
        found = index.channels[layer]
        for end, sign in ((found.top, 1), (found.bottom, -1)):
            signed = sign * values
            best, places = signed.max(2), signed.argmax(2)
            order = np.argsort(-best[first], axis=0, kind="stable")[: end.values.shape[1]].T
            rows = np.array(first)[order]
            across = np.arange(len(rows))[:, None]
            # Values that are all but the same may come in either order.
            np.testing.assert_allclose(end.values, best[rows, across], atol=1e-4)
            np.testing.assert_allclose(best[end.rows, across], end.values, atol=1e-4)
            recorded = signed[end.rows, across, end.positions]
            np.testing.assert_allclose(recorded, end.values, atol=1e-4)
            apart = np.abs(best[rows, across][:, 1:] - best[rows, across][:, :-1]) > 1e-4
            settled = np.pad(apart, ((0, 0), (1, 0)), constant_values=True)
            settled &= np.pad(apart, ((0, 0), (0, 1)), constant_values=False)
            assert (end.rows == rows)[settled].all()
            tied = (signed >= best[..., None] - 1e-5).sum(2)[end.rows, across] > 1
            assert ((end.positions == places[end.rows, across]) | tied).all()
        flat = values.astype(np.float64).transpose(1, 0, 2)
        np.testing.assert_allclose(found.mean, flat.mean((1, 2)), rtol=1e-4, atol=1e-5)
        side, step = round(values.shape[2] ** 0.5), round((values.shape[2] / found.counted) ** 0.5)
        seen = flat.reshape(*flat.shape[:2], side, -1)[..., ::step, ::step]
        # A mean over places may be zero, or what is left of zero by rounding.
        np.testing.assert_allclose(found.sparsity, (seen <= 0).mean((1, 2, 3)), atol=5e-3)


def test_what_is_in_it(own: cs.Network, make: Make, photos: Path) -> None:
    index = make()
    assert len(index) == 23
    assert repr(index) == f"<Index of 23 images in {photos} by Own>"
    assert list(index.channels) == ["norm", "doubled"] == list(layers_to_index(own))
    check_extremes(own, index)
    rows = index.images.to_pylist()
    assert [row["path"] for row in rows] == [file.path for file in listing(photos)]
    for i, row in enumerate(rows):
        file = photos / row["path"]
        photo = cs.open_image(file)
        assert row["label"] == (file.parent.name if file.parent != photos else None)
        assert (row["height"], row["width"]) == photo.shape[-2:]
        assert row["size"] == file.stat().st_size
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        chances = own.logits(photo)[0].softmax(0)
        assert row["classes"] == chances.argsort(descending=True).tolist()
        np.testing.assert_allclose(row["probabilities"], sorted(chances, reverse=True), atol=1e-5)
        embedding = own.read(photo, {"doubled"})["doubled"][0].mean((1, 2))
        np.testing.assert_allclose(index.embeddings[i], embedding, rtol=2e-3, atol=1e-3)
        assert index.prediction(i) == f"class {row['classes'][0]}"
        assert torch.equal(index.photo(i), photo)
    assert index.embeddings.dtype == np.float16
    assert index.pixels.shape == (23, 3 * 32 * 32)


def test_thumbnails_and_pixels_show_what_the_network_sees(own: cs.Network, make: Make) -> None:
    index = make(thumbnail=24)
    rows = [22, 0, 7, 7]
    for row, thumbnail in zip(rows, index.thumbnails(rows), strict=True):
        (shown,) = images.decoded([thumbnail])
        seen = own.preprocess(index.photo(row))
        small = torch.nn.functional.interpolate(seen, (24, 24), mode="area")[0]
        assert shown.shape == (3, 24, 24)
        together = np.corrcoef(shown.flatten(), small.flatten())[0, 1]
        assert together > 0.95, "but for what JPEG leaves out"
        pixels = torch.from_numpy(np.array(index.pixels[row])).view(32, 32, 3).permute(2, 0, 1)
        torch.testing.assert_close(pixels / 255, seen[0], atol=0.5 / 255 + 1e-5, rtol=0)


def test_embeddings_of_every_kind_of_network() -> None:
    class Head(nn.Module):
        def __init__(self, *layers: nn.Module) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 6, 3)
            self.head = nn.Sequential(*layers)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.head(self.body(x))
            return result

    pool, flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    for layers, embedding, width in (
        ((pool, flat, nn.Linear(6, 3)), "head.1", 6),
        ((nn.Conv2d(6, 3, 1), pool, flat), "body", 6),  # then come class scores, place by place
        ((pool, flat, nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), "head.3", 5),
    ):
        net = cs.Network(Head(*layers), mean=[0.5] * 3, std=[0.5] * 3, input_size=16)
        assert default_layers.embedding(net) == embedding
        assert net.shape(embedding)[0] == width


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_double_networks(make: Make, channels: int) -> None:
    dtype = torch.float64 if channels == 1 else torch.float32
    net = own_network(channels=channels, dtype=dtype)
    check_extremes(net, make(net=net))


def test_layers_of_ones_own_choice(own: cs.Network, make: Make) -> None:
    index = make(layers=["stem", "head", "stem"])
    assert list(index.channels) == ["stem", "head"]
    check_extremes(own, index)
    assert index.collected("stem") == "stem"
    with pytest.raises(
        cs.ConvscopeError, match=r"no layer 'norm', but stem, head; .*--layers norm"
    ):
        index.collected("norm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["nosuch"]}, "unknown layer 'nosuch'"),
        ({"layers": ["stem.pre"]}, "does not end in an activation"),
        ({"top": 0}, "top must be from 1 to 1000, not 0"),
        ({"batch_size": 0}, "batch_size must be from 1"),
        ({"shard": 0}, "shard must be from 1"),
        ({"thumbnail": 2}, "thumbnail must be from 8"),
        ({"threads": 0}, "threads must be from 1"),
        ({"address": "auto"}, "are options of the engine 'ray'"),
    ],
)
def test_what_is_refused_before_any_work(
    make: Make, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        make(**options)
    assert not (tmp_path / "index").exists()


# ------------------------------------------------------------------- bad images, odd images


def test_bad_images_are_listed_and_the_others_taken_in(
    photos: Path, own: cs.Network, make: Make
) -> None:
    whole = (photos / "20.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.png").touch()
    (photos / "text.jpg").write_text("not an image")
    (photos / "strip.png").symlink_to("/dev/null")
    Image.new("L", (20_000, 4_000)).save(photos / "bomb.png")
    index = make()
    reasons = {one.path: one.reason for one in index.unreadable}
    assert reasons.keys() == {
        "cut.png", "empty.png", "text.jpg", "strip.png", "bomb.png",
    }  # fmt: skip
    assert reasons["empty.png"] == "empty.png is empty"
    assert reasons["text.jpg"] == "text.jpg is not an image that can be read"
    assert "damaged" in reasons["cut.png"]
    assert "larger than 64 megapixels" in reasons["bomb.png"]
    assert len(index) == 23
    check_extremes(own, index)


def test_a_collection_of_bad_images_only(tmp_path: Path, make: Make) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").touch()
    index = make(folder=folder)
    assert (len(index), len(index.unreadable), dict(index.channels)) == (0, 1, {})
    assert index.embeddings.shape == (0, 12)


def test_copies(own: cs.Network, make: Make, photos: Path) -> None:
    before = make("before")
    for i in (0, 7, 20):  # in the same shard and in others
        source = photos / before.images["path"][i].as_py()
        shutil.copy(source, photos / f"00 copy of {i}.png")
        shutil.copy(source, photos / f"zz copy of {i}.png")
    index = make("after")
    assert len(index) == 29
    check_extremes(own, index)
    paths, old = index.images["path"].to_pylist(), before.images["path"].to_pylist()
    by_content = dict(zip(before.images["sha256"].to_pylist(), old, strict=True))
    for layer, found in index.channels.items():
        was = before.channels[layer].top
        contents = [[index.images["sha256"][int(r)].as_py() for r in row] for row in found.top.rows]
        assert [[by_content[c] for c in row] for row in contents] == [
            [old[r] for r in row] for row in was.rows
        ]
    assert paths[0] == "00 copy of 0.png"


class Breaks(nn.Module):
    """Gives NaN for bright images."""

    def __init__(self) -> None:
        super().__init__()
        self.own = Own()

    def forward(self, x: Tensor) -> Tensor:
        bright = (x.mean((1, 2, 3), keepdim=True) > 1).to(x.dtype)
        result: Tensor = self.own(x / (1 - bright))
        return result


def test_images_that_the_network_has_no_answer_to(photos: Path, make: Make) -> None:
    net = cs.Network(Breaks(), mean=[0.5] * 3, std=[0.25] * 3, input_size=32)
    white = photos / "class 0" / "white.png"
    Image.new("RGB", (40, 40), "white").save(white)
    index = make(net=net)
    assert [(one.path, one.reason) for one in index.unreadable] == [
        ("class 0/white.png", "the network gives NaN or infinity")
    ]
    assert len(index) == 23
    check_extremes(net, index)


def test_an_image_that_has_changed_or_gone(make: Make, photos: Path) -> None:
    index = make()
    paint(photos / "20.png", 99)
    (photos / "21.png").unlink()
    with pytest.raises(cs.ConvscopeError, match=r"20\.png in .* has changed"):
        index.photo(0)
    with pytest.raises(cs.ConvscopeError, match=r"21\.png is no longer in"):
        index.photo(1)


def test_the_tables_open_with_anything_that_reads_parquet(make: Make) -> None:
    index = make()
    table = pq.read_table(min(index.path.glob("shards/*-images.parquet")))
    assert str(table.schema.field("embedding").type.value_type) == "halffloat"
    channels = pq.read_table(index.path / "channels.parquet")
    assert len(channels) == 8 + 12
    assert channels["top_row"].to_pylist()[0] == index.channels["norm"].top.rows[0].tolist()


def test_engines_by_name() -> None:
    assert make_engine("plain", 3, None, None, "cpu") == plain.Plain(3)
    assert make_engine("ray", None, 2, "auto", "cuda") == ray.OnRay("auto", 2, 1, 0)


@pytest.mark.slow
def test_the_sample_by_brute_force(sample_folder: Path, tmp_path: Path) -> None:
    """All stages of the default network over 500 photographs."""
    net = zoo.load(device="cpu")
    index = cs.index(net, sample_folder, tmp_path / "index").result()
    assert len(index) == 500
    assert list(index.channels)[:-1] == [
        "blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2.pre",
    ]  # fmt: skip
    check_extremes(net, index)
