"""What other programs get: read back by their own rules."""

from __future__ import annotations

import base64
import io
import json
import re
import stat
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.collection.exports import columns as export_columns
from convscope.collection.exports import formats, projector
from convscope.collection.exports.atlas import write_atlas
from convscope.collection.exports.columns import Columns
from convscope.collection.exports.fiftyone import write_fiftyone
from convscope.collection.exports.projector import write_projector
from tests.helpers.rows import indexed

pq = pytest.importorskip("pyarrow.parquet")

ODD = ["plain.jpg", "a\tb\nc\rd\u2028e\x00f.jpg", "caf\udce9.jpg", '<b>"quotes"\\ & 猫.jpg']


def thumbnail(i: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), color_of(i)).save(buffer, "PNG")
    return buffer.getvalue()


def color_of(i: int) -> tuple[int, int, int]:
    return i * 53 % 256, i * 97 % 256, i * 151 % 256


def columns(count: int = 11) -> Columns:
    chance = np.random.default_rng(0)
    return Columns(
        paths=[*ODD, *(f"/photos/{i}.jpg" for i in range(count))][:count],
        places=chance.standard_normal((count, 2)).astype(np.float32),
        thumbnails=[thumbnail(i) for i in range(count)],
        labels=[None if i == 2 else f"kind {i % 3}\t" for i in range(count)],
        predictions=[None if i == 1 else f"says\n{i}" for i in range(count)],
        probabilities=np.where(np.arange(count) == 1, np.nan, chance.uniform(size=count)),
        embeddings=np.maximum(chance.standard_normal((count, 7)), 0).astype(np.float16),
    )


def bare(count: int = 11) -> Columns:
    return replace(
        columns(count), labels=None, predictions=None, probabilities=None, embeddings=None
    )


def written(words: Sequence[str]) -> list[str]:
    """Words as UTF-8 can have them."""
    return [word.encode("utf-8", "replace").decode() for word in words]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_columns, "BATCH", 4)


# ------------------------------------------------------------------------- Embedding Atlas


def test_atlas_has_every_column(tmp_path: Path) -> None:
    given = columns()
    ids = np.arange(22).reshape(11, 2) % 11
    far = ids / 4
    path = write_atlas(tmp_path / "map.parquet", given, (ids, far))
    rows = pq.read_table(path).to_pylist()
    assert [row["path"] for row in rows] == written(given.paths)
    assert given.labels is not None
    assert [row["label"] for row in rows] == list(given.labels)
    assert [row["prediction"] for row in rows] == given.predictions
    assert given.probabilities is not None
    sure = [None if np.isnan(p) else np.float32(p) for p in given.probabilities]
    assert [row["probability"] for row in rows] == sure
    assert sure[1] is None
    np.testing.assert_array_equal([(row["x"], row["y"]) for row in rows], given.places)
    assert [row["thumbnail"]["bytes"] for row in rows] == given.thumbnails
    assert rows[3]["neighbors"] == {"ids": [6, 7], "distances": [1.5, 1.75]}
    assert pq.ParquetFile(path).num_row_groups == 3, "a batch at a time"


def test_atlas_of_what_is_known_only(tmp_path: Path) -> None:
    table = pq.read_table(write_atlas(tmp_path / "map.parquet", bare()))
    assert set(table.column_names) == {"thumbnail", "path", "x", "y"}


# ------------------------------------------------------------------------------- projector


def config(folder: Path) -> dict[str, list[str]]:
    """The projector's text format, of which all keys here are different or come in pairs."""
    found: dict[str, list[str]] = {}
    text = (folder / "projector_config.pbtxt").read_text("utf-8")
    for key, value in re.findall(r'^\s*(\w+): "?([^"\n]*)"?$', text, re.M):
        found.setdefault(key, []).append(value)
    assert text.count("{") == text.count("}") == 2
    return found


