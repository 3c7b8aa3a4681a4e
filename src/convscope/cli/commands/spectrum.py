"""`convscope spectrum`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from convscope.cli.options import output_option
from convscope.cli.progress import each_file
from convscope.errors import ConvscopeError


def spectrum(
    folder: Annotated[Path, Parameter(help="folder of photographs, searched with its subfolders")],
    /,
    *,
    output: Annotated[Path, output_option("spectrum to write, an .npz file")] = Path(
        "spectrum.npz"
    ),
) -> int:
    """Measure the mean frequency spectrum of photographs, for recipes with the start maco."""
    from convscope.files import check_writable, open_image, photographs
    from convscope.vocabulary import spectra

    if output.suffix != ".npz":
        raise ConvscopeError(f"a spectrum is a file that ends in .npz, not {output.name}")
    check_writable(output, ours=spectra.is_spectrum)
    opened = (open_image(path) for path in each_file(photographs(folder), "spectrum"))
    print(spectra.save(output, spectra.measure(opened)))
    return 0
