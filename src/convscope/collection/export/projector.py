"""TODO."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.collection.export.columns import (
    Columns,
    as_utf8,
    not_as_text,
)
from convscope.errors import ConvscopeError
from convscope.files import write_folder

SPRITE, TILE = 8_192, 64  # most pixels a side of the projector's picture, and of a thumbnail in it


def write_projector(folder: str | os.PathLike[str], columns: Columns) -> Path:
    """A folder that TensorBoard's embedding projector shows, all or nothing:

        tensorboard --logdir FOLDER

    It has the embeddings, labels and thumbnails, and lays them out by itself. The thumbnails are one
    picture of at most 8,192 pixels a side, so the more there are, the smaller they get.

    Raises:
        ConvscopeError: without embeddings, or where the folder is there already.
    """
    embeddings = columns.embeddings
    if embeddings is None:
        raise ConvscopeError("the projector needs the embeddings")
    count, across = len(columns.paths), math.isqrt(len(columns.paths) - 1) + 1
    side = min(TILE, SPRITE // across)
    if not side:
        raise ConvscopeError(f"the projector shows at most {SPRITE**2:,} images")

    def write(place: Path) -> None:
        with (place / "embeddings.bytes").open("wb") as file:
            for some in columns.batches():
                block = np.ascontiguousarray(embeddings[some], "<f4")
                if not some.start:
                    not_as_text(block)
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
            '  tensor_name: "embeddings"\n'
            '  tensor_path: "embeddings.bytes"\n'
            f"  tensor_shape: {count}\n"
            f"  tensor_shape: {embeddings.shape[1]}\n"
            '  metadata_path: "metadata.tsv"\n'
            "  sprite {\n"
            '    image_path: "sprite.png"\n'
            f"    single_image_dim: {side}\n"
            f"    single_image_dim: {side}\n"
            "  }\n"
            "}\n",
            encoding="utf-8",
        )

    return write_folder(folder, write)


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
    return _BREAKS.sub(" ", as_utf8(words))
