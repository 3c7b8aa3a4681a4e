"""PDF, SVG, NPZ and NPY files: their provenance comes back, and an edited one is no longer ours."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convscope as cs
from convscope.files import pictures, read_provenance
from convscope.files.provenance import is_ours

PROVENANCE: dict[str, Any] = {
    "technique": "saliency", "parameters": {"target": "(Größe) \\ \u732b <&\" \r\n", "seed": 3},
    "x": None,
}  # fmt: skip
ARRAYS = {"heatmap": np.arange(6.0).reshape(2, 3), "blocks.4": np.ones(4, np.float32)}


def pdf(text: str) -> bytes:
    """A PDF as far as its metadata, by the rules for strings: section 7.3.4.2 of ISO 32000-1."""
    for plain, escaped in (("\\", "\\\\"), ("(", "\\("), (")", "\\)"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return b"%PDF-1.4\nstream 123 endstream\n<< /Keywords (" + text.encode() + b") >>\n%%EOF\n"


def svg(text: str) -> bytes:
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    described = f"<metadata><dc:description>{text}</dc:description></metadata>"
    return f'<?xml version="1.0"?><svg>{described}<path d="M 1 2"/></svg>'.encode()


def write(folder: Path, ending: str) -> Path:
    file = folder / f"a.{ending}"
    if ending in ("pdf", "svg"):
        return pictures.save_figure(file, pdf if ending == "pdf" else svg, PROVENANCE)
    arrays = ARRAYS if ending == "npz" else {"heatmap": ARRAYS["heatmap"]}
    return pictures.save_arrays(file, arrays, PROVENANCE)


endings = pytest.mark.parametrize("ending", ["pdf", "svg", "npz", "npy"])


@endings
def test_provenance_comes_back_and_the_file_can_be_written_again(
    tmp_path: Path, ending: str
) -> None:
    file = write(tmp_path, ending)
    content = file.read_bytes()
    assert read_provenance(file) == PROVENANCE
    assert is_ours(file)
    beside = {"a.npy.json"} if ending == "npy" else set()
    assert {one.name for one in tmp_path.iterdir()} == {file.name, *beside}
    assert write(tmp_path, ending).read_bytes() == content, "the same bytes each time"


@endings
def test_what_somebody_edited_is_not_replaced(tmp_path: Path, ending: str) -> None:
    file = write(tmp_path, ending)
    if ending == "npz":
        with np.load(file) as held:
            np.savez(file, **{**held, "heatmap": held["heatmap"] + 1})
    else:
        edits = {"pdf": (b"123", b"124"), "svg": (b"M 1 2", b"M 1 3"), "npy": (b"\xf0", b"\xf1")}
        file.write_bytes(file.read_bytes().replace(*edits[ending]))
    edited = file.read_bytes()
    with pytest.raises(cs.ConvscopeError, match=r"exists and was not made by convscope"):
        write(tmp_path, ending)
    assert file.read_bytes() == edited


@endings
def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    foreign = {"pdf": pdf("a thesis"), "svg": svg("{}"), "npz": b"PK\3\4 cut", "npy": b"\x93NUMPY"}
    file.write_bytes(foreign[ending])
    with pytest.raises(cs.ConvscopeError, match=r"exists and was not made by convscope"):
        write(tmp_path, ending)
    with pytest.raises(cs.ConvscopeError, match=r"provenance"):
        read_provenance(file)
    assert file.read_bytes() == foreign[ending]


def test_numpy_reads_the_arrays(tmp_path: Path) -> None:
    with np.load(write(tmp_path, "npz")) as held:
        assert set(held) == {*ARRAYS, "provenance"}
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(held[name], array)
            assert held[name].dtype == array.dtype
        assert json.loads(str(held["provenance"])).items() >= PROVENANCE.items()
    np.testing.assert_array_equal(np.load(write(tmp_path, "npy")), ARRAYS["heatmap"])


def test_names_that_numpy_cannot_write_by_keyword(tmp_path: Path) -> None:
    arrays = {"file": np.zeros(2), "a/b c": np.ones(3)}
    file = pictures.save_arrays(tmp_path / "a.npz", arrays, PROVENANCE)
    with np.load(file) as held:
        assert set(held) == {"file", "a/b c", "provenance"}


def test_a_bomb_in_the_place_of_provenance_is_not_inflated(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("provenance.npy", b"\0" * 50_000_000)
    with pytest.raises(cs.ConvscopeError, match=r"carries no provenance"):
        read_provenance(file)
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("provenance.npy", b"\x93NUMPY\1\0v\0{'descr': '|O', 'fortran_order'")
    with pytest.raises(cs.ConvscopeError, match=r"cannot be read"):
        read_provenance(file)


def test_an_object_array_is_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", provenance=np.array([{"technique": "saliency"}], object))
    with pytest.raises(cs.ConvscopeError, match=r"cannot be read"):
        read_provenance(tmp_path / "a.npz")
