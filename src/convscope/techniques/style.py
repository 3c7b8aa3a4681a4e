"""A photograph drawn again in the style of another picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from torch import Tensor
from typing_extensions import TypedDict

from convscope import tensors
from convscope.ascent import tile_side
from convscope.attribution import LayerNames
from convscope.errors import ConvscopeError
from convscope.files import images
from convscope.network import PRE, Network
from convscope.runs import (
    Seed,
    check_image,
    image_names,
    mask_name,
    name_and_weight,
    opened_mask,
    technique,
)
from convscope.stylization import Drawing, Method, Stroke, Style
from convscope.types import Curves, ImageFrame, Panel, Picture
from convscope.vocabulary.objectives import StatisticName, as_layer
from convscope.vocabulary.starts import noise, zeros
from convscope.vocabulary.style_losses import NETWORK, StyleLoss, style_loss

LARGEST = 512  # pixels of the longer side of a picture whose size is not given


LEAST = 96  # pixels of the shorter side of the smallest size


if TYPE_CHECKING:
    from collections.abc import Sequence

    StyleImages = str | Tensor | Sequence[str | Tensor]
    Weights = Sequence[float] | None
else:
    StyleImages = Annotated[
        tuple[str, ...] | SkipJsonSchema[tuple[str | Tensor, ...]],
        BeforeValidator(image_names),
        Field(
            min_length=1,
            description="picture whose style is taken",
            json_schema_extra={"format": "image"},
        ),
    ]
    Weights = Annotated[
        tuple[Annotated[float, Field(ge=0)], ...] | None,
        Field(description="weight of each style image in the blend; equal if not given"),
    ]


class StyleSummary(TypedDict):
    """The layers, and the distances in the loss.

    `style_losses` and `content_losses` have a number for each step: the weighted distances to the
    style images and to the photograph, before the step. `size` is that of the picture so far, and
    `patches` in how many pieces it is drawn at that size.
    """

    layers: list[str]
    content_layers: list[str]
    style_losses: list[float]
    content_losses: list[float]
    size: list[int]
    patches: int


@technique(
    title="Style transfer",
    paper="Gatys, Ecker and Bethge 2016",
    url="https://openaccess.thecvf.com/content_cvpr_2016/papers/"
    "Gatys_Image_Style_Transfer_CVPR_2016_paper.pdf",
    chapter="Textures and style",
    network=NETWORK,
    batch=False,
    climbs=True,
)
def style(
    net: Network,
    image: Tensor,
    *,
    style: StyleImages,
    weights: Weights = None,
    layer: Annotated[
        LayerNames | None,
        Field(
            description="layers whose statistics are those of the style, each with a weight if"
            " needed (features.4 and features.9*2); if not given, five that suit the network"
        ),
    ] = None,
    content_layer: Annotated[
        LayerNames | None,
        Field(
            description="layers whose activations are those of the photograph, each with a weight"
            " if needed; if not given, one or two that suit the network"
        ),
    ] = None,
    content: Annotated[
        float,
        Field(
            ge=0,
            le=1e6,
            description="how much of the photograph is kept: 2 twice as much as usual, 0 nothing",
        ),
    ] = 1.0,
    by: Annotated[
        StatisticName | None,
        Field(
            description="statistic that is the style: gram, centered, moments or sliced; if not"
            " given, gram"
        ),
    ] = None,
    colors: Annotated[
        Literal["style", "photo"],
        Field(
            description="whose colors the picture has: those of the style, or those of the"
            " photograph, of which only the brightness then changes"
        ),
    ] = "style",
    mask: Annotated[
        str | SkipJsonSchema[Tensor] | None,
        BeforeValidator(mask_name),
        Field(
            description="picture of the photograph's size, which is bright where the style goes;"
            " with two style images, the second goes where it is dark",
            json_schema_extra={"format": "image"},
        ),
    ] = None,
    feather: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="how soft the edges of the mask are, as a fraction of the longer side",
        ),
    ] = 0.01,
    start: Annotated[
        Literal["photo", "noise", "zeros"], Field(description="what the picture begins with")
    ] = "photo",
    prior: Annotated[
        Literal["pixels", "fourier"],
        Field(
            description="what is optimized: pixels, as in the paper, or Fourier coefficients"
            " (stronger contrasts)"
        ),
    ] = "pixels",
    optimizer: Annotated[
        Literal["lbfgs", "adam"],
        Field(description="how the steps are taken: by L-BFGS, as in the paper, or by Adam"),
    ] = "lbfgs",
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="evaluations of the network at each size")
    ] = 90,
    sizes: Annotated[
        int | None,
        Field(
            ge=1,
            le=20,
            description="number of sizes, from small to large, each with twice the pixels of the"
            " one before; if not given, all from 96 pixels on",
        ),
    ] = None,
    size: Annotated[
        int | None,
        Field(
            ge=16,
            le=16_384,
            description="longer side of the picture in pixels; if not given, that of the"
            " photograph, but at most 512",
        ),
    ] = None,
    tile: Annotated[
        int | None,
        Field(
            ge=16,
            le=16_384,
            description="longest side in pixels of the overlapping patches in which a large picture"
            " is drawn; if not given, patches whose activations fit into half a gigabyte",
        ),
    ] = None,
    curves: Annotated[
        bool, Field(description="draw how the terms of the loss fall, beside the picture")
    ] = False,
    seed: Seed = 0,
) -> Iterator[ImageFrame[StyleSummary]]:
    """A photograph, drawn again with the strokes and colors of another picture.

    The style of a picture is what statistics of a network's layers say of it: which features occur
    together, wherever they are. The content is what a deeper layer sees at each place. The loss is
    the sum of both distances, each divided by the squared norm of what is wanted, and of a small
    total variation, which keeps fine noise out. The score is minus the loss.

    The picture is drawn at a small size first, where a stroke of the style is large, and then at
    larger sizes, each of which adds detail to the last. The style image is reduced to the size of
    the picture and never enlarged. A picture that is too large for the memory is drawn in patches
    that overlap. Each begins with what its neighbors have drawn, so there are no seams.
    """
    shown = net.as_input(image)
    longest = max(shown.shape[-2:])
    wanted = size or min(LARGEST, longest)
    full = shown if wanted == longest else tensors.longer_side(shown, wanted)
    if colors == "photo" and full.shape[1] != 3:
        raise ConvscopeError(f"{net.name} sees no colors, so it cannot keep them")
    loss = _loss(net, layer, content_layer, content, by)
    drawing = Drawing(
        net=net,
        loss=loss,
        photo=full,
        styles=_masked(_styles(net, style, weights, loss), _feathered(mask, shown, feather)),
        gray=colors == "photo",
        method=Method(prior == "pixels", optimizer == "lbfgs", steps),
        tile=tile or tile_side(net, {*loss.style, *loss.content}),
        sizes=sizes,
        least=LEAST,
    )
    begin = _start(net, start, drawing.plan()[0].size, seed)
    parts = _Parts([], [])
    for stroke in drawing.strokes(begin, seed):
        parts.style.append(stroke.style)
        parts.content.append(stroke.content)
        yield _frame(loss, stroke, parts, curves)


class _Parts(NamedTuple):
    """The two parts of the loss, step by step."""

    style: list[float]
    content: list[float]


def _loss(
    net: Network,
    layer: LayerNames | None,
    content_layer: LayerNames | None,
    content: float,
    by: StatisticName | None,
) -> StyleLoss:
    """The loss for the network, with what the caller changes."""
    named = layer is not None and content_layer is not None
    usual = StyleLoss({}, {}) if named else style_loss(net)
    kept = usual.content if content_layer is None else _weights(net, content_layer)
    return StyleLoss(
        style=usual.style if layer is None else _weights(net, layer),
        content={name: content * weight for name, weight in kept.items()},
        by=by or usual.by,
    )


def _weights(net: Network, names: LayerNames) -> dict[str, float]:
    """The weight of each layer that is named."""
    pairs = [name_and_weight(one) for one in ((names,) if isinstance(names, str) else names)]
    return {as_layer(net, name).layer: weight for name, weight in pairs}


def _styles(net: Network, style: StyleImages, weights: Weights, loss: StyleLoss) -> list[Style]:
    """The style images that have a weight, which together is 1."""
    several = (style,) if isinstance(style, str | Tensor) else style
    shares = weights or [1.0] * len(several)
    if len(shares) != len(several):
        raise ConvscopeError(
            f"style: {len(several)} style images and {len(shares)} weights; give each image one"
        )
    if not sum(shares) > 0:
        raise ConvscopeError("style: all weights are 0; give one image a weight above 0")
    return [
        Style(_opened(net, one, loss), share / sum(shares))
        for one, share in zip(several, shares, strict=True)
        if share
    ]


def _opened(net: Network, style: str | Tensor, loss: StyleLoss) -> Tensor:
    """A style image, which must be as large as what a unit of every layer sees."""
    opened = images.open_image(style) if isinstance(style, str) else style
    check_image("style", net, opened, batch=False)
    rows, columns = opened.shape[-2:]
    for name in loss.style:
        seen = net.layer(name.removesuffix(PRE)).receptive_field or net.input_size
        if rows < seen[0] or columns < seen[1]:
            raise ConvscopeError(
                f"style: a unit of {name!r} sees {seen[0]}x{seen[1]} pixels, more than the style"
                f" image of {rows}x{columns}; take a larger image or shallower layers"
            )
    return net.as_input(opened)


def _feathered(mask: str | Tensor | None, shown: Tensor, feather: float) -> Tensor | None:
    """The mask (1, 1, H, W), with soft edges."""
    if mask is None:
        return None
    opened = opened_mask(mask, *shown.shape[-2:]).to(shown)
    return tensors.blur(opened, feather * max(shown.shape[-2:]))


def _masked(styles: list[Style], mask: Tensor | None) -> list[Style]:
    """The first style where the mask is bright; a second one where it is dark."""
    if mask is None:
        return styles
    if len(styles) > 2:
        raise ConvscopeError(f"style: a mask has two sides, and there are {len(styles)} styles")
    return [
        replace(one, weight=1.0, mask=side)
        for one, side in zip(styles, (mask, 1 - mask), strict=False)
    ]


def _start(net: Network, start: str, size: tuple[int, int], seed: int) -> Tensor | None:
    """What the picture begins with, at its smallest size; None for the photograph."""
    if start == "photo":
        return None
    word = noise(size=size) if start == "noise" else zeros(size=size)
    return word.canvas(net, torch.Generator().manual_seed(seed)).parameters


def _frame(
    loss: StyleLoss, stroke: Stroke, parts: _Parts, curves: bool
) -> ImageFrame[StyleSummary]:
    panels: tuple[Panel, ...] = (Picture(stroke.picture[0]),)
    if curves:
        lines = {name: tuple(values) for name, values in parts._asdict().items()}
        steps = tuple(map(float, range(1, stroke.step + 1)))
        panels = (*panels, Curves(steps, lines, "step", "part of the loss"))
    return ImageFrame(
        panels=panels,
        step=stroke.step,
        steps=stroke.steps,
        image=stroke.picture,
        score=stroke.score,
        summary={
            "layers": list(loss.style),
            "content_layers": list(loss.content),
            "style_losses": list(parts.style),
            "content_losses": list(parts.content),
            "size": list(stroke.picture.shape[-2:]),
            "patches": stroke.patches,
        },
    )
