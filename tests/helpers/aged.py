"""Indexes as convscope wrote them before they held peaks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

SEAL = "sha256_of_the_rest"


def without_peaks(index: Path) -> Path:
    """Take the peaks out of an index, with all that tells of them."""
    for file in (*index.glob("shards/*-peaks.parquet"), index / "peaks.npy", index / "places.npy"):
        file.unlink()
    receipts = []
    for file in sorted(index.glob("shards/*.json")):
        values = json.loads(file.read_text("utf-8"))
        del values["sha256"]["peaks"], values[SEAL]
        receipts.append(values)
        _write(file, values)
    done = json.loads((index / "done.json").read_text("utf-8"))
    for name in ("peaks.npy", "places.npy"):
        del done["sha256"][name], done["sizes"][name]
    done["parts"] = _sum({"receipts": receipts})
    del done[SEAL]
    _write(index / "done.json", done)
    return index


def _write(file: Path, values: dict[str, Any]) -> None:
    sealed = json.dumps({**values, SEAL: _sum(values)}, indent=1, sort_keys=True)
    file.write_text(sealed + "\n", "utf-8")


def _sum(values: dict[str, Any]) -> str:
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    return hashlib.sha256(text.encode()).hexdigest()
