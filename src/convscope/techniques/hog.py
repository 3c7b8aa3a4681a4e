"""Histograms of oriented gradients (HOG): what a descriptor without weights keeps of a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import Recipe, climb
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import HOG, Network
from convscope.runs import check_image, image_name, technique
from convscope.types import Ascent, Frame, Grid, ImageFrame, Picture
from convscope.vocabulary.objectives import Activations, Bound, Objective, match
from convscope.vocabulary.optimizers import adam
from convscope.vocabulary.priors import clamp
from convscope.vocabulary.starts import photo

GLYPH = 16  # pixels a side of the star that shows a cell

PLAIN = 1e-5  # brightness changes less between the pixels of a plain image, by rounding alone

BRIGHTEST = 0.97  # quantile of the pixels of the stars that becomes white

MOST = 0.1  # correlation of the pixels of twins that is not punished

FINE = 0.8  # contrast of the edges that a twin begins with, as a fraction

Orientations = Annotated[
    int, Field(ge=1, le=36, description="number of orientations in the histogram of a cell")
]
CellPixels = Annotated[int, Field(ge=2, le=256, description="width and height of a cell in pixels")]
BlockCells = Annotated[
    int,
    Field(ge=1, le=16, description="width and height in cells of a block, which is normalized"),
]


class HogSummary(TypedDict):
    """The length of the descriptor; how many cells and blocks there are, as rows and columns."""

    values: int
    cells: list[int]
    blocks: list[int]


@technique(
    title="HOG glyphs",
    paper="Dalal and Triggs 2005",
    url="https://inria.hal.science/inria-00548512",
    chapter="Beyond ConvNets",
    batch=False,
)
def hog(
    image: Tensor,
    *,
    orientations: Orientations = 9,
    pixels_per_cell: CellPixels = 8,
    cells_per_block: BlockCells = 3,
) -> Iterator[Frame[HogSummary]]:
    """The histograms of oriented gradients of a photograph, drawn as a star in each cell.

    Each ray of a star lies along the edges of one orientation. Its brightness is the mean of that
    entry in all blocks that hold the cell, so that faint edges in a plain region count as much as
    strong ones. `arrays` holds the descriptor in the order of `skimage.feature.hog` and the
    histograms of the cells before normalization, (orientations, rows, columns).
    """
    module = HOG(orientations, pixels_per_cell, cells_per_block)
    descriptor = module(image)[0]
    cells = module.cells(module.gradients(image))
    blocks = module.blocks(cells)
    stars = Picture(glyphs(module.blocks.means(blocks))[0].expand(3, -1, -1), "HOG")
    yield Frame(
        panels=(Picture(image[0], "photograph"), stars),
        arrays={"descriptor": descriptor, "cells": cells[0]},
        summary={
            "values": len(descriptor),
            "cells": list(cells.shape[-2:]),
            "blocks": list(blocks.shape[-2:]),
        },
    )


def glyphs(cells: Tensor, side: int = GLYPH) -> Tensor:
    """Stars of the histograms of cells (N, orientations, rows, columns), as gray images in [0, 1].

    Args:
        cells: the histograms.
        side: pixels of a star.

    Returns:
        (N, 1, rows * side, columns * side). The brightest 3 % of each image are 1.
    """
    drawn = F.conv_transpose2d(cells, _rays(cells, side), stride=side)
    brightest = drawn.flatten(1).quantile(BRIGHTEST, 1).clamp_min(1e-12)
    return (drawn / brightest.view(-1, 1, 1, 1)).clamp_max(1)


def _rays(cells: Tensor, side: int) -> Tensor:
    """A line through the center along the edges of each orientation, (orientations, 1, s, s)."""
    count = cells.shape[1]
    places = torch.arange(side, dtype=cells.dtype, device=cells.device) - (side - 1) / 2
    # The gradient points across an edge; y runs down, as rows do.
    across = ((torch.arange(count).to(places) + 0.5) * (math.pi / count)).view(-1, 1, 1)
    y, x = places[:, None], places[None, :]
    away = (x * across.cos() + y * across.sin()).abs()
    along = (y * across.cos() - x * across.sin()).abs()
    line = (1 - away).clamp(0, 1) * (side / 2 - along).clamp(0, 1)
    return line[:, None]


class HogTwinsSummary(TypedDict):
    """The distance of the two descriptors as a fraction of the length of the photograph's and of
    the distance from the photograph to the other one, and the correlations of the pixels.

    `correlation` is that of the twin and the photograph, `other_correlation` that of the twin and
    the other photograph that it began with.
    """

    root_error: float
    distance: float
    correlation: float
    other_correlation: float


@technique(
    title="HOG twins",
    paper="Vondrick, Khosla, Malisiewicz and Torralba 2013",
    url="https://arxiv.org/abs/1502.05461",
    chapter="Beyond ConvNets",
    batch=False,
)
def hog_twins(
    image: Tensor,
    *,
    other: Annotated[
        str | SkipJsonSchema[Tensor],
        BeforeValidator(image_name),
        Field(
            description="the photograph whose large forms and colors the twin has",
            json_schema_extra={"format": "image"},
        ),
    ] = "sample:coffee",
    contrast: Annotated[
        float,
        Field(
            gt=0, le=1, description="contrast of the other photograph at the start, as a fraction"
        ),
    ] = 0.2,
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="number of optimization steps")
    ] = 800,
    size: Annotated[
        int, Field(ge=24, le=1024, description="width and height of the twins in pixels")
    ] = 128,
    orientations: Orientations = 9,
    pixels_per_cell: CellPixels = 8,
    cells_per_block: BlockCells = 3,
) -> Iterator[ImageFrame[HogTwinsSummary]]:
    """A picture whose pixels differ from those of a photograph, and whose HOG is nearly the same.

    The twin begins as another photograph, blurred and of low contrast, with the edges of the
    photograph, whose light and dark change places from pixel to pixel as on a chessboard. Adam then
    changes its pixels until its HOG matches that of the photograph. A penalty keeps the correlation
    of the pixels of the two near zero. HOG compares each pixel's neighbors, not the pixel itself,
    and all of them have the same color of the chessboard; so it sees the edges, and no chessboard.
    It divides each block by its length, so edges that a person hardly sees decide it, where there
    are no stronger ones.
    """
    module = HOG(orientations, pixels_per_cell, cells_per_block, turning=True)
    net = Network(module, mean=[0.0] * 3, std=[1.0] * 3, input_size=size, output="embedding")
    wanted, begun = (net.preprocess(x.detach()) for x in (image, _opened(other)))
    twins = _Twins(module, wanted, begun, image.shape[-2:])
    recipe = Recipe(
        start=photo(_hybrid(wanted, begun, contrast, pixels_per_cell)),
        objective=match("blocks", wanted) - 0.5 * _Alike(wanted),
        priors=(clamp(),),
        optimizer=adam(0.006, lr_decay=0.02 ** (1 / steps), momentum=0.5),
        steps=steps,
    )
    for frame in climb(net, recipe):
        yield twins.frame(frame)


def _opened(other: str | Tensor) -> Tensor:
    opened = images.open_image(other) if isinstance(other, str) else other
    check_image("the other photograph of hog_twins", None, opened, batch=False)
    return opened


def _hybrid(wanted: Tensor, other: Tensor, contrast: float, cell: int) -> Tensor:
    """What is coarse in the other photograph, with what is fine in the wanted one on a chessboard.

    On every second pixel it is the negative. That has the same HOG, because the gradient of a pixel
    is made of its four neighbors, which are all negative or all positive.
    """
    coarse = tensors.blur(other - other.mean(), cell)
    fine = wanted - tensors.blur(wanted, cell)
    height, width = (torch.arange(length, device=wanted.device) for length in wanted.shape[-2:])
    chessboard = 1 - 2 * ((height[:, None] + width) % 2)
    return (0.5 + contrast * coarse + FINE * chessboard * fine).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class _Alike(Objective):
    """The square of what the correlation of the pixels with another image has beyond `MOST`."""

    image: Tensor

    def bind(self, _net: Network) -> Bound:
        def score(_: Activations, image: Tensor) -> Tensor:
            return (_correlation(image, self.image).abs() - MOST).clamp_min(0).square()

        return Bound(frozenset(), score)


def _correlation(images: Tensor, other: Tensor) -> Tensor:
    """Pearson's over all pixels and colors, of (N, C, H, W) with (1, C, H, W): (N,)."""
    one, two = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (images, other))
    return F.cosine_similarity(one, two)


