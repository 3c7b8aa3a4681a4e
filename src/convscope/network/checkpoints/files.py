"""Opens files of weights: what they hold is known at once, and numbers are read when asked for."""

from __future__ import annotations

from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.network.checkpoints.old_files import open_old
from convscope.network.checkpoints.safetensors_files import open_safetensors
from convscope.network.checkpoints.stored import Damaged, Opened
from convscope.network.checkpoints.zip_files import open_zip


def open_weights(path: Path) -> Opened:
    """What a file of weights holds, whatever its name ends in.

    Raises:
        ConvscopeError: there is no such file, or it holds no weights.
    """
    if path.is_dir():
        raise ConvscopeError(f"no checkpoint at {path}, which is a folder: give a file in it")
    if not path.is_file():
        raise ConvscopeError(f"no checkpoint at {path}")
    try:
        with path.open("rb") as file:
            return _by_content(path, file.read(512))
    except Damaged as error:
        raise ConvscopeError(f"{path.name} is no checkpoint: {error}") from error
    except OSError as error:
        raise ConvscopeError(f"{path} cannot be read ({error.strerror})") from error


def _by_content(path: Path, first: bytes) -> Opened:
    if first.startswith(b"PK\x03\x04"):
        return open_zip(path)
    if first[8:9] == b"{":  # behind the length of the header, which may begin like a pickle
        return open_safetensors(path)
    if first.startswith(b"\x80"):
        return open_old(path)
    raise Damaged(_what(first))


def _what(first: bytes) -> str:
    """What kind of file begins like this."""
    text = first.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        return "it is a pointer of git-LFS, and the weights are not here: run `git lfs pull`"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page: download the file itself"
    if first.startswith(b"\x89HDF"):
        return "it is an HDF5 file of Keras or TensorFlow, not of PyTorch"
    if first.startswith(b"\x1f\x8b"):
        return "it is compressed: unpack it with gunzip"
    if first[257:262] == b"ustar":
        return "it is a tar archive: unpack it, and give the file in it"
    return "it is empty" if not first else "it is damaged, or no file of weights"
