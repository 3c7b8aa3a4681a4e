"""Opening image files, which may be damaged, enormous or hostile."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope import tensors
from convscope.errors import ConvscopeError, reason, unknown
from convscope.types import Array

MAX_PIXELS = 64_000_000

# Pillow reads more formats, some of them (EPS) by starting another program.
READABLE = {
    "PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO",
}  # fmt: skip

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

    All modes that Pillow reads become RGB: CMYK, palettes, 16 bits, gray. Transparent pixels are
    laid on white. The first frame of an animation is taken.

    Args:
        path: the file, or the name of a photograph that comes with scikit-image:
            "sample:chelsea", "sample:coffee", "sample:rocket" or "sample:astronaut".

    Raises:
        ConvscopeError: the file is missing, empty, truncated, not an image, or larger than 64
            megapixels.
    """
    name = os.fsdecode(path)
    sample = name.startswith(SAMPLE_PREFIX)
    try:
        file = _sample_file(name.removeprefix(SAMPLE_PREFIX)) if sample else Path(name).resolve()
        if not file.exists():
            raise ConvscopeError(f"no image at {name}")
        if not file.is_file():
            raise ConvscopeError(f"{name or 'an empty name'} is not a file")
        with file.open("rb") as opened:
            if not opened.read(1):
                raise ConvscopeError(f"{name} is empty")
            opened.seek(0)
            array = _decode(name, opened)
            opened.seek(0)
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte, links in a circle
        raise ConvscopeError(f"{name!r} cannot be read ({reason(error)})") from error
    image = torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
    _sources[image] = (
        tensors.changes(image),
        {"path": name if sample else str(file), "sha256": digest},
    )
    return image


def decoded(pictures: Iterable[bytes]) -> list[Tensor]:
    """Decode small trusted pictures, such as thumbnails, as float32 (3, H, W) in [0, 1]."""
    arrays = (np.array(Image.open(io.BytesIO(one)).convert("RGB")) for one in pictures)
    return [torch.from_numpy(array).permute(2, 0, 1).float() / 255 for array in arrays]


def endings() -> frozenset[str]:
    """The endings of files that `open_image` may be able to read, in lowercase: ".jpg"."""
    known = Image.registered_extensions().items()
    return frozenset(ending for ending, kind in known if kind in READABLE)


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

    None if the tensor came from elsewhere or has been changed in place since.
    """
    version, found = _sources.get(image, (None, None))
    return found if version == tensors.changes(image) else None


def _sample_file(name: str) -> Path:
    if name not in SAMPLES:
        raise unknown("sample", name, SAMPLES)
    import skimage

    return next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))


def _decode(name: str, file: BinaryIO) -> Array:
    """Decode an image as float32 (H, W, 3) in [0, 1], upright, unless its header is too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.init()
            with Image.open(file, formats=[f for f in Image.ID if f in READABLE]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                return _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConvscopeError(
            f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels; make it smaller first"
        ) from error
    except UnidentifiedImageError as error:
        raise ConvscopeError(f"{name} is not an image that can be read") from error
    except Exception as error:  # Pillow fails on damage in many ways
        raise ConvscopeError(f"{name} is damaged ({reason(error)})") from error


def _to_rgb(image: Image.Image) -> Array:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow would clip these to 8 bits. White is 65535 (float: 1), or the largest value above.
        gray = np.asarray(image, np.float32)
        gray = np.where(np.isfinite(gray), gray, 0)
        gray = gray / max(1 if image.mode == "F" else 65535, gray.max())
        return np.repeat(gray[..., None], 3, axis=2).clip(0, 1)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / 255
        alpha = rgba[..., 3:]
        return rgba[..., :3] * alpha + (1 - alpha)
    return np.asarray(image.convert("RGB"), np.float32) / 255
