"""Pictures of an index. Many small ones come as one, square by square."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from convscope import tensors
from convscope.collection import sheet
from convscope.errors import ConvscopeError
from convscope.files import decoded, preview, quick_png, thumbnail
from convscope.microscope import Patch, Show
from convscope.network import crop_box
from convscope.render import parts
from convscope.types import Box
from convscope.web.answers.live import Sheet
from convscope.web.answers.microscope import seen_of, shown
from convscope.web.messages import File, Source
from convscope.web.requests import Place
from convscope.web.scopes import Scope

COLUMNS = 8  # of a sheet

SIDE = 128  # pixels of a square

LARGE = 192  # of a square with one patch, or an image of a unit

EACH = 4  # patches in a square

PHOTOGRAPH = 1024  # pixels of the longer side

MAP = 224

BLANK = (127, 127, 127)

GRAY = 0.5  # outside of what the network sees

FINE = 0.7  # pixels of a thumbnail for each pixel that is drawn, at least


def photograph_sheet(place: Place, index: str, version: str, rows: list[int], size: str) -> File:
    """Thumbnails, which need no network.

    Raises:
        ConvscopeError: there is no such photograph, or they are too many.
    """
    return File("image/jpeg", sheet(place.index(index, version), rows, size))


def patch_sheet(place: Place, index: str, version: str, layer: str, channels: list[int]) -> File:
    """The strongest patches of each channel, as a square of squares."""
    scope = place.scope(index, version)
    units = [scope.microscope.unit(layer, channel) for channel in channels]
    patches = [one for unit in units for one in unit.top[:EACH]]
    crops = iter(_crops(scope, patches, SIDE // 2))
    squares = []
    for unit in units:
        own = [next(crops) for _ in unit.top[:EACH]]
        squares.append(_arranged(own, SIDE // 2, columns=2, rows=2))
    return _sheet(squares, SIDE)


def unit_patches(
    place: Place, index: str, version: str, layer: str, channel: int, part: str, view: str
) -> File:
    """The patches of a unit.

    Raises:
        ConvscopeError: there are none of this kind, or a photograph is gone.
    """
    scope = place.scope(index, version)
    unit = scope.microscope.unit(layer, channel)
    patches: Sequence[Patch] = {"top": unit.top, "bottom": unit.bottom, "across": unit.across}[part]
    if not patches:
        raise ConvscopeError(unit.missing or f"the index has no such patches of {unit.name}")
    shows: dict[str, Show] = {"crop": "field", "mask": "mask", "whole": "whole"}
    return _sheet([_square(one, LARGE) for one in _pictures(scope, patches, shows[view])], LARGE)


def image_sheet(place: Place, index: str, version: str, layer: str, channels: list[int]) -> File:
    """The first image of each channel; gray where there is none yet."""
    scope = place.scope(index, version)
    drawn = scope.microscope.drawn(layer)
    squares = []
    for channel in channels:
        square = Image.new("RGB", (SIDE, SIDE), BLANK)
        if channel < len(drawn) and drawn[channel]:
            file = scope.microscope.image(layer, channel).file
            square = _square(Image.open(io.BytesIO(file)).convert("RGB"), SIDE)
        squares.append(square)
    return _sheet(squares, SIDE)


def unit_image(
    place: Place, index: str, version: str, layer: str, channel: int, number: int
) -> File:
    """An image of a unit.

    Raises:
        ConvscopeError: it has not been made yet.
    """
    microscope = place.scope(index, version).microscope
    unit = microscope.unit(layer, channel)
    if not microscope.drawn(layer, number)[channel]:
        raise ConvscopeError(f"this image of {unit.name} has not been made yet")
    return File("image/webp", microscope.image(layer, channel, number).file)


def activation_sheet(
    place: Place, index: str, version: str, layer: str, image: Source | None, row: int | None
) -> File:
    """What all channels of a layer make of a photograph, on one scale."""
    scope = place.scope(index, version)
    name = scope.microscope.layer(layer).name
    photo = shown(scope, image, row)
    made = Sheet(scope.net, name, scope.net.read(photo, {name})).picture()
    assert made is not None
    return File(made.media_type, made.data)


def photograph_picture(place: Place, index: str, version: str, row: int) -> File:
    """A photograph, or its thumbnail where the file is gone or has changed."""
    scope = place.scope(index, version)
    scope.check(row)
    try:
        made = preview(parts.rgb_picture(scope.index.photo(row)[0]), PHOTOGRAPH)
    except ConvscopeError:
        (kept,) = scope.index.thumbnails([row])
        made = preview(thumbnail(kept), PHOTOGRAPH)
    return File(made.media_type, made.data)


def class_map(place: Place, index: str, version: str, row: int, target: int) -> File:
    """What of a photograph speaks for a class, transparent where nothing does.

    Raises:
        ConvscopeError: the network has no such class, or the photograph is gone.
    """
    scope = place.scope(index, version)
    scope.check(row)
    values = torch.as_tensor(scope.microscope.class_map(row, target).values)
    smooth = tensors.resize(values[None, None].float(), (MAP, MAP))[0, 0].clamp_min(0)
    made = quick_png(parts.veiled(smooth, float(smooth.max())))
    return File(made.media_type, made.data)


# ---------------------------------------------------------------------------- squares


def _crops(scope: Scope, patches: Sequence[Patch], side: int) -> list[Image.Image]:
    """Small pictures of patches: of thumbnails where these are fine enough, else of the files."""
    rows = sorted({one.row for one in patches})
    thumbnails = dict(zip(rows, decoded(scope.index.thumbnails(rows)), strict=True))
    small = [_of_thumbnail(scope, one, thumbnails[one.row], FINE * side) for one in patches]
    coarse = [one for one, crop in zip(patches, small, strict=True) if crop is None]
    large = iter(_pictures(scope, coarse, "field"))
    return [_square(crop or next(large), side) for crop in small]


def _pictures(scope: Scope, patches: Sequence[Patch], show: Show) -> list[Image.Image]:
    """Pictures of patches, cut out of the thumbnails of photographs that are gone."""
    try:
        found = scope.microscope.pictures(patches, show)
    except ConvscopeError:
        if len(patches) > 1:
            return [one for patch in patches for one in _pictures(scope, [patch], show)]
        (thumbnail,) = decoded(scope.index.thumbnails([patches[0].row]))
        crop = _of_thumbnail(scope, patches[0], thumbnail, 0)
        assert crop is not None
        return [crop]
    return [Image.fromarray(one) for one in found]


def _of_thumbnail(
    scope: Scope, patch: Patch, thumbnail: Tensor, least: float
) -> Image.Image | None:
    """A patch cut out of a thumbnail (3, h, w), unless it has less than so many pixels a side.

    A thumbnail shows the part of the photograph that the network sees.
    """
    whole, seen, box = Box(0, 0, *thumbnail.shape[1:]), seen_of(scope, patch.row), patch.box
    down, across = whole.height / seen.height, whole.width / seen.width
    top, left = (box.top - seen.top) * down, (box.left - seen.left) * across
    box = Box(top, left, box.height * down, box.width * across)
    if min(box.height, box.width) < least:
        return None
    return parts.rgb_picture(crop_box(thumbnail, box, whole, GRAY, LARGE))


def _square(picture: Image.Image, side: int) -> Image.Image:
    """A picture stretched to a square, as patches are drawn everywhere."""
    return picture.resize((side, side), Image.Resampling.BICUBIC)


def _sheet(squares: Sequence[Image.Image], side: int) -> File:
    columns = min(COLUMNS, len(squares))
    rows = -(-len(squares) // columns)
    sheet = _arranged(squares, side, columns, rows)
    made = preview(sheet, max(sheet.size))
    return File(made.media_type, made.data)


def _arranged(squares: Sequence[Image.Image], side: int, columns: int, rows: int) -> Image.Image:
    """Squares row by row."""
    sheet = Image.new("RGB", (columns * side, rows * side), BLANK)
    for number, one in enumerate(squares):
        row, column = divmod(number, columns)
        sheet.paste(one, (column * side, row * side))
    return sheet
