"""Options that several attacks share: type, bounds and description of each."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from convscope.files import photographs
from convscope.runs import Targets, absolute_path
from convscope.vocabulary.norms import NormName

Label = Annotated[
    Targets | None,
    Field(
        description="class that the network is to get away from; for several images, one of each;"
        " the top class if not given"
    ),
]


Goal = Annotated[
    Targets | None,
    Field(
        description="class that the network is to say; for several images, one of each; any class"
        " but the label if not given"
    ),
]


NormOption = Annotated[
    NormName,
    Field(description="how the change is measured: by its largest pixel (inf) or by L2"),
]


StepSize = Annotated[
    float, Field(gt=0, le=2, description="size of a step, as a fraction of epsilon")
]


Limit = Annotated[
    int,
    Field(ge=1, le=10_000, description="largest number of photographs; of more, a random choice"),
]


if TYPE_CHECKING:
    Folder = str | Path
else:
    Folder = Annotated[
        str,
        BeforeValidator(absolute_path),
        Field(description="folder of photographs", json_schema_extra={"format": "path"}),
    ]


def in_random_order(folder: Folder) -> list[Path]:
    """The photographs in a folder, in a random order that is always the same.

    The first ones are then not all of the same class where a folder has one folder for each.
    """
    files = list(photographs(Path(folder)))
    random.Random(0).shuffle(files)
    return files
