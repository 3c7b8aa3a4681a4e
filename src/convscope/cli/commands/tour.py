"""`convscope tour`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli import terminal
from convscope.cli.options import ImagePath, NetworkOptions, Seed, output_option
from convscope.cli.progress import Watched
from convscope.cli.stopping import INTERRUPTED


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
    from convscope.files import open_image
    from convscope.reports.document import check_page, write_page
    from convscope.reports.touring import tour as begin

    check_page(output)
    photo = open_image(image)
    walk = begin(network.open(index), photo, index=index, full=full, seed=seed)
    stopped = False
    for chapter in walk.chapters:
        if chapter.run is not None:
            watched = Watched(chapter.run)
            try:
                walk.visit(chapter, watched)
            except KeyboardInterrupt:  # before the chapter's first picture
                stopped = True
            if stopped := stopped or watched.interrupted:
                break
        if terminal.errors.is_terminal:
            mark = "[yellow]--[/]" if chapter.refusal else "[green]ok[/]"
            terminal.errors.print(f"{mark} {chapter.title}")
    if any(chapter.picture for chapter in walk.chapters):
        terminal.show(write_page(output, walk))
    return INTERRUPTED if stopped else 0
