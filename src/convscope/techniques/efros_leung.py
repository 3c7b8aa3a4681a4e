"""Texture synthesis pixel by pixel, and holes filled in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.runs import Seed, mask_name, opened_mask, technique
from convscope.synthesis import (
    Order,
    copies,
    free_places,
    grow,
    nearest_places,
    neighborhoods,
    surroundings,
)
from convscope.types import Frame, Panel, Picture

SIDE = 128  # pixels of a texture whose size is not given

SAMPLE_SIDE = 160  # pixels of the longer side of a sample whose size is not given

REACH = 1  # an onion grows from 3 x 3 pixels of the sample, as in the paper

FRAMES = 100  # live pictures at most

GRAY = 0.5  # pixels that are not there yet


def _odd(window: int) -> int:
    if window % 2 == 0:
        raise ValueError("a window has an odd number of pixels, so that one is in the middle")
    return window


class EfrosLeungSummary(TypedDict):
    """How many pixels are filled so far, and how much of that was copied in one piece.

    `longest_run` is the largest number of pixels in one row or one column that lie side by side in
    the sample too, in the same direction. `largest_region` is the largest number of such pixels
    that are connected by their sides. `neighborhoods` is how many were compared.
    """

    filled: int
    longest_run: int
    largest_region: int
    neighborhoods: int
    window: int


@technique(
    title="Efros-Leung texture synthesis",
    paper="Efros and Leung 1999",
    url="https://doi.org/10.1109/ICCV.1999.790383",
    chapter="Textures and style",
    batch=False,
)
def efros_leung(
    image: Tensor,
    *,
    window: Annotated[
        int,
        Field(
            ge=3,
            le=101,
            description="side in pixels of the neighborhoods that are compared, an odd number:"
            " about the size of the texture's elements",
        ),
        AfterValidator(_odd),
    ] = 11,
    order: Annotated[
        Order,
        Field(
            description="which pixel comes next: onion, the one with the most known neighbors,"
            " from a few pixels outward or from the edge of a hole inward; scanline, row by row,"
            " which is faster"
        ),
    ] = "onion",
    height: Annotated[
        int | None,
        Field(ge=16, le=4096, description=f"height of the texture in pixels, {SIDE} if not given"),
    ] = None,
    width: Annotated[
        int | None,
        Field(ge=16, le=4096, description=f"width of the texture in pixels, {SIDE} if not given"),
    ] = None,
    mask: Annotated[
        str | SkipJsonSchema[Tensor] | None,
        BeforeValidator(mask_name),
        Field(
            description="image as large as the photograph, white where it is to be filled with its"
            " surroundings; if not given, a new texture is made",
            json_schema_extra={"format": "image"},
        ),
    ] = None,
    sample_size: Annotated[
        int | None,
        Field(
            ge=16,
            le=4096,
            description="longer side in pixels to which a larger sample of a texture is reduced,"
            f" {SAMPLE_SIDE} if not given; a photograph with a mask keeps its size",
        ),
    ] = None,
    limit: Annotated[
        int,
        Field(
            ge=1,
            le=10_000_000,
            description="maximum number of neighborhoods to copy from: those nearest to the hole,"
            " or to the middle of the sample",
        ),
    ] = 2**15,
    show: Annotated[
        Literal["image", "sources"],
        Field(
            description="image draws the result alone, pixel by pixel; sources draws it between"
            " the sample and a map of where in the sample each pixel comes from"
        ),
    ] = "image",
    seed: Seed = 0,
) -> Iterator[Frame[EfrosLeungSummary]]:
    """A texture grown pixel by pixel, each copied from where the sample looks most alike.

    A pixel's known neighbors are compared with every window of the sample: the squared differences
    of bytes, weighted by a Gaussian of a sigma of window / 6.4. One of the windows whose distance
    is at most 1.1 times the least is drawn, and its middle is copied. The sums are exact, so every
    processor makes the same picture. Texture in onion order begins with 3 x 3 pixels of the sample.

    With a mask, the photograph keeps every pixel outside of it. `arrays["sources"]` holds the row
    and the column that each pixel comes from, -1 where it was not copied.
    """
    photo, size = image.detach().cpu().float(), (height or SIDE, width or SIDE)
    if mask is None:
        task = _texture(photo, size, sample_size, window, order, limit, seed)
    else:
        hole = _opened(mask, photo, height, width, sample_size)
        task = _hole(photo, hole, window, limit)
    total = int((~task.known).sum())
    steps, step = min(FRAMES, total), 1
    for chosen in task.grown(window, order, seed):
        filled = int((chosen >= 0).sum())
        while step <= steps and filled * steps >= step * total:
            yield _frame(task, chosen, step, steps, window, show)
            step += 1


@dataclass(frozen=True)
class _Task:
    """What is filled, and what from.

    Attributes:
        sample: (3, h, w), what is copied from.
        places: (n, 2), the pixels of the sample that may be copied.
        image: (3, H, W), what is filled.
        known: (H, W), where it is known already.
        sources: (H, W, 2), the row and column in the sample of each known pixel; -1 for others, and
            for those of a photograph.
        part: the rows and columns of the image that need to be looked at.
    """

    sample: Tensor
    places: Tensor
    image: Tensor
    known: Tensor
    sources: Tensor
    part: tuple[slice, slice]

    def grown(self, window: int, order: Order, seed: int) -> Iterator[Tensor]:
        """The number of the place that each pixel of the part comes from, after every wave."""
        sample, image = _bytes(self.sample), _bytes(self.image[:, *self.part])
        if (sample == sample[:1]).all():
            sample, image = sample[:1], image[:1]  # three equal colors are compared as one
        compared = neighborhoods(sample, self.places, window)
        return grow(compared, image, self.known[self.part], order, seed)

    def filled(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The image, and where its pixels come from, when so much of the part is filled."""
        image, sources = self.image.clone(), self.sources.clone()
        new = chosen >= 0
        origins = self.places[chosen[new]]
        sources[self.part][new] = origins.to(sources)
        image[:, *self.part][:, new] = self.sample[:, origins[:, 0], origins[:, 1]]
        return image, sources


