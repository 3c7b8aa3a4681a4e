"""`convscope tour`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli import terminal
from convscope.cli.options import ImagePath, NetworkOptions, Seed, output_option
from convscope.cli.progress import Watched
from convscope.errors import ConvscopeError


def tour(
    image: ImagePath = "sample:chelsea",
    /,
    *,
    output: Annotated[Path, output_option("page to write, an .html file")] = Path("report.html"),
    index: Annotated[
        Path | None,
        Parameter(
            help="index of a collection of images (see `convscope index`), for the chapters that"
            " show other photographs"
        ),
    ] = None,
    full: Annotated[
        bool, Parameter(help="use more steps and samples: better pictures, slower")
    ] = False,
    network: NetworkOptions = NetworkOptions(),
    seed: Seed = 0,
) -> int:
    """Explain a network on one photograph: a page with every technique and how to read it."""
    from convscope.files import check_writable, open_image
    from convscope.reports.touring import Tour

    if output.suffix.lower() != ".html":
        raise ConvscopeError(f"a tour is a page that ends in .html, not {output.name}")
    check_writable(output, picture=False)
    photo = open_image(image)
    net = network.open(index)
    if index is not None:
        from convscope.collection import index_of

        index_of(net, index)  # fails now rather than after half the tour
    walk = Tour(
        net, photo, image, full=full, seed=seed, index=None if index is None else str(index)
    )
    for chapter in walk.chapters:
        if chapter.run is not None:
            watched = Watched(chapter.run)
            walk.visit(chapter, watched)
            if watched.interrupted:
                print(walk.save(output))
                return terminal.INTERRUPTED
        if terminal.errors.is_terminal:
            mark = "[yellow]--[/]" if chapter.refusal else "[green]ok[/]"
            terminal.errors.print(f"{mark} {chapter.title}")
    print(walk.save(output))
    return 0
