"""A collection and its map for Embedding Atlas, TensorBoard's projector and FiftyOne."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convscope import images
from convscope.errors import ConvscopeError

Array = np.ndarray[Any, np.dtype[Any]]

BATCH = 4_096  # rows at a time
SPRITE, TILE = 8_192, 64  # most pixels a side of the projector's picture, and of a thumbnail in it


@dataclass(frozen=True)
class Columns:
    """What is known of N images, each column in the same order.

    Columns are read a batch at a time, so they may be lazy. `places` (N, 2) are those of a map,
    `thumbnails` files (JPEG, say), `predictions` what the network says and `probabilities` how
    sure it is (NaN where it says nothing), `codes` (N, D). A label of None is unknown.
    """

    paths: Sequence[str]
    places: Array
    thumbnails: Sequence[bytes]
    labels: Sequence[str | None] | None = None
    predictions: Sequence[str | None] | None = None
    probabilities: Array | None = None
    codes: Array | None = None

    def __post_init__(self) -> None:
        for name, column in vars(self).items():
            if column is not None and len(column) != len(self.paths):
                raise ConvscopeError(
                    f"{name} must be as many as the {len(self.paths)} paths, not {len(column)}"
                )
        if not len(self.paths):
            raise ConvscopeError("there are no images to export")

    def sure(self, i: int) -> float | None:
        """The probability of image i, if there is one."""
        found = np.nan if self.probabilities is None else float(self.probabilities[i])
        return found if np.isfinite(found) else None

    def batches(self) -> Iterator[slice]:
        for first in range(0, len(self.paths), BATCH):
            yield slice(first, first + BATCH)


def write_atlas(
    path: str | os.PathLike[str],
    columns: Columns,
    neighbours: tuple[Array, Array] | None = None,
) -> Path:
    """A Parquet file that Embedding Atlas opens, all or nothing:

        embedding-atlas PATH --x x --y y --image thumbnail

    and `--neighbors neighbors` where `neighbours` are given, as rows of each image's nearest and
    their distances, both (N, k).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = {
        # As Hugging Face has images in tables.
        "thumbnail": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "path": pa.string(),
        "label": pa.string(),
        "prediction": pa.string(),
        "probability": pa.float32(),
        "x": pa.float32(),
        "y": pa.float32(),
        "neighbors": pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float32())}),
    }
    lacking = {
        "label": columns.labels,
        "prediction": columns.predictions,
        "probability": columns.probabilities,
        "neighbors": neighbours,
    }
    for name, column in lacking.items():
        if column is None:
            del fields[name]
    schema = pa.schema(fields)

    def write(file: Path) -> None:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for some in columns.batches():
                values: dict[str, Any] = {
                    "path": [_utf8(path) for path in columns.paths[some]],
                    "x": np.asarray(columns.places[some, 0], np.float32),
                    "y": np.asarray(columns.places[some, 1], np.float32),
                    "thumbnail": [{"bytes": file} for file in columns.thumbnails[some]],
                }
                if columns.labels is not None:
                    values["label"] = [_maybe(label) for label in columns.labels[some]]
                if columns.predictions is not None:
                    values["prediction"] = [_maybe(words) for words in columns.predictions[some]]
                if columns.probabilities is not None:
                    sure = np.asarray(columns.probabilities[some], np.float32)
                    values["probability"] = pa.array(sure, from_pandas=True)  # NaN is no number
                if neighbours is not None:
                    values["neighbors"] = [
                        {"ids": ids.tolist(), "distances": far.tolist()}
                        for ids, far in zip(*(part[some] for part in neighbours), strict=True)
                    ]
                writer.write_table(pa.table(values, schema=schema))

    return images.write_file(path, write)


