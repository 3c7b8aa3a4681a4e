"""Deep compression: a network in a fraction of its bytes, and what each stage costs."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from convscope.compression import (
    Compression,
    CompressSummary,
    Judge,
    Photographs,
    Plan,
    Stages,
    Start,
    Teaching,
    Telling,
    check_scores,
    found_photographs,
    inputs,
    side,
    weight_names,
)
from convscope.errors import ConvscopeError
from convscope.files import check_replaceable, open_image, write_file
from convscope.network import Network, is_compressed
from convscope.runs import Seed, absolute_path, technique
from convscope.stylization import Crops
from convscope.types import Frame

if TYPE_CHECKING:
    import os

    FolderPath = str | os.PathLike[str]
    OptionalPath = str | os.PathLike[str] | None
else:
    FolderPath = Annotated[str, BeforeValidator(absolute_path)]
    OptionalPath = Annotated[str | None, BeforeValidator(absolute_path)]

PATH = {"format": "path"}

CALIBRATION = 256  # photographs, at most, that tell which errors of weights make up for each other


@technique(
    title="Compression",
    paper="Han, Mao and Dally 2016; Hinton, Vinyals and Dean 2015; Frantar et al. 2023",
    url="https://arxiv.org/abs/1510.00149",
    chapter="Compression",
    climbs=True,
)
def compress(
    net: Network,
    *,
    folder: Annotated[
        FolderPath,
        Field(
            description="folder of photographs to measure on; folders in it that are named like"
            " classes are labels",
            json_schema_extra=PATH,
        ),
    ],
    training: Annotated[
        OptionalPath,
        Field(
            description="folder of photographs for calibration and training, which need no labels;"
            " if not given, every second one of the others, which is then not measured on",
            json_schema_extra=PATH,
        ),
    ] = None,
    file: Annotated[
        OptionalPath,
        Field(
            description="file of the compressed network to write, .safetensors",
            json_schema_extra=PATH,
        ),
    ] = None,
    stages: Annotated[
        OptionalPath,
        Field(
            description="folder, which exists, that gets the file of every stage",
            json_schema_extra=PATH,
        ),
    ] = None,
    ratio: Annotated[
        float, Field(gt=1, le=64, description="how many times smaller than in float32 the file is")
    ] = 8.0,
    sparsity: Annotated[float, Field(ge=0, lt=1, description="fraction of weights to prune")] = 0.1,
    clusters: Annotated[
        int | None,
        Field(
            ge=2,
            le=256,
            description="number of different weights in each layer; if not given, as many as the"
            " ratio allows, more for sensitive layers",
        ),
    ] = None,
    start: Annotated[
        Start, Field(description="where k-means begins, if the number of clusters is given")
    ] = "linear",
    steps: Annotated[
        int, Field(ge=0, le=100_000, description="training steps after pruning and after sharing")
    ] = 40,
    batch_size: Annotated[int, Field(ge=1, le=1024, description="photographs in a step")] = 16,
    lr: Annotated[
        float, Field(gt=0, le=1, description="learning rate, in root mean squares of a tensor")
    ] = 3e-5,
    sparsities: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1)], ...],
        Field(
            min_length=1, max_length=20, description="sparsities at which each layer is measured"
        ),
    ] = (0.25, 0.5, 0.75),
    probes: Annotated[
        int, Field(ge=1, le=1000, description="photographs for the sensitivity of layers")
    ] = 25,
    limit: Annotated[
        int, Field(ge=2, le=5000, description="largest number of photographs to measure on")
    ] = 500,
    labeled: Annotated[
        bool, Field(description="whether the names of folders are labels of the photographs")
    ] = True,
    seed: Seed = 0,
) -> Iterator[Frame[CompressSummary]]:
    """The same network in a fraction of its bytes: pruned, with few different weights, and coded.

    Weights near zero are pruned. The others of a layer share a few values, and which of them each
    weight has is entropy-coded; the length of a Huffman code is given beside. Weights that are
    rounded later make up for the errors of those before, as far as photographs show (Frantar et al.
    2023). A layer that minds changes more keeps more weights and more values. This sensitivity is
    measured for one layer at a time: it is the Kullback-Leibler divergence from the answers before,
    for each squared change of a weight. After pruning and after sharing, a short training makes the
    answers more like those before; it needs no labels. In sharing it moves the values, not which of
    them a weight has. Each stage is written to disk, and what comes out of the file is measured.
    `load` reads the file. Departures from the paper: normalizations become a scale and an offset,
    values are evenly spaced if no number of clusters is given, and the code is that of asymmetric
    numeral systems.
    """
    plan = Plan(sparsity, ratio, clusters, start, tuple(sparsities), seed)
    if not weight_names(net.module):
        raise ConvscopeError(f"compress: {net.name} has no weights")
    if file is not None:
        check_replaceable(Path(file), is_compressed)
    measured, known = _photographs(net, Path(folder), training, labeled, limit)
    images = open_image(known.files[0])
    check_scores("compress", net, inputs(net, known.files[:1]), images)
    teaching = None
    if steps:
        crops = Crops(known.files, side(net, net.input_size), seed)
        teaching = Teaching(net, crops, steps, batch_size, lr)
    with _folder(stages) as place:
        work = Compression(
            copy.deepcopy(net.module),
            plan,
            Judge(net.module, inputs(net, known.spread(probes).files), None),
            inputs(net, known.spread(CALIBRATION).files),
            Stages(
                net,
                Judge(net.module, inputs(net, measured.files), measured.classes),
                place,
                {"sparsity": sparsity, "ratio": ratio, "steps": steps, "seed": seed},
            ),
            teaching,
        )
        told = Telling(work, measured, known)
        for number, _ in enumerate(work.run(), 1):
            if number == work.steps and file is not None:
                copied = partial(shutil.copyfile, work.stages.done[-1].file)
                write_file(file, copied, ours=is_compressed)
            yield told.frame(number, file)


def _photographs(
    net: Network, folder: Path, training: Any, labeled: bool, limit: int
) -> tuple[Photographs, Photographs]:
    """The photographs to measure on, and others."""
    every = found_photographs(net, folder, labeled)
    if training is not None:
        return every.spread(limit), found_photographs(net, Path(training), False)
    return every.every_second(1).spread(limit), every.every_second(0)


@contextmanager
def _folder(given: Any) -> Iterator[Path]:
    """The folder of the stages: one that is given, or one that goes."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix="convscope-") as made:
            yield Path(made)
    elif Path(given).is_dir():
        yield Path(given)
    else:
        raise ConvscopeError(f"compress: no folder {given} for the stages")
