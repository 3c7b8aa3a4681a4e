"""`convscope replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli.options import FORMATS, Json, PathText, PictureOptions, Resume, output_option
from convscope.cli.saving import save_picture


def replay(
    file: Annotated[Path, Parameter("PICTURE", help="picture that convscope wrote")],
    /,
    *,
    output: Annotated[
        Path | None,
        output_option(f"picture to write, by default PICTURE-replay: {FORMATS}"),
    ] = None,
    image: Annotated[
        PathText | None,
        Parameter(help="path of the photograph, if it is no longer where it was", metavar="IMAGE"),
    ] = None,
    device: Annotated[
        str | None,
        Parameter(
            help="device that the network runs on; by default the same as before",
            metavar="DEVICE",
        ),
    ] = None,
    resume: Resume = False,
    json: Json = False,
) -> int:
    """Make a picture again from the provenance that it carries."""
    from convscope.files import check_writable
    from convscope.replay import remake

    run = remake(file, image=image, device=device)
    output = output or file.with_stem(file.stem + "-replay")
    check_writable(output, read=[file])
    return save_picture(run, output, PictureOptions(output, resume, json))
