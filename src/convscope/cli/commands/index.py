"""`convscope index`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from convscope.cli.options import SEVERAL, Json, NetworkOptions, output_option
from convscope.cli.progress import each_repair
from convscope.cli.stopping import INTERRUPTED
from convscope.cli.terminal import print_json, show, tell
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.collection import Index

SHOWN = 5  # of the files that were left out


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """The options of `convscope.index`, by their names there."""

    update: Annotated[
        bool,
        Parameter(
            help="add images that are new in the folder, remove those that were deleted, and"
            " add what an index of an earlier version does not have"
        ),
    ] = False
    layers: Annotated[
        tuple[str, ...],
        Parameter(
            help="layers whose channels are indexed; by default the last layer of each resolution"
            f"; {SEVERAL}",
            metavar="LAYER",
        ),
    ] = ()
    top: Annotated[
        int | None,
        Parameter(
            help="images kept for the highest and for the lowest values of each channel;"
            " 9 in a new index"
        ),
    ] = None
    batch_size: Annotated[
        int | None, Parameter(help="images that the network takes at once; 16 in a new index")
    ] = None
    threads: Annotated[
        int | None, Parameter(help="number of threads that the network runs in, per actor")
    ] = None
    shard: Annotated[
        int | None,
        Parameter(
            help="files that are saved together, the most that a crash can lose; 512 in a new index"
        ),
    ] = None
    thumbnail: Annotated[
        int | None,
        Parameter(help="longer side of the thumbnails in pixels; 96 in a new index"),
    ] = None
    reader: Annotated[
        Literal["torch", "fused", "openvino"] | None,
        Parameter(
            help="what runs the network: torch, torch's fused convolutions, or OpenVINO; in a new"
            " index, whichever is faster"
        ),
    ] = None
    follow_links: Annotated[bool, Parameter(help="follow links that lead out of the folder")] = (
        False
    )
    engine: Annotated[
        Literal["plain", "ray"],
        Parameter(help="where the work is done: in this process, or on a Ray cluster"),
    ] = "plain"
    workers: Annotated[
        int | None,
        Parameter(
            help="number of processes that decode images, per actor; by default half of the"
            " processors, and none on Ray"
        ),
    ] = None
    actors: Annotated[
        int | None,
        Parameter(help="number of Ray actors; by default as many as the cluster has room for"),
    ] = None
    address: Annotated[
        str | None,
        Parameter(
            help="Ray cluster address, as ray://host:port; by default a cluster is started on this"
            " machine",
            metavar="ADDRESS",
        ),
    ] = None


def index(
    folder: Annotated[
        Path,
        Parameter(help="folder of images, searched with its subfolders; with --info, an index"),
    ],
    /,
    *,
    output: Annotated[
        Path | None, output_option("index to write, a folder; by default FOLDER-index")
    ] = None,
    info: Annotated[
        bool, Parameter(help="print what an index contains, and change nothing")
    ] = False,
    options: IndexOptions = IndexOptions(),
    network: NetworkOptions = NetworkOptions(),
    json: Json = False,
) -> int:
    """Index what a network finds in a folder of images, for patches, neighbors and maps.

    The same command again continues an index that was stopped, and repairs one that is damaged.
    """
    from convscope.collection import open_index

    if info:
        opened = open_index(folder)
        opened.check_files()
        return _print_index(opened, json)
    output = output or Path(f"{os.path.basename(os.path.abspath(folder))}-index")
    if not folder.is_dir():
        raise ConvscopeError(f"no folder {folder}")
    made = _make(folder, output, options, network)
    if made is None:
        tell(f"stopped; {output} keeps what is done, run the same command again to continue")
        return INTERRUPTED
    for one in made.unreadable[:SHOWN]:
        tell(f"left out: {one.path}: {one.reason}")
    if len(made.unreadable) > SHOWN:
        more = len(made.unreadable) - SHOWN
        tell(f"left out: {more} more, which `convscope index --info {output}` lists")
    if json:
        return _print_index(made, json)
    tell(f"images: {len(made)} indexed, {len(made.unreadable)} left out")
    show(output)
    return 0


def _make(
    folder: Path, output: Path, options: IndexOptions, network: NetworkOptions
) -> Index | None:
    """The index; None where Ctrl-C stopped it."""
    from convscope.collection import index as collect
    from convscope.system import keep_pages

    keep_pages()
    given = asdict(options) | {"layers": options.layers or None}
    indexing = collect(network.open(output), folder, output, **given)
    try:
        for damaged in each_repair(indexing, "index"):
            tell(f"{damaged} was damaged and is made again")
    except KeyboardInterrupt:
        return None
    return indexing.result()


def _print_index(index: Index, as_json: bool) -> int:
    from convscope.cli.tables import index_values, print_index

    if as_json:
        print_json(index_values(index))
    else:
        print_index(index)
    return 0
