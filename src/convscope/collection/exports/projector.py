"""A collection for the embedding projector of TensorBoard."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.collection.exports.columns import Columns, as_utf8
from convscope.errors import ConvscopeError
from convscope.files import thumbnail, write_folder
from convscope.types import Array

SPRITE, TILE = 8_192, 64  # most pixels a side of the sprite picture, and of a thumbnail in it

CONFIG = "projector_config.pbtxt"

FILES = {CONFIG, "embeddings.bytes", "metadata.tsv", "sprite.png"}

MADE_BY = "# made by convscope"

_CONFIG = (
    f"{MADE_BY}\n"
    + """\
embeddings {{
  tensor_name: "embeddings"
  tensor_path: "embeddings.bytes"
  tensor_shape: {count}
  tensor_shape: {width}
  metadata_path: "metadata.tsv"
  sprite {{
    image_path: "sprite.png"
    single_image_dim: {side}
    single_image_dim: {side}
  }}
}}
"""
)


def write_projector(folder: str | os.PathLike[str], columns: Columns) -> Path:
    """Write a folder that TensorBoard's embedding projector shows:

        tensorboard --logdir FOLDER

    It has the embeddings, labels and thumbnails; the projector makes its own map. All thumbnails
    are on one picture of at most 8,192 pixels a side, so they are smaller if there are more.

    Args:
        folder: the new folder.
        columns: what is known of the images, with their embeddings.

    Raises:
        ConvscopeError: there are no embeddings, or the folder exists already.
    """
    embeddings = columns.embeddings
    if embeddings is None:
        raise ConvscopeError("the projector needs the embeddings")
    count, across = len(columns.paths), math.isqrt(len(columns.paths) - 1) + 1
    side = min(TILE, SPRITE // across)
    if not side:
        raise ConvscopeError(f"the projector shows at most {SPRITE**2:,} images")

    def write(place: Path) -> None:
        _write_embeddings(place / "embeddings.bytes", columns, embeddings)
        with (place / "metadata.tsv").open("w", encoding="utf-8", newline="\n") as lines:
            for row in _metadata(columns):
                lines.write("\t".join(row) + "\n")
        _sprite(columns, across, side).save(place / "sprite.png", compress_level=3)
        config = _CONFIG.format(count=count, width=embeddings.shape[1], side=side)
        (place / CONFIG).write_text(config, encoding="utf-8")

    return write_folder(folder, write, ours=is_projector)


def is_projector(folder: Path) -> bool:
    """Whether a folder holds what `write_projector` wrote, and nothing else."""
    with (folder / CONFIG).open(encoding="utf-8") as config:
        made_by = config.readline().strip()
    return made_by == MADE_BY and {path.name for path in folder.iterdir()} <= FILES


def _write_embeddings(path: Path, columns: Columns, embeddings: Array) -> None:
    with path.open("wb") as file:
        for rows in columns.batches():
            block = np.ascontiguousarray(embeddings[rows], "<f4")
            if not rows.start:
                _not_as_text(block)
            file.write(block.tobytes())


def _not_as_text(block: Array) -> None:
    """Make sure that a block is not valid UTF-8.

    TensorBoard takes a file that is valid UTF-8 for text, and then fails. So the last eight bits of
    the first number become ones, which changes it by a factor of 3e-5 at most.
    """
    block.reshape(-1)[:1].view("<u4")[:] |= 0xFF


def _sprite(columns: Columns, across: int, side: int) -> Image.Image:
    """All thumbnails on one picture, which the projector expects to be square."""
    sprite = Image.new("RGB", (across * side,) * 2, "white")
    for rows in columns.batches():
        for i, data in enumerate(columns.thumbnails[rows], rows.start):
            shown = thumbnail(data).resize((side, side), Image.Resampling.LANCZOS)
            sprite.paste(shown, (i % across * side, i // across * side))
    return sprite


def _metadata(columns: Columns) -> Iterator[list[str]]:
    """The rows of the projector's table, with the names of the columns first.

    There are always several columns, because the projector reads no names in a table of one.
    """
    yield ["path", "label", "prediction", "probability"]
    for rows in columns.batches():
        for i in range(*rows.indices(len(columns.paths))):
            label = None if columns.labels is None else columns.labels[i]
            prediction = None if columns.predictions is None else columns.predictions[i]
            probability = columns.probability(i)
            number = "" if probability is None else f"{probability:.4f}"
            cells = columns.paths[i], label or "", prediction or "", number
            yield [_cell(text) for text in cells]


_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def _cell(text: str) -> str:
    """The text without tabs and line breaks, which the projector's tables cannot hold."""
    return _BREAKS.sub(" ", as_utf8(text))
