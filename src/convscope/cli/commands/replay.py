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
        Parameter(help="path of the photograph that the picture was made from", metavar="IMAGE"),
    ] = None,
    model: Annotated[
        str | None,
        Parameter(help="name of the network that the picture was made with", metavar="NETWORK"),
    ] = None,
    checkpoint: Annotated[
        Path | None, Parameter(help="file of the weights that the picture was made with")
    ] = None,
    trust: Annotated[
        bool,
        Parameter(
            help="open every photograph, network, index and package that the picture names; do this"
            " with your own pictures only, or name them again with the options above"
        ),
    ] = False,
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

    output = output or file.with_stem(file.stem + "-replay")
    check_writable(output, read=[file])
    run = remake(file, image=image, model=model, checkpoint=checkpoint, device=device, trust=trust)
    return save_picture(run, output, PictureOptions(output, resume, json))
