"""Photographs and videos in the styles that one network has learned."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.files import Video, check_video_writable
from convscope.runs import (
    VideoRun,
    absolute_path,
    mask_name,
    registry,
    technique,
)
from convscope.stylization import SMALLEST, Blend, Steadier, Studio, Styles
from convscope.system import usual_torch
from convscope.types import Array, Frame, Grid, Panel, Picture

SHEET = 512  # pixels of the longer side of the pictures of a sheet, where nothing says it

TILE = 2.4  # inches of a picture in a sheet

STEADY = 0.75  # share of the frame before


class StylizeSummary(TypedDict):
    """The style or blend of each picture, and their size."""

    styles: list[str]
    height: int
    width: int


def _stylize_video(source: Path, output: Path, options: Mapping[str, Any]) -> VideoRun:
    """The run for options that have been checked."""
    if options["style"] is None:
        raise ConvscopeError("a video needs a style; name one, as in style='wave' or --style wave")
    if options["sheet"] is not None:
        raise ConvscopeError("a sheet is made of a photograph; a video needs a style alone")
    check_video_writable(output, read=(source,))
    words = {word: value for word, value in options.items() if word not in ("pictures", "sheet")}

    def begin() -> Callable[[Array], Array]:
        parts = ("style", "fade_to", "mask", "outside", "checkpoint")
        studio = Studio(*(options[part] for part in parts))
        with Video(source) as video:
            count = video.count or 1
        return _Frames(studio, options["size"], Steadier(options["steady"]), count)

    return VideoRun("stylize", source, output, begin, words)


@technique(
    title="Stylize",
    paper="Johnson, Alahi and Fei-Fei 2016; Dumoulin, Shlens and Kudlur 2017",
    url="https://arxiv.org/abs/1610.07629",
    chapter="Textures and style",
    batch=False,
    video=_stylize_video,
)
def stylize(
    image: Tensor,
    *,
    style: Annotated[
        Styles,
        Field(
            description="name of a style, or several with weights (wave=0.7 and scream=0.3), which"
            " are blended; if not given, a sheet of styles, each alone"
        ),
    ] = None,
    sheet: Annotated[
        Styles,
        Field(description="names of the styles of a sheet; all that the network has if not given"),
    ] = None,
    fade_to: Annotated[
        Styles,
        Field(
            description="another style or blend: the result is a strip of pictures that fade from"
            " the first to this one; a video fades from its first frame to its last"
        ),
    ] = None,
    pictures: Annotated[
        int, Field(ge=2, le=100, description="number of pictures in a strip that fades")
    ] = 5,
    mask: Annotated[
        str | SkipJsonSchema[Tensor] | None,
        BeforeValidator(mask_name),
        Field(
            description="image as large as the photograph, white where it gets the style, black"
            " where not",
            json_schema_extra={"format": "image"},
        ),
    ] = None,
    outside: Annotated[
        Styles,
        Field(
            description="style or blend where the mask is black; the photograph stays as it is"
            " there if not given"
        ),
    ] = None,
    size: Annotated[
        int | None,
        Field(
            ge=32,
            le=16_384,
            description="longer side of the result in pixels; strokes keep their size in pixels, so"
            " a smaller one has broader strokes; if not given, that of the photograph, and at most"
            f" {SHEET} for a sheet",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        BeforeValidator(absolute_path),
        Field(
            description="style network that `convscope train_style` made; if not given, the one"
            " that comes with convscope",
            json_schema_extra={"format": "path"},
        ),
    ] = None,
    steady: Annotated[  # noqa: ARG001 (for videos)
        float,
        Field(
            ge=0,
            le=0.95,
            description="how much each frame of a video takes over from the one before, where it"
            " shows the same, so that nothing flickers; less where it moves; 0 for nothing",
        ),
    ] = STEADY,
) -> Iterator[Frame[StylizeSummary]]:
    """A photograph or a video, drawn in a style that a network has learned.

    The network draws in one pass what the technique `style` finds in hundreds. Each of its styles
    is a scale and an offset for every channel; weighted means of these are styles too. A photograph
    of any size is drawn without seams: a large one is cut into bands, whose channels are normalized
    by what the whole photograph holds.

    With a video, each frame is drawn, and the sound and the times of the frames stay as they are.
    """
    studio = Studio(style, fade_to, mask, outside, checkpoint)
    photo = _sized(image.detach().float(), _side(image, style, size))
    if style is not None and sheet is not None:
        raise ConvscopeError("give either a style or the styles of a sheet, not both")
    blends = studio.sheet(sheet) if style is None else studio.strip(pictures)
    drawn: list[Tensor] = []
    for number, blend in enumerate(blends, 1):
        drawn.append(studio.draw(photo, blend))
        shown = _panel(photo if style is None else None, drawn, blends)
        yield Frame(
            panels=(shown,),
            step=number,
            steps=len(blends),
            image=torch.cat(drawn),
            summary=_summary(blends[:number], photo),
        )


def stylize_video(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    style: Styles,
    fade_to: Styles = None,
    mask: str | Tensor | None = None,
    outside: Styles = None,
    size: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    steady: float = STEADY,
) -> VideoRun:
    """Draw every frame of a video in a style. The sound and the times of the frames stay.

        cs.stylize_video("walk.mp4", "walk-wave.mp4", style="wave").result(progress=True)

    The memory that this needs does not grow with the length of the video. A video that breaks off,
    or a run that is stopped, leaves a file with what was made up to there. Frames that cannot be
    read are left out, and the run's `note` says so.

    Args:
        source: the video.
        output: the file to write: .mp4, .mov or .mkv.
        style: as in `stylize`, like all that follow.
        fade_to: the style of the last frame; the others lie between.
        mask: as large as the frames.
        outside: the style where the mask is black.
        size: longer side of the frames in pixels.
        checkpoint: a style network of your own.
        steady: how much each frame takes over from the one before.

    Returns:
        A run. Iterate over it for the frames, or ask for its `result()`, the file.

    Raises:
        ConvscopeError: an option is wrong, or the output cannot be written.
    """
    given = {
        "style": style,
        "fade_to": fade_to,
        "mask": mask,
        "outside": outside,
        "size": size,
        "checkpoint": checkpoint,
        "steady": steady,
    }
    return _stylize_video(Path(source), Path(output), registry.get("stylize").validate(given))


class _Frames:
    """Draws the frames of a video, which come in their order."""

    def __init__(self, studio: Studio, size: int | None, steadier: Steadier, count: int) -> None:
        self._studio, self._size, self._steadier = studio, size, steadier
        self._last, self._number = max(1, count - 1), 0

    def __call__(self, pixels: Array) -> Array:
        frame = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        place = min(1.0, self._number / self._last)
        self._number += 1
        with usual_torch(gradients=False):
            drawn = self._studio.draw(_sized(frame, self._size), self._studio.between(place))
        steady = self._steadier(pixels, drawn[0].permute(1, 2, 0).contiguous().numpy())
        found: Array = (steady.clip(0, 1) * 255).round().astype("uint8")
        return found


def _side(image: Tensor, style: Styles, size: int | None) -> int | None:
    """The longer side of what is drawn; None for that of the photograph."""
    if size is None and style is None:
        return min(SHEET, max(image.shape[-2:]))
    return size


def _sized(photo: Tensor, size: int | None) -> Tensor:
    """A photograph whose longer side has `size` pixels."""
    return photo if size is None else tensors.longer_side(photo, size, least=SMALLEST)


def _panel(photo: Tensor | None, drawn: Sequence[Tensor], blends: Sequence[Blend]) -> Panel:
    """The picture alone, or all pictures so far; on a sheet, after the photograph."""
    if len(blends) == 1 and photo is None:
        return Picture(drawn[0][0])
    captions = tuple(map(_caption, blends[: len(drawn)]))
    if photo is None:
        return Grid(torch.cat(tuple(drawn)), "", len(blends), captions, tile_inches=TILE)
    tiles = torch.cat((photo, *drawn))
    return Grid(tiles, "", None, ("photograph", *captions), tile_inches=TILE)


def _caption(blend: Blend) -> str:
    if len(blend) == 1:
        return next(iter(blend))
    return ", ".join(f"{share:.0%} {name}" for name, share in blend.items())


def _summary(blends: Sequence[Blend], photo: Tensor) -> StylizeSummary:
    height, width = photo.shape[-2:]
    return {"styles": [*map(_caption, blends)], "height": height, "width": width}
