"""An index: what is in it, against a pass image by image; and that nothing is lost or half done."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.collection import store
from convscope.collection.build import layers_to_index
from convscope.collection.engines import plain, ray
from convscope.collection.engines.engine import make_engine
from convscope.collection.manifest import listing
from convscope.collection.reading import Index
from convscope.files import atomic, images
from convscope.network import default_layers, zoo
from tests.helpers.collections import Make, paint, same
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
        ((nn.Conv2d(6, 3, 1), pool, flat), "head.1", 3),  # nothing else has one number a channel
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


# --------------------------------------------------------------- nothing lost, nothing mixed


class Killed(BaseException):
    pass


def test_the_same_again_does_nothing(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}
    monkeypatch.setattr(nn.Module, "__call__", None)
    make()
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}


def test_options_not_given_are_those_of_the_index(
    own: cs.Network, photos: Path, make: Make, tmp_path: Path
) -> None:
    made = make(thumbnail=17, layers=["stem"])
    again = cs.index(own, photos, tmp_path / "index", workers=0).result()
    assert again.settings == made.settings


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_matter(make: Make, tmp_path: Path, workers: int) -> None:
    make("alone", workers=0)
    make("helped", workers=workers)
    assert same(tmp_path / "alone", tmp_path / "helped")


def write_calls(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Call `act(n)` before the n-th file is put in its place."""
    count = 0
    replace = Path.replace

    def counted(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        act(count)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", counted)


def _index(photos: Path, output: Path, workers: int = 0) -> None:
    cs.index(own_network(), photos, output, shard=5, batch_size=2, top=3, workers=workers).result()


def _killed_at(photos: Path, output: Path, step: int, ready: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        write_calls(patch, lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == step else None)
        _index(photos, output)


def killed(target: Callable[..., None], *arguments: Any, after: float | None = None) -> None:
    """A process that kills itself, or is killed so many seconds after it began to write."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=target, args=(*arguments, ready))
    process.start()
    assert process.pid is not None
    if after is not None:
        ready.wait(60)
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)


def test_killed_before_each_file_is_in_place(make: Make, photos: Path, tmp_path: Path) -> None:
    make("whole")
    files = sum(1 for p in (tmp_path / "whole").rglob("*") if p.suffix)
    for step in range(1, files + 1):
        broken = tmp_path / f"broken {step}"
        killed(_killed_at, photos, broken, step)
        assert not (broken / "done.json").exists()
        with pytest.raises(cs.ConvscopeError, match=r"not finished|no index"):
            cs.open_index(broken)
        _index(photos, broken)
        assert same(tmp_path / "whole", broken), step
        shutil.rmtree(broken)


def _slowly(photos: Path, output: Path, workers: int, ready: Any) -> None:
    indexing = cs.index(
        own_network(), photos, output, shard=5, batch_size=2, top=3, workers=workers
    )
    for _ in indexing:
        ready.set()


@pytest.mark.parametrize("workers", [0, 1])
def test_killed_at_any_time(make: Make, photos: Path, tmp_path: Path, workers: int) -> None:
    make("whole")
    begun = time.monotonic()
    _index(photos, tmp_path / "timed", workers)
    took = time.monotonic() - begun
    chance = random.Random(workers)
    for n in range(12):
        broken = tmp_path / f"broken {n}"
        for _ in range(2):  # killed again while it goes on
            killed(_slowly, photos, broken, workers, after=chance.uniform(0, took))
        _index(photos, broken)
        assert same(tmp_path / "whole", broken)


def test_broken_off_and_gone_on_with(
    own: cs.Network, make: Make, photos: Path, tmp_path: Path
) -> None:
    make("whole")
    indexing = cs.index(own, photos, tmp_path / "part", shard=5, batch_size=2, top=3, workers=0)
    for progress in indexing:
        if progress.done >= 11:
            break
    again = list(cs.index(own, photos, tmp_path / "part", workers=0))
    assert again[0].done == 10, "two shards of five were whole"
    assert (again[-1].done, again[-1].total) == (23, 23)
    assert same(tmp_path / "whole", tmp_path / "part")


@pytest.mark.parametrize("step", range(1, 8))
def test_no_space_left(
    make: Make, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("whole")
    with monkeypatch.context() as patch:

        def full(_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        write_calls(patch, lambda n: full(n) if n == step else None)
        with pytest.raises(cs.ConvscopeError, match=r"cannot write .*No space left on device"):
            make("part")
        assert not list((tmp_path / "part").rglob(f"{atomic.TEMPORARY}*"))
    make("part")
    assert same(tmp_path / "whole", tmp_path / "part")


def test_what_another_run_has_made_is_refused(make: Make, photos: Path, tmp_path: Path) -> None:
    make()
    other = Own()
    with torch.no_grad():
        other.head.bias.add_(1)
    weights = cs.Network(other, mean=[0.5] * 3, std=[0.25] * 3, input_size=32)
    smaller = cs.Network(Own(), mean=[0.5] * 3, std=[0.25] * 3, input_size=24)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(photos, elsewhere)
    for options, message in (
        ({"net": weights}, "was made by Own with other weights; use the same, or another output"),
        ({"net": smaller}, "was made with input_size 32, 32, not 24, 24"),
        ({"net": own_network(channels=1)}, r"was made with mean 0.5, 0.5, 0.5, not 0.5;"),
        ({"layers": ["stem"]}, "was made with layers norm, doubled, not stem"),
        ({"top": 5}, "was made with top 3, not 5"),
        ({"shard": 4}, "was made with shard 5, not 4"),
        ({"thumbnail": 20}, "was made with thumbnail 96, not 20"),
        ({"folder": elsewhere}, "was made with folder"),
        ({"follow_links": True}, "was made with follow_links False, not True"),
    ):
        with pytest.raises(cs.ConvscopeError, match=message):
            make(**options)
    weights.name = "Other"
    with pytest.raises(cs.ConvscopeError, match="was made by Own, not Other"):
        make(net=weights)
    with pytest.raises(cs.ConvscopeError, match="was made by Own, not Other"):
        cs.open_index(tmp_path / "index").check(weights)


def test_what_is_no_index_is_not_written_into(make: Make, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "thesis.tex").touch()
    with pytest.raises(cs.ConvscopeError, match="is not an index, and not empty"):
        make()
    (tmp_path / "file").touch()
    with pytest.raises(cs.ConvscopeError, match="is not an index, and not empty"):
        make("file")
    assert [p.name for p in (tmp_path / "index").iterdir()] == ["thesis.tex"]


# --------------------------------------------------------------------------------- updates


def contents(index: Index) -> dict[str, Any]:
    """All that is in an index, by the images' paths instead of their numbers."""
    paths = index.images["path"].to_pylist()
    tops: dict[tuple[str, str], Any] = {}
    for layer, found in index.channels.items():
        for name in ("top", "bottom"):
            end = getattr(found, name)
            rows = [[paths[r] for r in row] for row in end.rows]
            tops[layer, name] = rows, end.values.tolist(), end.positions.tolist()
        total = np.round(found.total, 6).tolist()
        counts = found.positive.tolist(), found.histogram.tolist(), found.images
        tops[layer, "numbers"] = counts, total
    embeddings = {
        path: embedding.tolist() for path, embedding in zip(paths, index.embeddings, strict=True)
    }
    return {
        "tops": tops,
        "embeddings": embeddings,
        "unreadable": sorted(map(str, index.unreadable)),
    }


def test_an_update_gives_what_a_new_index_would(
    make: Make, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    paint(photos / "00 new.png", 100)
    paint(photos / "class 2" / "new.png", 101)
    (photos / "class 0" / "01.png").unlink()
    paint(photos / "21.png", 102)
    with pytest.raises(cs.ConvscopeError, match=r"\(2 new, 1 gone, 1 changed\); update"):
        make()
    opened: list[str] = []
    real = images.open_image

    def noted(path: Path) -> Tensor:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(images, "open_image", noted)
    updated = make(update=True)
    # In order of paths: 20, 21, 22; then 01, 03, ... A shard of what went, one of what changed.
    assert sorted(opened) == ["00 new.png", "03.png", "20.png", "21.png", "22.png", "new.png"]
    monkeypatch.undo()
    assert contents(updated) == contents(make("anew"))
    assert same(updated.path, updated.path)
    opened.clear()
    make(update=True)
    assert not opened


def test_an_update_that_leaves_whole_shards_empty(make: Make, photos: Path) -> None:
    make()
    shutil.rmtree(photos / "class 0")
    updated = make(update=True)
    assert len(updated) == 13
    assert contents(updated) == contents(make("anew"))
    numbers = {p.name[:6] for p in (updated.path / "shards").iterdir()}
    assert "000001" not in numbers, "what is of no shard any more is deleted"


def test_an_update_may_be_killed_too(make: Make, photos: Path, tmp_path: Path) -> None:
    make()
    before = cs.open_index(tmp_path / "index")
    paint(photos / "new.png", 100)
    (photos / "22.png").unlink()
    for step in (1, 2, 4, 6):
        with pytest.MonkeyPatch.context() as patch:

            def die(n: int, step: int = step) -> None:
                if n == step:
                    raise Killed

            write_calls(patch, die)
            with pytest.raises(Killed):
                make(update=True)
    assert contents(make(update=True)) == contents(make("anew"))
    assert len(before) == 23


# --------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    "part", ["000002-images.parquet", "000002-channels.parquet", "000002.json"]
)
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_shard_is_named_and_made_anew_alone(
    make: Make, own: cs.Network, photos: Path, tmp_path: Path, part: str, how: str
) -> None:
    make("whole")
    make()
    file = tmp_path / "index" / "shards" / part
    damage(file, how)
    steps = list(cs.index(own, photos, tmp_path / "index", workers=0))
    assert steps[0].done == 18
    if how != "gone" or part.endswith("parquet"):
        assert [Path(name).name for name in steps[0].damaged] == ["000002-*.parquet"]
    assert same(tmp_path / "whole", tmp_path / "index")


def damage(file: Path, how: str) -> None:
    whole = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
        return
    if how == "cut":
        del whole[len(whole) // 2 :]
    else:
        whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(whole)


@pytest.mark.parametrize("name", store.MERGED)
def test_what_was_brought_together_is_mended(make: Make, tmp_path: Path, name: str) -> None:
    make("whole")
    make()
    damage(tmp_path / "index" / name, "cut")
    with pytest.raises(
        cs.ConvscopeError, match=rf"{name} in .* is damaged; convscope index .* repairs"
    ):
        cs.open_index(tmp_path / "index")
    make()
    assert same(tmp_path / "whole", tmp_path / "index")


def test_an_index_of_another_version_or_damaged_at_its_root(make: Make, tmp_path: Path) -> None:
    make()
    file = tmp_path / "index" / "index.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "format": 99}))
    for open_ in (make, lambda: cs.open_index(tmp_path / "index")):
        with pytest.raises(cs.ConvscopeError, match=r"another version of convscope \(format 99"):
            open_()
    file.write_text("{")
    with pytest.raises(cs.ConvscopeError, match="is damaged; delete"):
        make()
    file.write_text(json.dumps(values))
    damage(tmp_path / "index" / "manifest.parquet", "cut")
    with pytest.raises(cs.ConvscopeError, match="is damaged; delete"):
        make()


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"no index at .*; convscope index FOLDER"):
        cs.open_index(tmp_path)


# ------------------------------------------------------------------------------ one writer


def _hold(output: Path, held: Any, release: Any) -> None:
    with store.Store(output).writing():
        held.set()
        release.wait(60)


def test_two_processes_do_not_write_to_one_index(make: Make, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "index", held, release))
    other.start()
    held.wait(60)
    with pytest.raises(cs.ConvscopeError, match="another process is writing to"):
        make()
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join(60)
    assert len(make()) == 23, "the lock dies with its process"


def test_where_files_cannot_be_locked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(cs.ConvscopeError, match="can be written on Linux and macOS only"):
        make()


def test_nor_do_two_threads(make: Make, own: cs.Network, photos: Path, tmp_path: Path) -> None:
    first = iter(cs.index(own, photos, tmp_path / "index", shard=5, batch_size=2, top=3, workers=0))
    next(first)
    with pytest.raises(cs.ConvscopeError, match="another process is writing to"):
        make()
    for _ in first:
        pass
    make()


def test_reading_needs_no_right_to_write(make: Make) -> None:
    index = make()
    before = {p: p.stat().st_mtime_ns for p in index.path.rglob("*")}
    found = cs.open_index(index.path)
    assert (len(found.images), len(found.channels), found.embeddings.shape) == (23, 2, (23, 12))
    assert before == {p: p.stat().st_mtime_ns for p in index.path.rglob("*")}


def room_for(limit: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let there be memory for `limit` images; the list fills with the sizes of all batches."""
    sizes: list[int] = []
    real = cs.Network.activations

    def short(self: cs.Network, image: Tensor, *names: Any, **options: Any) -> Any:
        if len(image) > limit:
            raise MemoryError
        sizes.append(len(image))
        return real(self, image, *names, **options)

    monkeypatch.setattr(cs.Network, "activations", short)
    return sizes


@pytest.mark.parametrize(
    ("batch_size", "limit", "size"),
    [(2, 2, 2), (4, 4, 4), (16, 16, 5), (4, 3, 2), (5, 4, 2), (4, 1, 1)],
)
def test_all_batches_have_one_size(
    make: Make,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    limit: int,
    size: int,
) -> None:
    """The last bits of the answers depend on it. A batch ends with its shard, here of 5."""
    sizes = room_for(limit, monkeypatch)
    (photos / "bad.png").touch()
    make(batch_size=batch_size)
    paint(photos / "00 new.png", 100)
    (photos / "22.png").unlink()
    make(batch_size=batch_size, update=True)
    assert set(sizes) == {size}


def test_memory_runs_short(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("whole", batch_size=4)
    room_for(1, monkeypatch)
    make("short", batch_size=4)
    one, other = (cs.open_index(tmp_path / name) for name in ("whole", "short"))
    np.testing.assert_allclose(one.embeddings, other.embeddings, atol=1e-2)
    np.testing.assert_array_equal(
        one.channels["doubled"].top.rows, other.channels["doubled"].top.rows
    )


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
