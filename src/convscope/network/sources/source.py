"""How a network was loaded, as pictures and indexes carry it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from convscope.errors import ConvscopeError


class Source(BaseModel):
    """What `load` was asked for, and the SHA-256 of the checkpoint."""

    name: str
    pretrained: bool = True
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    labels: list[str] | None = None
    mean: tuple[float, ...] | float | None = None
    std: tuple[float, ...] | float | None = None
    input_size: tuple[int, int] | None = None
    crop: float | None = None
    interpolation: str | None = None


def arguments(source: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `load` that make a network again, from its attribute `source`.

    Raises:
        ConvscopeError: it is no such record.
    """
    try:
        known = Source.model_validate(source)
    except ValidationError as error:
        raise ConvscopeError(
            "the record of the network is damaged; name it with --model"
        ) from error
    return known.model_dump(exclude={"checkpoint_sha256"}, exclude_none=True)
