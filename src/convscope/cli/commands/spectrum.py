"""`convscope spectrum`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convscope.cli.options import output_option
from convscope.cli.progress import each_file
from convscope.cli.terminal import show, tell
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from torch import Tensor


def spectrum(
    folder: Annotated[Path, Parameter(help="folder of photographs, searched with its subfolders")],
    /,
    *,
    output: Annotated[Path, output_option("spectrum to write, an .npz file")] = Path(
        "spectrum.npz"
    ),
) -> int:
    """Measure the mean frequency spectrum of photographs, for recipes with the start maco."""
    from convscope.files import check_writable, open_image, survey, told
    from convscope.vocabulary import spectra

    if output.suffix != ".npz":
        raise ConvscopeError(f"a spectrum is a file that ends in .npz, not {output.name}")
    check_writable(output, ours=spectra.is_spectrum)
    found = survey(folder)
    paths = found.photographs
    left_out: list[ConvscopeError] = []

    def opened() -> Iterator[Tensor]:
        for path in each_file(paths, "spectrum"):
            try:
                yield open_image(path)
            except ConvscopeError as error:
                left_out.append(error)

    try:
        magnitudes = spectra.measure(opened())
    except ConvscopeError as error:
        raise left_out[0] if left_out else error from error
    for one in left_out:
        tell(f"left out: {one}")
    if left_out:
        tell(f"photographs: {len(paths) - len(left_out)} measured, {len(left_out)} left out")
    if found.others:
        tell(told(found.others))
    show(spectra.save(output, magnitudes))
    return int(bool(left_out))