@pytest.mark.parametrize("count", [1, 2, 4, 11])
def test_projector_by_its_rules(tmp_path: Path, count: int) -> None:
    given = columns(count)
    folder = write_projector(tmp_path / "logs", given)
    words = config(folder)
    rows, width = (int(word) for word in words["tensor_shape"])
    embeddings = np.fromfile(folder / words["tensor_path"][0], "<f4").reshape(rows, width)
    assert given.embeddings is not None
    np.testing.assert_allclose(embeddings, given.embeddings.astype("f4"), rtol=4e-5, atol=1e-40)
    with pytest.raises(UnicodeDecodeError):  # by which TensorBoard knows that this is no text
        (folder / "embeddings.bytes").read_text("utf-8")
    # The page splits at "\n" and "\t"; the server, in Python, at all ends of line it knows.
    text = (folder / words["metadata_path"][0]).read_text("utf-8")
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert len(lines) == len(text.splitlines()) == count + 1
    head, *cells = (line.split("\t") for line in lines)
    assert head == ["path", "label", "prediction", "probability"]
    assert all(len(row) == 4 for row in cells)
    assert [row[2] for row in cells] == ["" if i == 1 else f"says {i}" for i in range(count)]
    assert [row[3] == "" for row in cells] == [i == 1 for i in range(count)]
    if count > 3:
        assert [row[0] for row in cells][:4] == ["plain.jpg", "a b c d e f.jpg", *written(ODD[2:4])]
        assert cells[2][1] == ""
    sprite = Image.open(folder / words["image_path"][0])
    down, across = (int(word) for word in words["single_image_dim"])
    assert sprite.width == sprite.height
    for i in range(count):
        row, column = divmod(i, sprite.width // across)
        at = column * across + across // 2, row * down + down // 2
        assert sprite.getpixel(at) == color_of(i)


def test_embeddings_that_are_all_zero_are_no_text_either(tmp_path: Path) -> None:
    given = replace(columns(3), embeddings=np.zeros((3, 4), np.float16))
    data = (write_projector(tmp_path / "logs", given) / "embeddings.bytes").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    assert np.frombuffer(data, "<f4").max() < 1e-40


def test_thumbnails_get_smaller_where_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "SPRITE", 100)
    folder = write_projector(tmp_path / "logs", columns())
    assert config(folder)["single_image_dim"] == ["25", "25"]
    assert Image.open(folder / "sprite.png").size == (100, 100)
    monkeypatch.setattr(projector, "SPRITE", 3)
    with pytest.raises(cs.ConvscopeError, match="at most 9 images"):
        write_projector(tmp_path / "other", columns())


def test_projector_needs_embeddings(tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="the projector needs the embeddings"):
        write_projector(tmp_path / "logs", bare())


# -------------------------------------------------------------------------------- FiftyOne


def test_fiftyone_by_its_rules(tmp_path: Path) -> None:
    given = columns()
    path = write_fiftyone(tmp_path / "map.json", given, name="holidays")
    found = json.loads(path.read_text("utf-8"))
    assert (found["name"], found["media_type"]) == ("holidays", "image")
    samples = found["samples"]
    for sample in samples:
        assert set(sample) == set(found["sample_fields"]), "from_json adds no field by itself"
    assert [s["filepath"] for s in samples] == written(given.paths)
    np.testing.assert_array_equal([(s["x"], s["y"]) for s in samples], given.places)
    assert samples[2]["ground_truth"] is None
    assert samples[1]["prediction"] is None
    assert "NaN" not in path.read_text("utf-8"), "which is not JSON"
    assert samples[3]["ground_truth"] == {"_cls": "Classification", "tags": [], "label": "kind 0\t"}
    assert given.probabilities is not None
    assert samples[3]["prediction"] == {
        "_cls": "Classification",
        "tags": [],
        "label": "says\n3",
        "confidence": float(given.probabilities[3]),
    }
    assert given.embeddings is not None
    for sample, embedding in zip(samples, given.embeddings, strict=True):
        data = zlib.decompress(base64.b64decode(sample["embedding"]["$binary"]["base64"]))
        np.testing.assert_array_equal(np.load(io.BytesIO(data)), embedding)


def test_fiftyone_of_what_is_known_only(tmp_path: Path) -> None:
    found = json.loads(write_fiftyone(tmp_path / "map.json", bare()).read_text("utf-8"))
    assert set(found["sample_fields"]) == {"filepath", "tags", "x", "y"}
    assert set(found["samples"][0]) == {"filepath", "tags", "x", "y"}


# ---------------------------------------------------------------------------- all or nothing


