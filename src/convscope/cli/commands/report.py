"""`convscope report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli import terminal
from convscope.cli.options import NetworkOptions, output_option
from convscope.cli.stopping import INTERRUPTED
from convscope.errors import in_one_line
from convscope.progress import bar


def report(
    index: Annotated[
        Path, Parameter(help="index of a collection, made by `convscope index`", metavar="INDEX")
    ],
    /,
    *,
    output: Annotated[Path, output_option("page to write, an .html file")] = Path("report.html"),
    label: Annotated[
        str | None,
        Parameter(
            help="show all photographs with this label, also the correct ones", metavar="LABEL"
        ),
    ] = None,
    technique: Annotated[
        str,
        Parameter(
            help="attribution whose maps are shown: gradcam, occlusion, ...", metavar="TECHNIQUE"
        ),
    ] = "gradcam",
    limit: Annotated[int, Parameter(help="maximum number of photographs")] = 200,
    similar: Annotated[int, Parameter(help="number of similar photographs of each class")] = 3,
    network: NetworkOptions = NetworkOptions(),
) -> int:
    """Show all mistakes of an index on a page, with maps and what is most similar.

    The folders of the photographs are the labels. Ctrl-C keeps the photographs that are finished.
    """
    from convscope.reports.document import check_page, write_page
    from convscope.reports.reporting import report as begin

    check_page(output)
    made = begin(
        index, network.open(index), label=label, technique=technique, limit=limit, similar=similar
    )
    done, stopped = 0, False
    try:
        with bar("report", console=terminal.errors) as shown:
            for done, case in enumerate(made, 1):
                shown.update(done, len(made), in_one_line(case.path))
    except KeyboardInterrupt:
        stopped = True
    if done or not stopped:
        written = write_page(output, made)
        size = written.stat().st_size / 1e6
        terminal.tell(f"report: {done} of {len(made)} photographs, {size:.1f} MB")
        terminal.show(written)
    return INTERRUPTED if stopped else 0
