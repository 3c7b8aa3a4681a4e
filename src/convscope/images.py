"""Opening images that may be anything, and writing pictures that carry their recipe."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope.errors import ConvscopeError, unknown

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]

MAX_PIXELS = 64_000_000
SAMPLE_PREFIX = "sample:"
RECIPE_KEY = "convscope"
SAMPLES: Mapping[str, str] = {
    "chelsea": "a tabby cat (Stefan van der Walt, CC0)",
    "coffee": "an espresso on a table (Rachel Michetti, CC0)",
    "rocket": "a Falcon 9 on its pad (SpaceX, CC0)",
    "astronaut": "Eileen Collins (NASA, public domain)",
}

# Where an opened image came from, so that a picture made from it can say so.
_sources: WeakIdKeyDictionary = WeakIdKeyDictionary()


def open_image(path: str | os.PathLike[str]) -> Tensor:
    """A photograph as float32 (1, 3, H, W), RGB in [0, 1], at its own size, upright.

    Every mode Pillow reads is understood: CMYK, palettes, 16 bit and grey become RGB, transparency
    is laid on white, of an animation the first frame counts. "sample:chelsea" (or coffee, rocket,
    astronaut) is a photograph that comes with scikit-image.

    Raises:
        ConvscopeError: missing, empty, truncated, no image, or above 64 megapixels.
    """
    name = os.fspath(path)
    if name.startswith(SAMPLE_PREFIX):
        file = _sample_file(name.removeprefix(SAMPLE_PREFIX))
    else:
        file = Path(name).resolve()
    if not file.exists():
        raise ConvscopeError(f"no image at {name}")
    if not file.is_file():
        raise ConvscopeError(f"{name} is not a file")
    if file.stat().st_size == 0:
        raise ConvscopeError(f"{name} is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                array = _to_rgb(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConvscopeError(
            f"{name} is larger than {MAX_PIXELS // 1_000_000} megapixels; make it smaller first"
        ) from error
    except UnidentifiedImageError as error:
        raise ConvscopeError(f"{name} is not an image that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        # Pillow reports damage with any of these.
        raise ConvscopeError(f"{name} is damaged ({error})") from error
    image = torch.from_numpy(array).float().permute(2, 0, 1)[None].contiguous()
    shown = name if name.startswith(SAMPLE_PREFIX) else str(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    _sources[image] = {"path": shown, "sha256": digest}
    return image


def source(image: Tensor) -> Mapping[str, str] | None:
    """Path and SHA-256 of the file that `open_image` made this very tensor from, if it did."""
    found: Mapping[str, str] | None = _sources.get(image)
    return found


def _sample_file(name: str) -> Path:
    if name not in SAMPLES:
        raise unknown("sample", name, SAMPLES)
    import skimage

    return Path(skimage.__file__).parent / "data" / f"{name}.png"


def _to_rgb(image: Image.Image) -> Array:
    """Float32 (H, W, 3) in [0, 1], upright."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow would clip 16 bits to 8.
        grey = np.asarray(image, np.float32) / 65535
        return np.repeat(grey[..., None], 3, axis=2).clip(0, 1)
    if image.mode == "F":
        grey = np.asarray(image, np.float32)
        grey = np.nan_to_num(grey / max(1.0, float(np.nanmax(grey))))
        return np.repeat(grey[..., None], 3, axis=2).clip(0, 1)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / 255
        alpha = rgba[..., 3:]
        return rgba[..., :3] * alpha + (1 - alpha)
    return np.asarray(image.convert("RGB"), np.float32) / 255


def check_writable(path: str | os.PathLike[str]) -> None:
    """Fail now rather than after the work, if `path` cannot be written or is of no known format."""
    target = Path(path)
    if target.suffix.lower() != ".html":
        _format(target)
    write_file(
        target.with_name(f".convscope-{os.getpid()}{target.suffix}"), lambda _: None
    ).unlink()


def _format(target: Path) -> str:
    kind = Image.registered_extensions().get(target.suffix.lower(), "")
    if kind not in Image.SAVE:
        raise ConvscopeError(f"cannot write {target.name}: end it in .png, .jpg, .webp or .gif")
    return kind


def write_file(path: str | os.PathLike[str], write: Callable[[Path], None]) -> Path:
    """Write under a temporary name in the same folder, then move into place: all or nothing.

    Raises:
        ConvscopeError: the folder does not exist or cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ConvscopeError(f"no folder {target.parent} to write {target.name} to")
    try:
        handle, name = tempfile.mkstemp(
            prefix=".convscope-", suffix=target.suffix, dir=target.parent
        )
    except OSError as error:
        raise ConvscopeError(f"cannot write to {target.parent} ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise ConvscopeError(f"cannot write {target} ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_pictures(
    path: str | os.PathLike[str],
    pictures: Sequence[Image.Image],
    recipe: Mapping[str, object],
    milliseconds: int = 80,
) -> Path:
    """Write one picture, or several as an animation (.gif, .webp, .png), with their recipe.

    A PNG carries the recipe in a text chunk; any other format gets NAME.json beside it.
    """
    target = Path(path)
    kind, suffix = _format(target), target.suffix.lower()
    text = json.dumps(recipe, indent=2)
    options: dict[str, Any] = {}
    if suffix == ".png":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text(RECIPE_KEY, text)
    if suffix in (".jpg", ".jpeg", ".webp"):
        options["quality"] = 92
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "loop": 0}
        # The last picture stays for a while before the animation begins again.
        options["duration"] = [milliseconds] * (len(pictures) - 1) + [1500]

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            pictures[0].save(file, format=kind, **options)

    write_file(target, write)
    if suffix != ".png":
        write_file(sidecar(target), lambda temporary: _write_text(temporary, text))
    return target


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def sidecar(picture: Path) -> Path:
    """Where the recipe of a picture lies that cannot carry it."""
    return picture.with_name(picture.name + ".json")


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The recipe of a picture that convscope wrote.

    Raises:
        ConvscopeError: no such file, or it carries none.
    """
    target = Path(path)
    if not target.is_file():
        raise ConvscopeError(f"no picture at {target}")
    text: object = None
    try:
        if sidecar(target).is_file():
            text = sidecar(target).read_text(encoding="utf-8")
        else:
            with Image.open(target) as picture:
                text = picture.info.get(RECIPE_KEY)
        recipe = json.loads(text) if isinstance(text, str) else None
    except (OSError, ValueError, SyntaxError) as error:
        raise ConvscopeError(f"the recipe of {target.name} cannot be read ({error})") from error
    if not isinstance(recipe, dict) or "technique" not in recipe:
        raise ConvscopeError(f"{target.name} carries no recipe of convscope")
    return recipe
