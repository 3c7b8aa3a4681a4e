"""An index for other programs, and as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from convscope.collection.export import atlas, columns, fiftyone, page, projector
from convscope.collection.layout.grids import unique_grid
from convscope.collection.layout.kept import laid_out
from convscope.collection.layout.methods import Layout, at_random
from convscope.collection.reading import Index
from convscope.collection.search.exact import exact
from convscope.errors import ConvscopeError
from convscope.files import write_text

ON_PAGE = 20_000  # images that a browser moves smoothly


ALL_NEIGHBORS = 20_000  # images among which all are compared with all


NEIGHBORS = 10


ENDINGS = {".html": "page", ".parquet": "atlas", ".json": "fiftyone", "": "projector"}


def export(found: Index, output: Path, kind: str | None, method: str) -> Path:
    """Write what an index holds, laid out by a method of `layout`, in the form of that kind; by
    default the one that the output's ending says.

    Raises:
        ConvscopeError: an ending that says nothing, no images, or a place that cannot be written.
    """
    kind = kind or ENDINGS.get(output.suffix.lower())
    if kind is None:
        raise ConvscopeError(
            f"{output.name}: end it in .html (a page), .parquet (Embedding Atlas) or .json"
            " (FiftyOne), or in nothing for a folder (TensorBoard's projector)"
        )
    if not len(found):
        raise ConvscopeError(f"{found.path} has no images to export")
    return _WRITERS[kind](found, laid_out(found, method), output)


def _page(found: Index, made: Layout, output: Path) -> Path:
    rows = at_random(len(found), ON_PAGE, 0)
    images = found.images.take(rows)
    notes = list(made.notes)
    if len(rows) < len(found):
        notes.append(f"{len(rows):,} of {len(found):,} images at random")
    text = page.page(
        made.places[rows],
        found.thumbnails(rows.tolist()),
        images["path"].to_pylist(),
        title=found.folder.name,
        labels=images["label"].to_pylist(),
        predictions=[found.prediction(row) or None for row in rows],
        summary={
            "network": found.identity["network"]["name"],
            "map": made.method,
            "trustworthiness": f"{made.trustworthiness:.2f}",
            "recall of the ten nearest": f"{made.recall:.2f}",
        },
        notes=notes,
        grid=unique_grid(made.places[rows]),
    )
    return write_text(output, text)


def _atlas(found: Index, made: Layout, output: Path) -> Path:
    near = None
    if 1 < len(found) <= ALL_NEIGHBORS:
        everything = np.asarray(found.embeddings, np.float32)
        wanted = min(NEIGHBORS + 1, len(found))
        near = exact(found.embeddings, everything, wanted).besides(np.arange(len(found)))
    return atlas.write_atlas(output, _columns(found, made), near)


def _projector(found: Index, made: Layout, output: Path) -> Path:
    return projector.write_projector(output, _columns(found, made))


def _fiftyone(found: Index, made: Layout, output: Path) -> Path:
    return fiftyone.write_fiftyone(output, _columns(found, made, absolute=True))


_WRITERS: dict[str, Callable[[Index, Layout, Path], Path]] = {
    "page": _page,
    "atlas": _atlas,
    "projector": _projector,
    "fiftyone": _fiftyone,
}


def _columns(found: Index, made: Layout, absolute: bool = False) -> columns.Columns:
    paths = found.images["path"].to_pylist()
    labels = found.images["label"].to_pylist()
    classes = bool(found.images["classes"].null_count < len(found))
    sure = [p[0] if p else np.nan for p in found.images["probabilities"].to_pylist()]
    return columns.Columns(
        paths=[str(found.folder / path) for path in paths] if absolute else paths,
        places=made.places,
        thumbnails=_Thumbnails(found),
        labels=labels if any(labels) else None,
        predictions=[found.prediction(row) or None for row in range(len(found))]
        if classes
        else None,
        probabilities=np.array(sure) if classes else None,
        embeddings=found.embeddings,
    )


class _Thumbnails(Sequence[bytes]):
    """Those of an index, read as they are asked for."""

    def __init__(self, found: Index) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, row: int) -> bytes: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[bytes]: ...

    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return self._found.thumbnails(range(*row.indices(len(self))))
        return self._found.thumbnails([row])[0]
