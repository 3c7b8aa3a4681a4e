"""Sealed files: no change of one goes unnoticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from convscope.collection.sealed import SEAL, read_sealed, seal, write_sealed


@pytest.mark.parametrize("names", [("a", "b"), ("a", "z"), ("y", "z")])
def test_the_seal_may_stand_anywhere(tmp_path: Path, names: tuple[str, str]) -> None:
    values = {name: {"ß": [1, 2.5, None, f'"{SEAL}": "x"']} for name in names}
    write_sealed(tmp_path / "file.json", values)
    found = json.loads((tmp_path / "file.json").read_text(encoding="utf-8"))
    rest = json.dumps(values, indent=1, sort_keys=True) + "\n"
    assert found[SEAL] == seal(values) == hashlib.sha256(rest.encode()).hexdigest()
    assert read_sealed(tmp_path / "file.json") == values


@pytest.mark.parametrize("names", ["ab", "az", "yz"])
def test_any_changed_byte_is_noticed(tmp_path: Path, names: str) -> None:
    file = tmp_path / "file.json"
    write_sealed(file, {name: [1, {"b": "c"}] for name in names})
    before = file.read_bytes()
    for place in range(len(before)):
        there = b"" if place % 2 else b"x" if before[place : place + 1] != b"x" else b"0"
        file.write_bytes(before[:place] + there + before[place + 1 :])
        assert read_sealed(file) is None
