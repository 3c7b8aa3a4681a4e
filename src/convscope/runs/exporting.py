"""A result as a file: picture, figure for a paper (PDF, SVG), arrays (NPZ, NPY), table (CSV)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.files import pictures
from convscope.render import draw_vector
from convscope.types import Array, Panel, SignedPicture


class Exported(Protocol):
    """What is written of a `Result`."""

    provenance: Mapping[str, object]

    @property
    def panels(self) -> tuple[Panel, ...]: ...
    @property
    def picture(self) -> Image.Image: ...
    @property
    def image(self) -> Array | None: ...
    @property
    def gradient(self) -> Array | None: ...
    @property
    def heatmap(self) -> Array | None: ...
    @property
    def score(self) -> float | Array | None: ...
    @property
    def arrays(self) -> dict[str, Array]: ...
    @property
    def summary(self) -> Any: ...
    @property
    def table(self) -> Sequence[Mapping[str, Any]]: ...


def save_result(result: Exported, path: Path) -> Path:
    """Write a result to a file of any format; its ending chooses which.

    Raises:
        ConvscopeError: the format is unknown, the result has no arrays or, for an NPY file, several
            of equal rank, or the file cannot be written.
    """
    ending, provenance = path.suffix.lower(), result.provenance
    if ending == ".pdf":
        return pictures.save_figure(
            path, lambda text: draw_vector(result.panels, "pdf", text), provenance
        )
    if ending == ".svg":
        return pictures.save_figure(
            path, lambda text: draw_vector(result.panels, "svg", text), provenance
        )
    if ending == ".npz":
        return pictures.save_arrays(path, every_array(result), provenance)
    if ending == ".npy":
        return pictures.save_arrays(path, {"": main_array(result)}, provenance)
    if ending == ".csv":
        return pictures.save_table(path, main_table(result), provenance)
    return pictures.save_pictures(path, [result.picture], provenance)


def main_table(result: Exported) -> Sequence[Mapping[str, Any]]:
    """The rows of a result's table: its own, or else those of the lists of rows in its summary.

    Rows of several lists begin with the name of their list.

    Raises:
        ConvscopeError: there are none.
    """
    tables = {name: rows for name, rows in result.summary.items() if _is_table(rows)}
    if result.table or len(tables) == 1:
        return result.table or next(iter(tables.values()))
    if tables:
        every = [{"table": name, **row} for name, rows in tables.items() for row in rows]
        columns = dict.fromkeys(key for row in every for key in row)
        return [{key: row.get(key) for key in columns} for row in every]
    raise ConvscopeError(
        f"{result.provenance['technique']} gives no table: write a picture, or print --json"
    )


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(r, Mapping) for r in value)


def every_array(result: Exported) -> dict[str, Array]:
    """All arrays of a result by name.

    Raises:
        ConvscopeError: there are none.
    """
    named = {name: getattr(result, name) for name in ("image", "gradient", "heatmap", "score")}
    found = {n: np.asarray(v) for n, v in {**named, **result.arrays}.items() if v is not None}
    if not found:
        raise ConvscopeError(
            f"{result.provenance['technique']} gives no arrays: write a picture, or print --json"
        )
    return found


def main_array(result: Exported) -> Array:
    """The array that a result is about: its heatmap, else its gradient, image or only array.

    Raises:
        ConvscopeError: there is none, or there are several of equal rank.
    """
    if result.heatmap is not None:
        return result.heatmap
    if result.gradient is not None and any(isinstance(p, SignedPicture) for p in result.panels):
        return result.gradient
    if result.image is not None and len(result.arrays) < 2:
        return result.image
    names = ", ".join(every_array(result))
    if len(result.arrays) != 1:
        raise ConvscopeError(
            f"{result.provenance['technique']} gives several arrays ({names}): write an .npz file,"
            " which holds them all"
        )
    return next(iter(result.arrays.values()))
