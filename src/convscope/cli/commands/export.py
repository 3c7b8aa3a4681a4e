"""`convscope export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from convscope.cli import terminal
from convscope.cli.options import SEVERAL, NetworkOptions, output_option
from convscope.cli.stopping import INTERRUPTED


def export(
    index: Annotated[Path, Parameter(help="index of a collection, made by `convscope index`")],
    /,
    *,
    output: Annotated[
        Path,
        output_option(
            "file or folder to write; its ending chooses the format: none (a folder) for a site,"
            " site.html for a site in one file, any other .html for a map on one page; .parquet,"
            " .json or FOLDER/projector_config.pbtxt for other programs"
        ),
    ],
    to: Annotated[
        Literal["site", "page", "atlas", "projector", "fiftyone"] | None,
        Parameter(
            help="format, if the ending of the output does not decide it: a site with a page for"
            " each unit, a map to zoom on one page, or files for Embedding Atlas, TensorBoard's"
            " projector or FiftyOne"
        ),
    ] = None,
    method: Annotated[
        Literal["tsne", "pca", "isomap", "umap"], Parameter(help="method that lays out the images")
    ] = "tsne",
    layers: Annotated[
        tuple[str, ...],
        Parameter(
            help=f"layers whose units a site shows; by default all of the index; {SEVERAL}",
            metavar="LAYER",
        ),
    ] = (),
    engine: Annotated[
        Literal["plain", "ray"],
        Parameter(help="where images of units are drawn: on this machine, or on a Ray cluster"),
    ] = "plain",
    workers: Annotated[
        int | None,
        Parameter(
            help="number of processes that draw; by default one for each processor, up to eight"
        ),
    ] = None,
    actors: Annotated[
        int | None,
        Parameter(help="number of Ray actors; by default as many as the cluster has room for"),
    ] = None,
    address: Annotated[
        str | None,
        Parameter(
            help="Ray cluster address, as ray://host:port; by default a cluster is started on this"
            " machine",
            metavar="ADDRESS",
        ),
    ] = None,
    network: NetworkOptions = NetworkOptions(),
) -> int:
    """Write an index as a site of all units and photographs, as a map, or for other programs.

    A site has a page for each unit, layer and photograph; open its index.html in a browser. If it
    was stopped, the same command goes on.
    """
    from convscope.site.exporting import begin, is_site
    from convscope.site.exporting import export as write

    if not is_site(output, to):
        terminal.show(write(index, output, to=to, method=method))
        return 0
    from convscope.site.site import with_bar
    from convscope.system import keep_pages

    keep_pages()
    site = begin(
        index,
        output,
        network.open(index),
        method=method,
        layers=layers,
        engine=engine,
        workers=workers,
        actors=actors,
        address=address,
    )
    try:
        for _ in with_bar(site, console=terminal.errors):
            pass
    except KeyboardInterrupt:
        terminal.tell(
            f"stopped; {site.kept} keeps what is done, run the same command again to continue"
        )
        return INTERRUPTED
    terminal.show(output)
    return 0
