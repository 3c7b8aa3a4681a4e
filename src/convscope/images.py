"""Opening images that may be anything, and writing pictures that carry their recipe."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from convscope.errors import ConvscopeError, unknown

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]

MAX_PIXELS = 64_000_000
# Pillow reads more, but some of that (EPS) by handing the file to another program.
READABLE = {
    "PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO",
}  # fmt: skip
WRITABLE = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF", ".mp4": "MP4",
}  # fmt: skip
FRAMES_A_SECOND = 25  # of a film
LARGEST_FILM = 1920  # pixels a side: what every player plays
SAMPLE_PREFIX = "sample:"
RECIPE_KEY = "convscope"
TEMPORARY = ".convscope-"  # begins the names of files that are not whole yet
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
        raise ConvscopeError(f"{name!r} cannot be read ({_reason(error)})") from error
    image = torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
    _sources[image] = image._version, {"path": name if sample else str(file), "sha256": digest}
    return image


def decoded(pictures: Iterable[bytes]) -> list[Tensor]:
    """Small pictures of one's own, such as thumbnails, as float32 (3, H, W) in [0, 1]."""
    arrays = (np.array(Image.open(io.BytesIO(one)).convert("RGB")) for one in pictures)
    return [torch.from_numpy(array).permute(2, 0, 1).float() / 255 for array in arrays]


def endings() -> frozenset[str]:
    """The endings of files that `open_image` may be able to read: ".jpg", in small letters."""
    known = Image.registered_extensions().items()
    return frozenset(ending for ending, kind in known if kind in READABLE)


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, as `source` has it of the file that an image was opened from.

    Raises:
        ConvscopeError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConvscopeError(f"{os.fspath(path)!r} cannot be read ({_reason(error)})") from error


def source(image: Tensor) -> Mapping[str, str] | None:
    """Path and SHA-256 of the file that `open_image` made this very tensor from, if it did.

    None also where the tensor was changed in place since.
    """
    version, found = _sources.get(image, (None, None))
    return found if version == image._version else None


def _sample_file(name: str) -> Path:
    if name not in SAMPLES:
        raise unknown("sample", name, SAMPLES)
    import skimage

    return next((Path(skimage.__file__).parent / "data").glob(f"{name}.*"))


