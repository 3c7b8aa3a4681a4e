"""What a run leaves in its folder: its last result, of which files of all formats are made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from convscope.errors import ConvscopeError
from convscope.files import anything, write_file
from convscope.network import check_archive
from convscope.runs import Result, result_of
from convscope.types import (
    Ascent,
    Bars,
    Box,
    Curves,
    Frame,
    GradientHeatmapFrame,
    Grid,
    HeatMap,
    HeatmapFrame,
    Histogram,
    ImageFrame,
    MapStyle,
    Matrix,
    Mosaic,
    Picture,
    Sheet,
    SignedPicture,
)

NAME = "result.pt"

# What the file may hold beside tensors and plain values. Nothing else is read from it.
FRAMES = (Frame, ImageFrame, Ascent, HeatmapFrame, GradientHeatmapFrame, MapStyle)
PANELS = (Picture, SignedPicture, HeatMap, Grid, Sheet, Mosaic, Bars, Histogram, Curves, Matrix)
CLASSES: list[Any] = [*FRAMES, *PANELS, Box, frozenset]


def keep(result: Result, folder: Path) -> None:
    """Write a result, without what no file of it shows."""
    frame = replace(result.frame, activations={})
    provenance = json.loads(json.dumps(dict(result.provenance), default=str))  # as pictures have it
    values = {"frame": frame, "provenance": provenance}
    write_file(folder / NAME, partial(torch.save, values), ours=anything)


def kept(folder: Path) -> Result:
    """The result that a run has left.

    Raises:
        ConvscopeError: there is none, or it is damaged.
    """
    file = folder / NAME
    if not file.is_file():
        raise ConvscopeError("the run has no result yet")
    try:
        check_archive(file)
        with torch.serialization.safe_globals(CLASSES):
            values: Mapping[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return result_of(values["frame"], values["provenance"])
    except Exception as error:  # as many as there are ways to damage a file
        raise ConvscopeError("the result of this run is damaged; run it again") from error
