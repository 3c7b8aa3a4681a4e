"""`convscope replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli.options import PictureOptions
from convscope.cli.saving import save_picture


def replay(
    file: Annotated[Path, Parameter(name="--picture", help="picture that convscope wrote")],
    *,
    image: Annotated[
        str | None,
        Parameter(help="path of the photograph, if it is no longer where it was"),
    ] = None,
    device: Annotated[
        str | None,
        Parameter(help="device that the network runs on; by default the same as before"),
    ] = None,
    picture: PictureOptions = PictureOptions(),
) -> int:
    """Make a picture again from the provenance that it carries."""
    from convscope.files import check_writable
    from convscope.replay import remake

    run = remake(file, image=image, device=device)
    output = picture.output or file.with_stem(file.stem + "-replay")
    check_writable(output)
    return save_picture(run, output, picture)
