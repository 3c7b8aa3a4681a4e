"""Opening image files, which may be damaged, enormous or hostile."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope import tensors
from convscope.errors import ConvscopeError, reason, unknown
from convscope.files.decoding.decode import decode, decode_thumbnail
from convscope.files.decoding.limits import Limits
from convscope.files.others import HEIC, RAW, opens_heic, reason_for

MAX_PIXELS = 64_000_000
MAX_SIDE = 65_535
MAX_MEMORY = 724_000_000  # bytes; with Python and torch, opening takes less than 1 GB

# Thumbnails of an index have at most 1024 pixels a side.
THUMBNAIL = Limits(pixels=1024 * 1024, side=1024, memory=50_000_000)

# Frames of a camera come many times a second.
FRAME = Limits(pixels=4_000_000, side=4096, memory=200_000_000)

# Of the formats that `open_image` reads.
ENDINGS = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".tga", ".icb", ".vda", ".vst", ".ico",
})  # fmt: skip

SAMPLE_PREFIX = "sample:"

SAMPLES: Mapping[str, str] = {
    "chelsea": "a tabby cat (Stefan van der Walt, CC0)",
    "coffee": "an espresso on a table (Rachel Michetti, CC0)",
    "rocket": "a Falcon 9 on its pad (SpaceX, CC0)",
    "astronaut": "Eileen Collins (NASA, public domain)",
}

# Where an opened image came from, so that a picture made from it can say so.
_sources: WeakIdKeyDictionary = WeakIdKeyDictionary()


def open_image(path: str | os.PathLike[str]) -> Tensor:
    """Open a photograph as float32 (1, 3, H, W), RGB in [0, 1], at its own size, upright.

    All kinds of color become RGB: CMYK, palettes, 16 bits, gray. Which numbers are black and white,
    and what is transparent, is taken from the file itself. Transparent pixels are laid on white.
    Colors of an ICC profile become those of sRGB. The first frame of an animation is taken.

    Args:
        path: the file, or the name of a photograph that comes with scikit-image:
            "sample:chelsea", "sample:coffee", "sample:rocket" or "sample:astronaut".

    Raises:
        ConvscopeError: the file is missing, empty, truncated, not an image, larger than 64
            megapixels, or it does not say which numbers are black and white.
    """
    name = os.fsdecode(path)
    sample = name.startswith(SAMPLE_PREFIX)
    try:
        file = _sample_file(name.removeprefix(SAMPLE_PREFIX)) if sample else Path(name).resolve()
        if not file.exists():
            raise ConvscopeError(f"no image at {name}") from FileNotFoundError()
        if not file.is_file():
            told = f"{name or 'an empty name'} is not a file"
            raise ConvscopeError(told) from FileNotFoundError()
        if file.suffix.lower() in RAW:  # many would open as TIFF, with a small preview
            raise ConvscopeError(f"{name} cannot be read: {reason_for(name)}")
        with file.open("rb") as opened:
            if not opened.read(1):
                raise ConvscopeError(f"{name} is empty")
            opened.seek(0)
            found = decode(name, opened, _limits())
            opened.seek(0)
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte, links in a circle
        raise ConvscopeError(f"{name!r} cannot be read ({reason(error)})") from error
    image = torch.from_numpy(found.pixels)[None]
    _sources[image] = (
        tensors.changes(image),
        {"path": name if sample else str(file), "sha256": digest, **found.notes},
    )
    return image


def decoded(pictures: Iterable[bytes]) -> list[Tensor]:
    """Decode thumbnails, which may come from elsewhere, as float32 (3, H, W) in [0, 1].

    Raises:
        ConvscopeError: one is no JPEG or PNG file, is damaged, or is larger than thumbnails are.
    """
    name = "make the index again: one of its thumbnails"
    files = (io.BytesIO(picture) for picture in pictures)
    return [torch.from_numpy(decode_thumbnail(name, file, THUMBNAIL).pixels) for file in files]


def opened_frame(picture: bytes) -> Tensor:
    """Decode a frame of a camera, a JPEG or PNG of at most 4 megapixels, as (1, 3, H, W).

    Raises:
        ConvscopeError: it is something else, is damaged, or is larger.
    """
    found = decode_thumbnail("the frame of the camera", io.BytesIO(picture), FRAME)
    return torch.from_numpy(found.pixels)[None]


def thumbnail(picture: bytes) -> Image.Image:
    """Decode one thumbnail as an RGB image of Pillow, with the errors of `decoded`."""
    (image,) = decoded([picture])
    return Image.fromarray(np.rint(image.permute(1, 2, 0).numpy() * 255).astype(np.uint8))


def endings() -> frozenset[str]:
    """The endings of files that `open_image` may be able to read, in lowercase: ".jpg"."""
    return ENDINGS | HEIC if opens_heic() else ENDINGS


def digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        ConvscopeError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConvscopeError(f"{os.fspath(path)!r} cannot be read ({reason(error)})") from error


def source(image: Tensor) -> Mapping[str, str] | None:
    """The "path" and "sha256" of the file that `open_image` made this very tensor from.

    Also its ICC "profile", if it has one that is not sRGB: the name, or why it was not applied.

    None if the tensor came from elsewhere or has been changed in place since.
    """
    version, found = _sources.get(image, (None, None))
    return found if version == tensors.changes(image) else None


def _limits() -> Limits:
    # Pillow gives Python warnings above its own limit, which a caller may have lowered.
    pixels = min(MAX_PIXELS, Image.MAX_IMAGE_PIXELS or MAX_PIXELS)
    return Limits(pixels, MAX_SIDE, MAX_MEMORY)


def _sample_file(name: str) -> Path:
    if name not in SAMPLES:
        raise unknown("sample", name, SAMPLES)
    import skimage

    return next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))