class _Twins:
    """A photograph, the other one that its twin begins with, and what is drawn and told of them."""

    def __init__(
        self, module: HOG, wanted: Tensor, other: Tensor, photograph: Sequence[int]
    ) -> None:
        self.module, self.wanted, self.other = module, wanted, other
        self.descriptor = self._blocks(wanted)
        if module.cells(module.gradients(wanted)).amax() < PLAIN:
            height, width = photograph
            raise ConvscopeError(
                f"hog_twins: the photograph ({height} x {width} pixels) is too plain to have a HOG"
            )
        self.apart = float((self._blocks(other) - self.descriptor).norm())
        if not self.apart:
            raise ConvscopeError("hog_twins: the other photograph has the same HOG; name another")
        self.stars = self._stars(self.descriptor)

    def frame(self, ascent: Ascent) -> ImageFrame[HogTwinsSummary]:
        twin = ascent.image.detach()
        blocks = self._blocks(twin)
        distance = float((blocks - self.descriptor).norm())
        summary: HogTwinsSummary = {
            "root_error": distance / float(self.descriptor.norm()),
            "distance": distance / self.apart,
            "correlation": float(_correlation(twin, self.wanted)),
            "other_correlation": float(_correlation(twin, self.other)),
        }
        captions = (
            "photograph",
            f"its twin, pixel correlation {summary['correlation']:.2f}",
            "HOG of the photograph",
            f"HOG of the twin, distance {summary['distance']:.1%}",
        )
        tiles = [self.wanted, twin, self.stars, self._stars(blocks)]
        return ImageFrame(
            panels=(Grid(torch.cat(tiles), "", 2, captions, low=0, high=1, tile_inches=3),),
            step=ascent.step,
            steps=ascent.steps,
            image=twin,
            score=ascent.score,
            summary=summary,
        )

    def _blocks(self, image: Tensor) -> Tensor:
        """The descriptor as an image of blocks. An image below one block is refused."""
        module = self.module
        module.check(image)
        blocks: Tensor = module.blocks(module.cells(module.gradients(image)))
        return blocks

    def _stars(self, blocks: Tensor) -> Tensor:
        """The normalized HOG, drawn at the size of the photograph."""
        stars = glyphs(self.module.blocks.means(blocks), self.module.cells.pixels)
        sides = zip(self.wanted.shape[-2:], stars.shape[-2:], strict=True)
        below, right = (whole - drawn for whole, drawn in sides)
        return F.pad(stars, (0, right, 0, below)).expand(-1, 3, -1, -1)
