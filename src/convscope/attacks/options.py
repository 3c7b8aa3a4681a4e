"""Options that several attacks share: type, bounds and description of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from convscope.runs import Targets

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
