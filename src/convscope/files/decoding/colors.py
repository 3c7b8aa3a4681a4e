"""ICC profiles: the colors of a file become those of sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from convscope.files.decoding.raster import Raster

IGNORED = "damaged, not applied"

# A profile that changes no channel by more than this, of 255, is sRGB.
UNSEEN = 2

# What a profile must be of, by the mode of the image.
SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def to_srgb(raster: Raster) -> None:
    """Apply the profile of a raster, and note which it was; CMYK without one becomes RGB too.

    A profile that is damaged, or of other colors than the image's, is noted and not applied.
    """
    if raster.profile:
        note = _apply(raster)
        if note:
            raster.notes["profile"] = note
    if isinstance(raster.pixels, Image.Image) and raster.pixels.mode == "CMYK":
        raster.pixels = raster.pixels.convert("RGB")


def _apply(raster: Raster) -> str:
    """Apply a profile; its name, or why it was not applied; nothing if it is sRGB."""
    mode = _mode(raster)
    try:
        space, name, transform = _transform(raster.profile, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return IGNORED
    if space != SPACES[mode]:
        return f"{name} ({space} in a {SPACES[mode]} image, not applied)"
    if transform is None:
        return ""
    image = _in_bytes(raster)
    if mode == "LA":
        alpha = image.getchannel("A")
        image = transform.apply(image.getchannel("L"))
        image.putalpha(alpha)
    elif mode in ("L", "CMYK"):
        image = transform.apply(image)
    else:
        transform.apply_in_place(image)
    raster.pixels, raster.white = image, 255
    return name


def _mode(raster: Raster) -> str:
    if isinstance(raster.pixels, Image.Image):
        return raster.pixels.mode
    return ("L", "LA", "RGB", "RGBA")[raster.channels - 1]


def _in_bytes(raster: Raster) -> Image.Image:
    """The raster as an image of 8 bits, which is what profiles are applied to."""
    if isinstance(raster.pixels, Image.Image):
        return raster.pixels
    found = np.empty((*raster.size, raster.channels), np.uint8)
    for rows, values in raster.bands():
        found[rows] = np.rint(values * np.float32(255 / raster.white))
    return Image.fromarray(found[..., 0] if raster.channels == 1 else found)


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> tuple[str, str, ImageCms.ImageCmsTransform | None]:
    """The colors that a profile is of, its name, and its way to sRGB; None if that changes nothing.

    Raises:
        ImageCms.PyCMSError: it is damaged.
    """
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = opened.profile.xcolor_space.strip()
    said = opened.profile.profile_description or "unnamed"
    name = " ".join("".join(c if c.isprintable() else " " for c in said).split())[:60]
    if space != SPACES[mode]:
        return space, name, None
    source = "L" if mode == "LA" else mode
    target = "RGBA" if mode == "RGBA" else "RGB"
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    black = ImageCms.Flags.BLACKPOINTCOMPENSATION
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.ImageCmsTransform(
        opened, ImageCms.ImageCmsProfile(srgb), source, target, intent, flags=black
    )
    probe = _probe(source)
    before = np.asarray(probe.convert(target), np.int16)
    after = np.asarray(transform.apply(probe), np.int16)
    same = source != "CMYK" and np.abs(after - before).max() <= UNSEEN
    return space, name, None if same else transform


def _probe(mode: str) -> Image.Image:
    """Colors from all over the range."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    return Image.fromarray(np.ascontiguousarray(grid)).convert(mode)