class Lazy(Sequence[bytes]):
    """Thumbnails that are read when they are asked for; one of them cannot be."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if index == 9:
            raise OSError("the disk is gone")
        return thumbnail(index)


@pytest.mark.parametrize("write", [write_atlas, write_projector])
def test_what_fails_leaves_nothing(write: Any, tmp_path: Path) -> None:
    broken = replace(columns(), thumbnails=Lazy(11))
    with pytest.raises(cs.ConvscopeError, match=r"cannot write .* \(the disk is gone\)"):
        write(tmp_path / "out.parquet", broken)
    assert list(tmp_path.iterdir()) == []
    assert write(tmp_path / "out.parquet", replace(columns(9), thumbnails=Lazy(9))).exists()


def test_a_folder_is_replaced_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metadata.tsv").touch()
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope; choose another name"):
        write_projector(tmp_path / "logs", columns())
    with pytest.raises(cs.ConvscopeError, match=r"no folder .*missing to write logs to"):
        write_projector(tmp_path / "missing" / "logs", columns())
    made = write_projector(tmp_path / "other", columns())
    assert stat.S_IMODE(made.stat().st_mode) & 0o700 == 0o700
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs", "other"]


@pytest.mark.parametrize("write", [write_atlas, write_fiftyone])
def test_files_go_where_they_can(write: Any, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="no folder"):
        write(tmp_path / "missing" / "out", columns())


def test_columns_are_as_long_as_each_other() -> None:
    with pytest.raises(
        cs.ConvscopeError, match="labels must have 11 entries, one for each path, not 1"
    ):
        replace(columns(), labels=["one"])
    with pytest.raises(cs.ConvscopeError, match="there are no images to export"):
        columns(0)


@pytest.mark.parametrize("opened", [False, True])
def test_an_index_is_exported_as_its_ending_says(
    net: cs.Network, tmp_path: Path, opened: bool
) -> None:
    place = indexed(net)
    found = cs.open_index(place)
    index = found if opened else place
    page = cs.export(index, tmp_path / "map.html", method="pca")
    assert page == tmp_path / "map.html"
    assert found.folder.name in page.read_text(encoding="utf-8")
    table = pq.read_table(cs.export(index, tmp_path / "map.parquet", method="pca"))
    assert table["path"].to_pylist() == found.images["path"].to_pylist()
    config = tmp_path / "map" / "projector_config.pbtxt"
    assert (cs.export(index, config, method="pca") / "metadata.tsv").is_file()
    assert config.is_file()
    # `to` wins over the ending.
    samples = json.loads(cs.export(index, tmp_path / "x.txt", to="fiftyone").read_text("utf-8"))
    assert len(samples["samples"]) == len(found)


def test_exports_that_cannot_be(net: cs.Network, tmp_path: Path) -> None:
    place = indexed(net)
    with pytest.raises(cs.ConvscopeError, match=r"map\.csv: end it in \.html for a page"):
        cs.export(place, tmp_path / "map.csv")
    with pytest.raises(cs.ConvscopeError, match="unknown format 'pages'; did you mean"):
        cs.export(place, tmp_path / "map.html", to="pages")  # type: ignore[arg-type]
    with pytest.raises(cs.ConvscopeError, match="no index at"):
        cs.export(tmp_path / "none", tmp_path / "map.html")
    assert not list(tmp_path.iterdir())


FORMS = {
    "map.html": "page", "map.parquet": "atlas", "map.json": "fiftyone", "map": "projector",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_an_export_replaces_itself_and_nothing_else(
    net: cs.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = indexed(net)
    index = cs.open_index(place)
    for _ in range(2):
        to: Any = FORMS[name]
        assert cs.export(index, tmp_path / name, to=to, method="pca") == tmp_path / name
    other = next(form for form in FORMS if form != name)
    made = cs.export(index, tmp_path / other, to=cast("Any", FORMS[other]), method="pca")
    monkeypatch.setattr(formats, "cached_layout", lambda *_: pytest.fail("it worked"))
    if FORMS[name] == "projector":
        (tmp_path / name / "notes.txt").write_text("precious")
        precious = tmp_path / name / "notes.txt"
    else:
        (tmp_path / name).unlink()
        precious = tmp_path / name
        precious.write_text('{"name": "precious", "info": {}, "samples": []}')
    before = precious.read_bytes()
    for output, kind in ((tmp_path / name, FORMS[name]), (made, FORMS[name])):
        with pytest.raises(cs.ConvscopeError, match=r"was not made by convscope|is a folder"):
            cs.export(index, output, to=kind)  # type: ignore[arg-type]
    assert precious.read_bytes() == before
    for file in index.path.glob("*.*"):  # the files of the index are not files of an export
        with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
            cs.export(index, file, to="fiftyone")
