"""Layouts of a collection, computed once and cached in its index."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convscope.collection.layout.layouts import Layout, layout
from convscope.collection.reading import Index
from convscope.errors import ConvscopeError
from convscope.files import anything, write_file


def cached_layout(
    index: Index,
    method: str = "tsne",
    *,
    perplexity: float = 30,
    sample: int | None = None,
    seed: int = 0,
) -> Layout:
    """`layout` of an index's embeddings, computed once for each choice of options."""
    options = {"method": method, "perplexity": perplexity, "sample": sample, "seed": seed}
    key = json.dumps([index.digest, options], sort_keys=True)
    name = f"{method}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    file = index.path / "layouts" / name
    with suppress(Exception):  # damaged files fail in many ways
        return _read(file)
    made = layout(index.embeddings, method, perplexity=perplexity, sample=sample, seed=seed)
    # If the index can only be read, its layouts are computed each time.
    with suppress(OSError, ConvscopeError):
        file.parent.mkdir(exist_ok=True)
        write_file(file, partial(_write, made), ours=anything)
    return made


def _read(file: Path) -> Layout:
    with np.load(file, allow_pickle=False) as arrays:
        values: dict[str, Any] = json.loads(str(arrays["values"]))
        return Layout(arrays["places"], **{**values, "notes": tuple(values["notes"])})


def _write(made: Layout, file: Path) -> None:
    values = {name: value for name, value in vars(made).items() if name != "places"}
    with file.open("wb") as opened:
        np.savez(opened, places=made.places, values=json.dumps(values))