def _texture(
    photo: Tensor,
    size: tuple[int, int],
    sample_size: int | None,
    window: int,
    order: Order,
    limit: int,
    seed: int,
) -> _Task:
    """A new texture; in onion order a square of the sample stands in its middle."""
    sample = _reduced(photo, sample_size or SAMPLE_SIDE)[0]
    height, width = sample.shape[1:]
    if min(height, width) < window:
        full = tuple(photo.shape[-2:])
        reduced = "" if full == (height, width) else f", reduced to {height} x {width},"
        raise ConvscopeError(
            f"the sample of {full[0]} x {full[1]} pixels{reduced} is smaller than the window of"
            f" {window} x {window}; use a larger sample{' or sample_size' if reduced else ''}, or a"
            " smaller window"
        )
    middle = torch.zeros(height, width, dtype=torch.bool)
    middle[height // 2, width // 2] = True
    places = nearest_places(free_places(torch.zeros_like(middle), window), middle, limit)
    image, known = torch.full((3, *size), GRAY), torch.zeros(size, dtype=torch.bool)
    sources = torch.full((*size, 2), -1, dtype=torch.int32)
    if order == "onion":
        chance = torch.Generator().manual_seed(seed)
        place = places[int(torch.randint(len(places), (), generator=chance))].tolist()
        rows, columns = (slice(one - REACH, one + REACH + 1) for one in place)
        middle_part = tuple(slice(one // 2 - REACH, one // 2 + REACH + 1) for one in size)
        image[:, *middle_part] = sample[:, rows, columns]
        known[middle_part] = True
        sources[middle_part] = _indices(height, width)[rows, columns]
    return _Task(sample, places, image, known, sources, (slice(None), slice(None)))


def _hole(photo: Tensor, hole: Tensor, window: int, limit: int) -> _Task:
    """A hole of a photograph, filled from what lies around it."""
    # Even in the corner of a photograph, as many neighborhoods as the limit are nearer than this.
    part = surroundings(hole, 2 * isqrt(limit) + 2 * window)
    places = nearest_places(free_places(hole[part], window), hole[part], limit)
    if not len(places):
        raise ConvscopeError(
            f"no window of {window} x {window} pixels near the hole is free of it; use a smaller"
            " window, or a smaller mask"
        )
    sources = torch.full((*hole.shape, 2), -1, dtype=torch.int32)
    places += torch.tensor([part[0].start, part[1].start])
    image = photo[0].masked_fill(hole, GRAY)
    return _Task(photo[0], places, image, ~hole, sources, part)


def _indices(height: int, width: int) -> Tensor:
    """(height, width, 2), the row and the column of each pixel."""
    grid = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack(grid, 2).int()


def _reduced(photo: Tensor, side: int) -> Tensor:
    """A photograph whose longer side has at most as many pixels."""
    return photo if max(photo.shape[-2:]) <= side else tensors.longer_side(photo, side)


def _opened(mask: str | Tensor, photo: Tensor, *sizes: int | None) -> Tensor:
    """Where a photograph is to be filled, (H, W)."""
    if any(sizes):
        raise ConvscopeError(
            "a photograph with a mask keeps its size; leave out height, width and sample_size"
        )
    hole = opened_mask(mask, *photo.shape[-2:])[0, 0] > 0.5
    if hole.all() or not hole.any():
        every = "every pixel" if hole.all() else "no pixel"
        raise ConvscopeError(f"the mask marks {every}; white (above 0.5) marks what is filled")
    return hole


def _bytes(image: Tensor) -> Tensor:
    return (image * 255).round_().clamp_(0, 255).byte()


def _frame(
    task: _Task, chosen: Tensor, step: int, steps: int, window: int, show: str
) -> Frame[EfrosLeungSummary]:
    image, sources = task.filled(chosen)
    copied = copies(sources[task.part])
    return Frame(
        panels=(Picture(image),) if show == "image" else _panels(task, image, sources),
        step=step,
        steps=steps,
        image=image[None],
        arrays={"sources": sources},
        summary={
            "filled": int((chosen >= 0).sum()),
            "longest_run": copied.longest_run,
            "largest_region": copied.largest_region,
            "neighborhoods": len(task.places),
            "window": window,
        },
    )


def _panels(task: _Task, image: Tensor, sources: Tensor) -> tuple[Panel, ...]:
    """The sample, the image, and for each of its pixels a color for the place it comes from."""
    height, width = task.sample.shape[1:]
    down, across = sources.permute(2, 0, 1) / torch.tensor([height, width])[:, None, None]
    colors = torch.stack([across, down, 1 - (across + down) / 2])
    origins = torch.where(sources[..., 0] >= 0, colors, 0.25 + image / 2)
    return (
        Picture(task.sample, "sample"),
        Picture(image, "pixels copied from it"),
        Picture(origins, "place in the sample: redder to the right, greener down"),
    )
