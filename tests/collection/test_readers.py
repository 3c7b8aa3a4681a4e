"""Indexes made by programs: the same numbers as torch's but for rounding, and never mixed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import convscope as cs
from convscope.network import judging, passes
from tests.helpers.collections import Make, paint

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="openvino is not installed (convscope[openvino])"
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small collections, and toys that are read equally fast by both, are enough."""
    monkeypatch.setattr(judging, "_ratio", lambda ours, theirs: 0.5)
    monkeypatch.setattr(passes, "FEWEST", {"openvino": 1, "fused": 1})


@pytest.mark.parametrize("reader", ["fused", "openvino"])
def test_numbers_are_those_of_torch(make: Make, reader: str) -> None:
    ours, theirs = (make(name, reader=name) for name in (reader, "torch"))
    for layer, found in ours.channels.items():
        wanted = theirs.channels[layer]
        scale = max(1e-6, float(np.abs(wanted.top.values).max()))
        np.testing.assert_allclose(found.top.values, wanted.top.values, atol=1e-4 * scale)
        np.testing.assert_allclose(found.total, wanted.total, atol=1e-4 * scale * found.places * 99)
    np.testing.assert_allclose(ours.embeddings, theirs.embeddings, rtol=2e-3, atol=1e-3)


def test_the_index_keeps_its_reader(
    own: cs.Network, photos: Path, make: Make, tmp_path: Path
) -> None:
    made = make()
    assert made.settings.reader == "openvino"
    assert json.loads((tmp_path / "index/index.json").read_text())["settings"]["reader"]
    with pytest.raises(cs.ConvscopeError, match="with reader openvino, not torch"):
        cs.index(own, photos, tmp_path / "index", reader="torch", workers=0).result()
    paint(photos / "later.png", seed=77)
    assert make(update=True).settings.reader == "openvino"
    embeddings = [
        {path: one.tobytes() for path, one in zip(index.paths, index.embeddings, strict=True)}
        for index in (cs.open_index(tmp_path / "index"), make("anew"))
    ]
    assert embeddings[0] == embeddings[1]


def test_a_few_images_are_read_by_torch(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FEWEST", {"openvino": 1000, "fused": 1000})
    assert make().settings.reader == "torch"


def test_an_index_of_torch_is_updated_by_torch(
    own: cs.Network, photos: Path, make: Make, tmp_path: Path
) -> None:
    make(reader="torch")
    about = json.loads((tmp_path / "index/index.json").read_text())
    assert "reader" not in about["settings"]  # as in indexes of earlier versions
    paint(photos / "later.png", seed=77)
    assert make(update=True).settings.reader == "torch"
    with pytest.raises(cs.ConvscopeError, match="with reader torch, not openvino"):
        cs.index(own, photos, tmp_path / "index", reader="openvino", workers=0).result()


def test_without_openvino_its_indexes_say_what_is_missing(
    make: Make, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    paint(photos / "later.png", seed=77)
    monkeypatch.setattr(judging, "find_spec", lambda name: None)
    with pytest.raises(cs.ConvscopeError, match="openvino is not installed: pip install"):
        make(update=True)
