"""Layouts of a collection, computed once and cached in its index."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from convscope.collection.layout.layouts import LayingOut, Layout, laying_out
from convscope.collection.layout.steps import Steps
from convscope.collection.reading import Index
from convscope.collection.receipts import Count, Digest, Part, as_receipt
from convscope.collection.sealed import read_sealed, write_sealed
from convscope.errors import ConvscopeError
from convscope.files import anything, digest, write_file
from convscope.types import Array


class _About(Part):
    """What is known of a layout beside its places: what it is of, and their checksum."""

    key: str
    method: str
    trustworthiness: float
    recall: float
    embedded: Count
    notes: list[str]
    places: Digest


def cached_layout(
    index: Index,
    method: str = "tsne",
    *,
    perplexity: float = 30,
    sample: int | None = None,
    seed: int = 0,
) -> Layout:
    """`layout` of an index's embeddings, computed once for each choice of options."""
    work = cached_laying_out(index, method, perplexity=perplexity, sample=sample, seed=seed)
    return Steps(work).finish()


def cached_laying_out(
    index: Index, method: str, *, perplexity: float, sample: int | None, seed: int
) -> LayingOut:
    """`cached_layout`, with the steps on the way of one that is not kept yet."""
    about, places, key = _files(index, method, perplexity, sample, seed)
    found = _read(about, places, key, len(index))
    if found is not None:
        return found
    made = yield from laying_out(
        index.embeddings, method, perplexity=perplexity, sample=sample, seed=seed
    )
    # If the index can only be read, its layouts are computed each time.
    with suppress(OSError, ConvscopeError):
        about.parent.mkdir(exist_ok=True)
        _write(made, about, places, key)
    return made


def kept_layout(index: Index, method: str) -> Layout | None:
    """The layout that `cached_layout` has kept for its default options; None if there is none."""
    return _read(*_files(index, method, 30, None, 0), len(index))


def _files(
    index: Index, method: str, perplexity: float, sample: int | None, seed: int
) -> tuple[Path, Path, str]:
    """Where a layout is kept: what it is, its places, and the key of both."""
    options = {"method": method, "perplexity": perplexity, "sample": sample, "seed": seed}
    key = json.dumps([index.digest, options], sort_keys=True)
    key = hashlib.sha256(key.encode()).hexdigest()
    name = f"{method}-{key[:16]}"
    about, places = (index.path / "layouts" / f"{name}.{kind}" for kind in ("json", "npy"))
    return about, places, key


def _read(about: Path, places: Path, key: str, count: int) -> Layout | None:
    """A layout of so many images; None if there is none, or it is not as it was written."""
    found = as_receipt(_About, read_sealed(about))
    try:
        if found is None or found.key != key or digest(places) != found.places:
            return None
        array: Array = np.load(places, allow_pickle=False)
    except (OSError, ValueError, EOFError, ConvscopeError):
        return None
    if array.shape != (count, 2) or array.dtype != np.float32 or not np.isfinite(array).all():
        return None
    values = found.model_dump(exclude={"places", "key"})
    return Layout(array, **{**values, "notes": tuple(found.notes)})


def _write(made: Layout, about: Path, places: Path, key: str) -> None:
    def save(file: Path) -> None:
        with file.open("wb") as opened:
            np.save(opened, made.places, allow_pickle=False)

    write_file(places, save, ours=anything)
    values = {name: value for name, value in vars(made).items() if name != "places"}
    write_sealed(about, {**values, "key": key, "places": digest(places)})
