"""Exporting an index: as a site, or in one of the formats of `convscope.collection`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from convscope.collection import EngineName, Index, format_of, make_engine, open_index
from convscope.collection import export as export_collection
from convscope.microscope import Microscope
from convscope.network import Network
from convscope.reports.reporting import network_of
from convscope.site.site import Site

ONE_FILE = "site.html"  # ends the name of a site in one file

Format = Literal["site", "page", "atlas", "projector", "fiftyone"]

Method = Literal["tsne", "pca", "isomap", "umap"]


def export(
    index: Index | str | os.PathLike[str],
    path: str | os.PathLike[str],
    net: Network | None = None,
    *,
    to: Format | None = None,
    method: Method = "tsne",
    layers: Sequence[str] = (),
    engine: EngineName = "plain",
    workers: int | None = None,
    actors: int | None = None,
    address: str | None = None,
    progress: bool = False,
) -> Path:
    """Write an index as a site, as a map on one page, or as files for another program.

    A site has a page for each unit of the network, each layer and each photograph. It can be
    stopped or killed: the same call goes on, and ends in the same files. Images of units that it
    makes are kept in the index.

    Args:
        index: the index, or where it lies.
        path: the file or folder to write.
        net: the network that made the index, which a site needs; by default it is loaded again.
        to: "site", "page", "atlas", "projector" or "fiftyone"; if it is not given, the end of
            `path` chooses: no ending (a folder) or site.html for a site, else .html for a page,
            .parquet, projector_config.pbtxt or .json.
        method: method that lays out the photographs, as in `embedding_map`.
        layers: layers whose units a site shows; by default all of the index.
        engine: "plain" draws the images of units on this machine, "ray" on Ray.
        workers: number of processes that draw; by default one for each processor, up to eight.
        actors: number of Ray actors; by default as many as the cluster has room for.
        address: address of a Ray cluster; by default one is started on this machine.
        progress: show a progress bar for a site, on a terminal or below the cell of a notebook.

    Returns:
        What was written.

    Raises:
        ConvscopeError: there is no index, or it has no images, the ending is unknown, the output
            cannot be written, or something else is there.
    """
    if to != "site" and not is_site(Path(path), to):
        return export_collection(index, path, to=to, method=method)
    made = begin(
        index,
        path,
        net,
        method=method,
        layers=layers,
        engine=engine,
        workers=workers,
        actors=actors,
        address=address,
    )
    return made.result(progress=progress)


def begin(
    index: Index | str | os.PathLike[str],
    path: str | os.PathLike[str],
    net: Network | None,
    *,
    method: Method,
    layers: Sequence[str],
    engine: EngineName,
    workers: int | None,
    actors: int | None,
    address: str | None,
) -> Site:
    """A site, of which nothing is made yet; the arguments are those of `export`.

    Raises:
        ConvscopeError: there is no index or no such layer, or something else is at the path.
    """
    opened = index if isinstance(index, Index) else open_index(index)
    net = network_of(opened, "export(index, path, net)") if net is None else net
    drawing = make_engine(engine, workers, actors, address, net.device.type, per_worker=1)
    site = Site(Microscope(net, opened), Path(path), layers, method, drawing)
    site.check()
    return site


def is_site(path: Path, to: str | None) -> bool:
    """Whether a path, or the format that is asked for, means a site."""
    if to is None:
        return path.name.lower().endswith(ONE_FILE) or not (path.suffix or format_of(path))
    return to == "site"
