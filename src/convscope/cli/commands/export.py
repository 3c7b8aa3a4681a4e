"""`convscope export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from convscope.cli.terminal import show


def export(
    index: Annotated[Path, Parameter(help="index of a collection, made by `convscope index`")],
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            ["--output", "-o"],
            help="file or folder to write; its ending chooses the format: .html, .parquet or .json,"
            " or none for a folder",
        ),
    ],
    to: Annotated[
        Literal["page", "atlas", "projector", "fiftyone"] | None,
        Parameter(
            help="format, if the ending of the output does not decide it: a web page to zoom, or"
            " files for Embedding Atlas, TensorBoard's projector or FiftyOne"
        ),
    ] = None,
    method: Annotated[
        Literal["tsne", "pca", "isomap", "umap"], Parameter(help="method that lays out the images")
    ] = "tsne",
) -> int:
    """Write a collection and its layout as a web page, or as files for another program."""
    from convscope.collection import export as write

    show(write(index, output, to=to, method=method))
    return 0
