"""Exporting an index: the formats, and what each of them gets."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from convscope.collection.exports import atlas, fiftyone, page, projector
from convscope.collection.exports.columns import Columns
from convscope.collection.layout.cached import cached_layout
from convscope.collection.layout.grids import unique_grid
from convscope.collection.layout.layouts import Layout
from convscope.collection.layout.rows import at_random
from convscope.collection.reading import Index, open_index
from convscope.collection.search.exact import exact
from convscope.errors import ConvscopeError, unknown
from convscope.files import check_folder, check_writable, write_text
from convscope.render import is_page

ON_PAGE = 20_000  # images that a browser moves smoothly

ALL_NEIGHBORS = 20_000  # images of which all pairs are compared

NEIGHBORS = 10

ENDINGS = {".html": "page", ".parquet": "atlas", ".json": "fiftyone"}


def export(
    index: Index | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    to: Literal["page", "atlas", "projector", "fiftyone"] | None = None,
    method: Literal["tsne", "pca", "isomap", "umap"] = "tsne",
) -> Path:
    """Write a collection and its layout as a web page, or as files for another program.

    Args:
        index: the index, or where it lies.
        path: the file to write; for the projector its file projector_config.pbtxt, or the folder
            that this lies in.
        to: "page", "atlas", "projector" or "fiftyone"; if it is not given, the end of `path`
            chooses: .html, .parquet, projector_config.pbtxt or .json.
        method: method that lays out the images, as in `embedding_map`.

    Returns:
        What was written.

    Raises:
        ConvscopeError: there is no index, or it has no images, the ending is unknown, or the output
            cannot be written.
    """
    output = Path(path)
    kind = to or format_of(output)
    if kind is None:
        raise ConvscopeError(
            f"{output.name}: end it in .html for a page, .parquet for Embedding Atlas or .json for"
            f" FiftyOne, give FOLDER/{projector.CONFIG} for TensorBoard's projector, or a folder"
            " without an ending for a site"
        )
    if kind not in _WRITERS:
        raise unknown("format", kind, _WRITERS)
    opened = index if isinstance(index, Index) else open_index(index)
    if not len(opened):
        raise ConvscopeError(f"{opened.path} has no images to export")
    if output.name == projector.CONFIG:
        output = output.parent
    _check(kind, output)
    return _WRITERS[kind](opened, cached_layout(opened, method), output)


def format_of(output: Path) -> str | None:
    """The format that the end of a path chooses."""
    return "projector" if output.name == projector.CONFIG else ENDINGS.get(output.suffix.lower())


def _check(kind: str, output: Path) -> None:
    """Fail before the layout is computed, rather than after it, if nothing can be written."""
    if kind == "projector":
        check_folder(output, ours=projector.is_projector)
    else:
        ours = {"page": is_page, "atlas": atlas.is_table, "fiftyone": fiftyone.is_dataset}
        check_writable(output, ours=ours[kind])


def _page(index: Index, made: Layout, output: Path) -> Path:
    rows = at_random(len(index), ON_PAGE, 0)
    notes = list(made.notes)
    if len(rows) < len(index):
        notes.append(f"{len(rows):,} of {len(index):,} images at random")
    text = page.page(
        made.places[rows],
        index.thumbnails(rows.tolist()),
        [index.paths[row] for row in rows],
        title=index.folder.name,
        labels=[index.folders[row] for row in rows],
        predictions=[index.prediction(row) or None for row in rows],
        summary={
            "network": index.identity["network"]["name"],
            "map": made.method,
            "trustworthiness": f"{made.trustworthiness:.2f}",
            "recall of the ten nearest": f"{made.recall:.2f}",
        },
        notes=notes,
        grid=unique_grid(made.places[rows]),
    )
    return write_text(output, text, ours=is_page)


def _atlas(index: Index, made: Layout, output: Path) -> Path:
    near = None
    if 1 < len(index) <= ALL_NEIGHBORS:
        queries = np.asarray(index.embeddings, np.float32)
        count = min(NEIGHBORS + 1, len(index))
        near = exact(index.embeddings, queries, count).besides(np.arange(len(index)))
    return atlas.write_atlas(output, _columns(index, made), near)


def _projector(index: Index, made: Layout, output: Path) -> Path:
    return projector.write_projector(output, _columns(index, made))


def _fiftyone(index: Index, made: Layout, output: Path) -> Path:
    return fiftyone.write_fiftyone(output, _columns(index, made, absolute=True))


_WRITERS: dict[str, Callable[[Index, Layout, Path], Path]] = {
    "page": _page,
    "atlas": _atlas,
    "projector": _projector,
    "fiftyone": _fiftyone,
}


def _columns(index: Index, made: Layout, absolute: bool = False) -> Columns:
    paths, labels = index.paths, index.folders
    predictions, probabilities = None, None
    if index.images["classes"].null_count < len(index):
        predictions = [index.prediction(row) or None for row in range(len(index))]
        best = index.images["probabilities"].to_pylist()
        probabilities = np.array([values[0] if values else np.nan for values in best])
    return Columns(
        paths=[str(index.folder / path) for path in paths] if absolute else paths,
        places=made.places,
        thumbnails=_Thumbnails(index),
        labels=labels if any(labels) else None,
        predictions=predictions,
        probabilities=probabilities,
        embeddings=index.embeddings,
    )


class _Thumbnails(Sequence[bytes]):
    """The thumbnails of an index, read when they are asked for."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, row: int) -> bytes: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[bytes]: ...

    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return self._index.thumbnails(range(*row.indices(len(self))))
        return self._index.thumbnails([row])[0]