def _decode(name: str, file: BinaryIO) -> Array:
    """Float32 (H, W, 3) in [0, 1], upright; refused before decoding where it is too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, which nobody needs
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
    except Exception as error:  # Pillow's readers stumble over damage in many ways
        raise ConvscopeError(f"{name} is damaged ({_reason(error)})") from error


def _to_rgb(image: Image.Image) -> Array:
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow would clip these to 8 bits. White is 65535 or 1, or the largest value above that.
        grey = np.asarray(image, np.float32)
        grey = np.where(np.isfinite(grey), grey, 0)
        grey = grey / max(1 if image.mode == "F" else 65535, grey.max())
        return np.repeat(grey[..., None], 3, axis=2).clip(0, 1)
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"), np.float32) / 255
        alpha = rgba[..., 3:]
        return rgba[..., :3] * alpha + (1 - alpha)
    return np.asarray(image.convert("RGB"), np.float32) / 255


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def check_writable(path: str | os.PathLike[str], *, picture: bool = True) -> None:
    """Fail now rather than after the work, if `path` cannot be written, or is to be a picture and
    of no known format."""
    target = Path(path)
    if picture:
        _format(target)
    _reserve(target).unlink()


def _format(target: Path) -> str:
    kind = WRITABLE.get(target.suffix.lower())
    if kind is None:
        raise ConvscopeError(
            f"cannot write {target.name}: end it in .png, .jpg, .webp, .gif or .mp4"
        )
    if kind == "MP4" and find_spec("av") is None:
        raise ConvscopeError(
            f"{target.name}: films need PyAV; pip install 'convscope[video]', or write a .gif"
        )
    return kind


def write_file(path: str | os.PathLike[str], write: Callable[[Path], None]) -> Path:
    """Write under a temporary name in the same folder, then move into place: all or nothing.

    Raises:
        ConvscopeError: the folder does not exist or cannot be written.
    """
    target = Path(path)
    _write_files({target: write})
    return target


def _write_files(writers: Mapping[Path, Callable[[Path], None]]) -> None:
    temporaries: dict[Path, Path] = {}
    try:
        for target, write in writers.items():
            temporaries[target] = temporary = _reserve(target)
            write(temporary)
            temporary.chmod(0o666 & ~_umask())
            _settle(temporary)
        for target, temporary in temporaries.items():
            temporary.replace(target)
            _settle(target.parent)
    except (OSError, ValueError) as error:  # ValueError: Pillow, of sizes that a format has not
        raise ConvscopeError(f"cannot write {target} ({_reason(error)})") from error
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before anything is built on it."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reserve(target: Path) -> Path:
    """A new file beside `target`, to become it."""
    if not target.parent.is_dir():
        raise ConvscopeError(f"no folder {target.parent} to write {target.name} to")
    try:
        if target.is_dir():
            raise ConvscopeError(f"cannot write {target}: it is a folder")
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=target.suffix, dir=target.parent)
    except (OSError, ValueError) as error:
        raise ConvscopeError(f"cannot write {target} ({_reason(error)})") from error
    os.close(handle)
    return Path(name)


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
    """Write one picture, or several as an animation or film, with their recipe: all or nothing.

    All frames get the size of the last one. Those of an animation stay for `milliseconds`. A PNG
    carries the recipe in a text chunk; any other format gets NAME.json beside it.
    """
    target = Path(path)
    kind, suffix = _format(target), target.suffix.lower()
    text = json.dumps(recipe, indent=2, default=str)
    options: dict[str, Any] = {}
    if suffix == ".png":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text(RECIPE_KEY, text)
        options["compress_level"] = 3  # half the time of Pillow's 6, for files a twentieth larger
    if suffix in (".jpg", ".jpeg", ".webp"):
        options["quality"] = 92
    pictures = [_of_size(picture, pictures[-1].size) for picture in pictures]
    if len(pictures) > 1:
        options |= {"save_all": True, "append_images": pictures[1:], "loop": 0}
        # The last picture stays for a while before the animation begins again.
        options["duration"] = [milliseconds] * (len(pictures) - 1) + [1500]

    if kind in ("JPEG", "MP4"):
        pictures = [_on_white(picture) for picture in pictures]

    def write(temporary: Path) -> None:
        if kind == "MP4":
            _write_film(temporary, pictures)
            return
        with temporary.open("wb") as file:
            pictures[0].save(file, format=kind, **options)

    files = {target: write}
    if suffix != ".png":
        files[sidecar(target)] = lambda temporary: _write_text(temporary, text)
    _write_files(files)
    return target


def _of_size(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)


def _write_film(path: Path, pictures: Sequence[Image.Image]) -> None:
    """H.264 as every player takes it: sides even, hue at half the resolution of brightness."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    scale = min(1, LARGEST_FILM / max(pictures[-1].size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in pictures[-1].size)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", FRAMES_A_SECOND, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # Said aloud, or players guess by the size how colours were turned into brightness and hue.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        # The last picture stays for a second.
        for picture in [*pictures, *[pictures[-1]] * FRAMES_A_SECOND]:
            shown = _of_size(picture.convert("RGB"), (width, height))
            frame = av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")
            frame = frame.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def _on_white(picture: Image.Image) -> Image.Image:
    """Without transparency, which not every format has."""
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


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
    beside = sidecar(target)
    try:
        text = _chunk(target) or (beside.read_text(encoding="utf-8") if beside.is_file() else None)
        recipe = None if text is None else json.loads(text)
    except Exception as error:  # as many as there are ways to damage a file
        raise ConvscopeError(
            f"the recipe of {target.name} cannot be read ({_reason(error)})"
        ) from error
    if not isinstance(recipe, dict) or "technique" not in recipe:
        raise ConvscopeError(f"{target.name} carries no recipe of convscope")
    return recipe


def _chunk(file: Path) -> str | None:
    """The recipe in a PNG's text chunk."""
    try:
        with Image.open(file, formats=("PNG",)) as picture:
            text: str | None = picture.info.get(RECIPE_KEY)
            return text
    except UnidentifiedImageError:
        return None
