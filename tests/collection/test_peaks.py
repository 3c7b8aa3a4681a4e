"""Peaks: what every image makes of every channel, against the network run on each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.collection import Index
from tests.helpers.aged import without_peaks
from tests.helpers.collections import Make, paint, same


def test_each_is_the_highest_value_in_its_image(own: cs.Network, make: Make) -> None:
    index = make()
    assert index.peaks.values.shape == (sum(index.peaks.sizes.values()), 23)
    for layer in index.channels:
        rows = index.peaks.rows(layer)
        for image in range(len(index)):
            maps = own.by_channel(layer, own.read(index.photo(image), {layer})[layer])[0]
            flat = maps.reshape(len(maps), -1)
            expected = flat.max(1).values.half().numpy()
            np.testing.assert_allclose(
                index.peaks.values[rows, image], expected, rtol=1e-3, atol=1e-6
            )
            places = torch.from_numpy(np.array(index.peaks.positions[rows, image])).long()
            there = flat.gather(1, places[:, None])[:, 0]
            torch.testing.assert_close(there, flat.max(1).values, rtol=1e-5, atol=1e-6)


def test_a_row_is_a_unit(make: Make) -> None:
    peaks = make().peaks
    units = [peaks.unit(row) for row in range(len(peaks.values))]
    assert units == [(name, c) for name, count in peaks.sizes.items() for c in range(count)]
    assert all(peaks.rows(name).start + c == row for row, (name, c) in enumerate(units))
    with pytest.raises(IndexError):
        peaks.unit(len(units))


def test_images_that_cannot_be_read_have_none(make: Make, photos: Path) -> None:
    (photos / "04b.png").write_bytes(b"no picture")
    for i in range(5):
        (photos / f"{i}-first.png").write_bytes(b"nor this")
    index = make()
    assert len(index) == 23
    assert index.peaks.values.shape[1] == 23
    assert np.isfinite(index.peaks.values).all()


def test_without_any_image(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one.png").write_bytes(b"no picture")
    assert make(folder=tmp_path / "bad").peaks.values.shape == (0, 0)


def test_an_older_index_goes_on_working(make: Make, tmp_path: Path) -> None:
    fresh = make()
    old = Index(without_peaks(tmp_path / "index"))
    old.check_files()
    assert not old.has_peaks
    np.testing.assert_array_equal(old.embeddings, fresh.embeddings)
    with pytest.raises(cs.ConvscopeError, match=r"has no peaks; convscope .* --update adds them"):
        _ = old.peaks
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}
    make()
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.glob("index/**/*.*")}


def test_an_update_adds_peaks(make: Make, tmp_path: Path) -> None:
    make("fresh")
    make()
    without_peaks(tmp_path / "index")
    indexing = make("index", update=True)
    assert indexing.has_peaks
    assert same(tmp_path / "fresh", tmp_path / "index")


def test_some_shards_without_peaks_are_an_index_without_peaks(
    own: cs.Network, make: Make, photos: Path, tmp_path: Path
) -> None:
    """An update that stops halfway through adding them, and goes on."""
    make("fresh")
    make()
    without_peaks(tmp_path / "index")
    steps = iter(cs.index(own, photos, tmp_path / "index", workers=0, update=True))
    while next(steps).done < 12:
        pass
    steps.close()  # type: ignore[attr-defined]
    with pytest.raises(cs.ConvscopeError, match="is not finished"):
        Index(tmp_path / "index")
    assert not make("index").has_peaks
    assert make("index", update=True).has_peaks
    assert same(tmp_path / "fresh", tmp_path / "index")


def test_an_update_with_new_images(make: Make, photos: Path, tmp_path: Path) -> None:
    make()
    paint(photos / "new.png", 99)
    index = make(update=True)
    assert index.peaks.values.shape[1] == len(index) == 24
    assert np.isfinite(index.peaks.values).all()