def write_projector(folder: str | os.PathLike[str], columns: Columns) -> Path:
    """A folder that TensorBoard's embedding projector shows, all or nothing:

        tensorboard --logdir FOLDER

    It has the codes, labels and thumbnails, and lays them out by itself. The thumbnails are one
    picture of at most 8,192 pixels a side, so the more there are, the smaller they get.

    Raises:
        ConvscopeError: without codes, or where the folder is there already.
    """
    codes = columns.codes
    if codes is None:
        raise ConvscopeError("the projector needs the codes")
    count, across = len(columns.paths), math.isqrt(len(columns.paths) - 1) + 1
    side = min(TILE, SPRITE // across)
    if not side:
        raise ConvscopeError(f"the projector shows at most {SPRITE**2:,} images")

    def write(place: Path) -> None:
        with (place / "codes.bytes").open("wb") as file:
            for some in columns.batches():
                block = np.ascontiguousarray(codes[some], "<f4")
                if not some.start:
                    _no_text(block)
                file.write(block.tobytes())
        with (place / "metadata.tsv").open("w", encoding="utf-8", newline="\n") as lines:
            for row in _metadata(columns):
                lines.write("\t".join(row) + "\n")
        # Square, whatever the number of images: the projector reckons with that.
        sprite = Image.new("RGB", (across * side,) * 2, "white")
        for some in columns.batches():
            for i, data in enumerate(columns.thumbnails[some], some.start):
                with Image.open(io.BytesIO(data)) as opened:
                    shown = opened.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
                sprite.paste(shown, (i % across * side, i // across * side))
        sprite.save(place / "sprite.png", compress_level=3)
        (place / "projector_config.pbtxt").write_text(
            "embeddings {\n"
            '  tensor_name: "codes"\n'
            '  tensor_path: "codes.bytes"\n'
            f"  tensor_shape: {count}\n"
            f"  tensor_shape: {codes.shape[1]}\n"
            '  metadata_path: "metadata.tsv"\n'
            "  sprite {\n"
            '    image_path: "sprite.png"\n'
            f"    single_image_dim: {side}\n"
            f"    single_image_dim: {side}\n"
            "  }\n"
            "}\n",
            encoding="utf-8",
        )

    return _write_folder(folder, write)


def write_fiftyone(path: str | os.PathLike[str], columns: Columns, name: str = "convscope") -> Path:
    """A JSON file that FiftyOne opens, all or nothing:

        dataset = fiftyone.Dataset.from_json(PATH)

    Samples have `ground_truth`, `prediction` with its confidence, `embedding` (the code) and the
    coordinates `x` and `y`, as far as they are known. Where paths are relative, `from_json` is to
    be told the folder that they begin in: `rel_dir=FOLDER`.
    """
    kind = "fiftyone.core.fields"
    label = f"{kind}.EmbeddedDocumentField(fiftyone.core.labels.Classification)"
    fields = {
        "filepath": f"{kind}.StringField",
        "tags": f"{kind}.ListField({kind}.StringField)",
        "ground_truth": label,
        "prediction": label,
        "x": f"{kind}.FloatField",
        "y": f"{kind}.FloatField",
        "embedding": f"{kind}.VectorField",
    }
    lacking = {
        "ground_truth": columns.labels,
        "prediction": columns.predictions,
        "embedding": columns.codes,
    }
    for field, column in lacking.items():
        if column is None:
            del fields[field]
    head = {"name": name, "media_type": "image", "sample_fields": fields, "info": {}}

    def write(file: Path) -> None:
        with file.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(head, indent=1)[:-2] + ',\n "samples": [')
            for i, sample in enumerate(_samples(columns)):
                lines.write((",\n" if i else "\n") + json.dumps(sample))
            lines.write("\n]}\n")

    return images.write_file(path, write)


def _samples(columns: Columns) -> Iterator[dict[str, object]]:
    for some in columns.batches():
        for i in range(*some.indices(len(columns.paths))):
            x, y = columns.places[i]
            sample: dict[str, object] = {
                "filepath": _utf8(columns.paths[i]),
                "tags": [],
                "x": float(x),
                "y": float(y),
            }
            if columns.labels is not None:
                sample["ground_truth"] = _classification(columns.labels[i])
            if columns.predictions is not None:
                sample["prediction"] = _classification(columns.predictions[i], columns.sure(i))
            if columns.codes is not None:
                sample["embedding"] = _vector(columns.codes[i])
            yield sample


def _classification(label: str | None, sure: float | None = None) -> dict[str, object] | None:
    if label is None:
        return None
    found: dict[str, object] = {"_cls": "Classification", "tags": [], "label": _utf8(label)}
    return found if sure is None else {**found, "confidence": float(sure)}


def _vector(values: Array) -> dict[str, object]:
    """As FiftyOne has arrays in JSON: compressed bytes of `numpy.save`."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values, np.float32), allow_pickle=False)
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"$binary": {"base64": data, "subType": "00"}}


def _metadata(columns: Columns) -> Iterator[list[str]]:
    """Rows of the projector's table, the names of its columns first.

    Always two columns at least, for a table of one has no names.
    """
    yield ["path", "label", "prediction", "probability"]
    for some in columns.batches():
        for i in range(*some.indices(len(columns.paths))):
            label = None if columns.labels is None else columns.labels[i]
            says = None if columns.predictions is None else columns.predictions[i]
            sure = columns.sure(i)
            words = label or "", says or "", "" if sure is None else f"{sure:.4f}"
            yield [_cell(columns.paths[i]), *map(_cell, words)]


_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def _cell(words: str) -> str:
    """Without tabs and ends of line, which no escape writes in the projector's tables."""
    return _BREAKS.sub(" ", _utf8(words))


def _no_text(block: Array) -> None:
    """TensorBoard takes a file of numbers for text unless some byte cannot be in UTF-8, and then
    fails: so the last eight bits of the first number become ones, a change of 3e-5 at most."""
    block.reshape(-1)[:1].view("<u4")[:] |= 0xFF


def _write_folder(folder: str | os.PathLike[str], write: Callable[[Path], None]) -> Path:
    """Write a folder under a temporary name beside it, then move it into place."""
    target = Path(folder)
    if target.exists():
        raise ConvscopeError(f"{target} is there already; remove it, or choose another name")
    if not target.parent.is_dir():
        raise ConvscopeError(f"no folder {target.parent} to write {target.name} to")
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".convscope-", dir=target.parent))
        write(temporary)
        temporary.chmod(0o755)
        temporary.rename(target)
    except OSError as error:
        raise ConvscopeError(f"cannot write {target} ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _maybe(words: str | None) -> str | None:
    return None if words is None else _utf8(words)


def _utf8(words: str) -> str:
    """Without what UTF-8 cannot write: bytes of a file's name that are no letters."""
    return words.encode("utf-8", "replace").decode("utf-8")
