"""The space of a layer's activations as a grid of images of directions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from convscope.ascent import MapFrame, climb_map, steps_of_map
from convscope.collection import (
    Atlas,
    Cell,
    Index,
    Samples,
    atlas_of,
    channel_changes,
    index_of,
    joined,
    sampled,
    tiled,
)
from convscope.files import decoded
from convscope.network import Network, default_layers
from convscope.runs import IndexPath, Seed, technique
from convscope.types import Array, Frame, Mosaic
from convscope.vocabulary.objectives import whole_layer

CLASSES, EXAMPLES = 3, 3  # of each cell, in the summary

BEHIND = 24  # photographs of a cell that the explorer shows, at most

SHOWN = 400  # photographs that are shown while they are read


class AtlasCell(TypedDict):
    """A cell: its row from the top, its column, and how many activations lie in it.

    `classes` are those that they push up most compared with all activations, `pushes` how much they
    add to the scores of these classes, `labels` the labels of their photographs with the
    number of photographs, the most frequent first, and `photographs` those whose activations are
    most like the mean.
    """

    row: int
    column: int
    activations: int
    classes: list[str]
    pushes: list[float]
    labels: dict[str, int]
    photographs: list[str]


class ActivationAtlasSummary(TypedDict):
    """The layer, how many photographs and activations were laid out, and the cells row by row."""

    layer: str
    images: int
    activations: int
    grid: int
    cells: list[AtlasCell]


@technique(
    title="Activation atlas",
    paper="Carter, Armstrong, Schubert, Johnson and Olah 2019",
    url="https://distill.pub/2019/activation-atlas/",
    chapter="Collections of images",
    climbs=True,
)
def activation_atlas(
    net: Network,
    *,
    index: IndexPath,
    layer: Annotated[
        str | None,
        Field(
            description="layer whose activations are laid out; if not given, the last layer with"
            " feature maps",
            json_schema_extra={"format": "layer"},
        ),
    ] = None,
    grid: Annotated[int, Field(ge=1, le=100, description="cells on each side of the atlas")] = 10,
    images: Annotated[
        int, Field(ge=5, le=10**6, description="maximum number of photographs, chosen at random")
    ] = 2000,
    each: Annotated[
        int, Field(ge=1, le=1000, description="activations taken from each photograph")
    ] = 8,
    least: Annotated[
        int, Field(ge=1, le=10**6, description="fewest activations of a cell; others stay empty")
    ] = 4,
    method: Annotated[
        Literal["tsne", "umap", "pca", "isomap"],
        Field(description="algorithm that lays out the activations"),
    ] = "tsne",
    by: Annotated[
        Literal["scores", "covariance", "mean"],
        Field(
            description="how the direction of a cell is made of its activations: scores is what"
            " the scores of the classes that they push up depend on, covariance takes out what"
            " channels have in common, mean is the mean activation itself"
        ),
    ] = "scores",
    cosine: Annotated[
        float,
        Field(ge=0, le=100, description="power of the cosine that the score is multiplied by"),
    ] = 2.0,
    steps: Annotated[
        int, Field(ge=1, le=100_000, description="optimization steps of a cell's image")
    ] = 48,
    size: Annotated[
        int | None,
        Field(
            ge=16,
            le=4096,
            description="width and height of the image of a cell in pixels; if not given, five"
            " sevenths of those of the network's input where the network takes that",
        ),
    ] = None,
    seed: Seed = 0,
) -> Iterator[Frame[ActivationAtlasSummary]]:
    """A map of what a layer tells apart: a grid of images, each of what its cell speaks for.

    The network reads photographs of the collection. The activations of the layer at random
    positions, away from the border, are laid out in the plane, where similar ones lie together, and
    those in each cell of a grid are averaged. An image is then optimized whose own mean activation
    points in the direction of the cell. Blocks of 2 x 2 cells come first. The image of a cell
    begins with a blend of the blocks around it, so that neighbors look alike. Cells with few
    activations stay empty. By default a direction is the gradient of the class scores, each
    weighted by how clearly the cell pushes it up. The paper whitens the mean activation in place of
    that (`by="covariance"`). Without class scores, the default does so too.

    The name on a cell is the class that its activations push up most, compared with all others: the
    activation times its gradient, to first order. `summary` lists each cell with these classes and
    with its photographs. What is read is kept in the index, so a second atlas of a layer begins at
    once. `arrays` holds the place of each activation (`places`), its image in the index (`rows`),
    its position in the layer's map (`positions`) and its cell (`cells`, -1 for none), the direction
    of each cell (`directions`) and how much it pushes every class (`pushes`).
    """
    opened = index_of(net, index)
    name = _layer(net, layer)
    side = _side(net, name, size)
    parts: list[Samples] = []
    read, most = 0, sum(steps_of_map(math.ceil(grid / 2) ** 2, grid**2, steps))
    for part, read in sampled(net, opened, name, images=images, each=each, seed=seed):
        parts.append(part)
        yield _reading(opened, parts, read + most)
    samples = joined(parts)
    changes = partial(channel_changes, net, opened, name, samples)
    made = atlas_of(samples, grid, least=least, method=method, by=by, seed=seed, changes=changes)
    behind = [_photographs(samples, made, number) for number in range(len(made.cells))]
    about: ActivationAtlasSummary = {
        "layer": name,
        "images": len(np.unique(samples.rows)),
        "activations": len(samples),
        "grid": grid,
        "cells": [*map(partial(_summary, net, opened), made.cells, made.pushes, behind)],
    }
    shown = tuple(rows[:BEHIND] for rows in behind)
    panel = replace(_panel(about), photographs=shown, index=opened.digest)
    arrays, table = _arrays(samples, made), _table(about)
    directions = torch.from_numpy(made.directions)
    settings: dict[str, Any] = {"cosine": cosine, "steps": steps, "size": side, "seed": seed}
    for drawn in climb_map(net, name, directions, panel.places, **settings):
        yield replace(
            drawn.frame,
            step=read + drawn.frame.step,
            steps=read + drawn.frame.steps,
            panels=(_shown(panel, drawn),),
            arrays=arrays,
            summary=about,
            table=table,
        )


def _layer(net: Network, layer: str | None) -> str:
    """The layer itself, or the last one with feature maps."""
    if layer is not None:
        return whole_layer(net, layer).layer
    if net.stages:
        return net.stages[-1].name
    return default_layers.embedding(net)


def _side(net: Network, layer: str, size: int | None) -> int | None:
    """Pixels a side of an image; None for those of the network's input."""
    side = max(16, min(net.input_size) * 5 // 7)
    return size or (side if net.sizes.takes((side, side), {layer}) else None)


def _reading(index: Index, parts: Sequence[Samples], steps: int) -> Frame[Any]:
    """The photographs that have been read."""
    rows = np.unique(np.concatenate([part.rows for part in parts]))[-SHOWN:]
    across = math.ceil(math.sqrt(len(rows)))
    grid = np.full(across * across, -1)
    grid[: len(rows)] = np.arange(len(rows))
    tiles = tiled(grid.reshape(across, across))
    pictures = torch.stack(decoded(index.thumbnails(rows.tolist())))
    panel = Mosaic(
        pictures[tiles.rows],
        torch.from_numpy(tiles.places).float(),
        (float(tiles.width), float(tiles.height)),
        "the photographs that are read",
    )
    return Frame(panels=(panel,), step=len(parts), steps=steps)


def _panel(about: ActivationAtlasSummary) -> Mosaic:
    """Each cell where it belongs, without its image, with the class that it pushes up most."""
    cells, grid = about["cells"], float(about["grid"])
    return Mosaic(
        torch.empty(0),
        torch.tensor([[cell["column"] + 0.5, cell["row"] + 0.5] for cell in cells]),
        (grid, grid),
        f"{about['layer']}: {len(cells)} cells of {about['activations']:,} activations in"
        f" {about['images']:,} photographs",
        tuple(map(_name, cells)),
    )


def _shown(panel: Mosaic, drawn: MapFrame) -> Mosaic:
    """The images that have been begun. Blocks of cells have larger tiles, and no names."""
    begun = (~drawn.frame.arrays["tries"].isnan().any(1)).nonzero().flatten().tolist()
    cells = [*begun] if drawn.side == 1 else []
    width, height = (math.ceil(length / drawn.side) for length in panel.size)
    return replace(
        panel,
        tiles=drawn.frame.image[begun],
        places=drawn.places[begun] / drawn.side,
        size=(width, height),
        names=tuple(panel.names[i] for i in cells),
        photographs=tuple(panel.photographs[i] for i in cells),
    )


def _name(cell: AtlasCell) -> str:
    """The class that a cell pushes up most, or else the label of most of its photographs."""
    if cell["classes"]:
        return cell["classes"][0]
    return next(iter(cell["labels"]), "")


def _photographs(samples: Samples, made: Atlas, number: int) -> tuple[int, ...]:
    """The images of a cell, the one whose activation lies most in its direction first."""
    items = made.cells[number].items
    along = samples.activations[items].astype(np.float32) @ made.directions[number]
    return tuple(dict.fromkeys(samples.rows[items[np.argsort(-along, kind="stable")]].tolist()))


def _summary(
    net: Network, index: Index, cell: Cell, pushes: Array, rows: Sequence[int]
) -> AtlasCell:
    best = torch.from_numpy(pushes).topk(min(CLASSES, len(pushes)))
    labels = Counter(index.folders[row] for row in rows)
    return {
        "row": cell.row,
        "column": cell.column,
        "activations": len(cell.items),
        "classes": [net.label(i) for i in best.indices.tolist()],
        "pushes": best.values.tolist(),
        "labels": {name: count for name, count in labels.most_common() if name is not None},
        "photographs": [index.paths[row] for row in rows[:EXAMPLES]],
    }


def _arrays(samples: Samples, made: Atlas) -> Mapping[str, Tensor]:
    cells = np.full(len(samples), -1)
    for number, cell in enumerate(made.cells):
        cells[cell.items] = number
    arrays = {
        "places": made.places,
        "rows": samples.rows,
        "positions": samples.positions,
        "cells": cells,
        "directions": made.directions,
        "pushes": made.pushes,
    }
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


def _table(about: ActivationAtlasSummary) -> list[Mapping[str, Any]]:
    """A row for each cell, with its first class and its first label and photograph."""
    return [
        {
            "row": cell["row"],
            "column": cell["column"],
            "activations": cell["activations"],
            "class": next(iter(cell["classes"]), ""),
            "push": next(iter(cell["pushes"]), None),
            "label": next(iter(cell["labels"]), ""),
            "photograph": cell["photographs"][0],
        }
        for cell in about["cells"]
    ]
