"""Maps of a collection, kept in its index."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convscope.collection.layout.methods import Layout, layout
from convscope.collection.reading import Index
from convscope.errors import ConvscopeError
from convscope.files import write_file


def laid_out(
    found: Index,
    method: str = "tsne",
    *,
    perplexity: float = 30,
    sample: int | None = None,
    seed: int = 0,
) -> Layout:
    """`layout` of an index's embeddings, worked out once for each choice of options."""
    options = {"method": method, "perplexity": perplexity, "sample": sample, "seed": seed}
    key = json.dumps([found.digest, options], sort_keys=True)
    name = f"{method}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    file = found.path / "maps" / name
    with suppress(Exception):  # as many as there are ways to damage a file
        return _read(file)
    made = layout(found.embeddings, method, perplexity=perplexity, sample=sample, seed=seed)
    # Where an index can only be read, its maps are made anew each time.
    with suppress(OSError, ConvscopeError):
        file.parent.mkdir(exist_ok=True)
        write_file(file, partial(_write, made))
    return made


def _read(file: Path) -> Layout:
    with np.load(file, allow_pickle=False) as arrays:
        words: dict[str, Any] = json.loads(str(arrays["words"]))
        return Layout(arrays["places"], **{**words, "notes": tuple(words["notes"])})


def _write(made: Layout, file: Path) -> None:
    words = {name: value for name, value in vars(made).items() if name != "places"}
    with file.open("wb") as opened:
        np.savez(opened, places=made.places, words=json.dumps(words))
