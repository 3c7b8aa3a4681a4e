"""Files of style networks: numbers in safetensors, and in their header what the network is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.files import write_file
from convscope.network import Opened, Stored, open_weights
from convscope.stylization.network import StyleNetwork

SHIPPED = Path(__file__).with_name("many_styles.safetensors")  # comes with the package

KEY = "convscope_styles"  # of the header

LARGEST = 1 << 30  # bytes of a file

StyleName = Annotated[str, Field(min_length=1, max_length=100)]


class Description(BaseModel):
    """What the header says of a style network.

    Attributes:
        styles: the names of the styles, in the order of their rows.
        channels: as in `StyleNetwork`.
        blocks: as in `StyleNetwork`.
        made: where the numbers come from: the loss, its network, the photographs, the steps.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    styles: Annotated[tuple[StyleName, ...], Field(min_length=1, max_length=10_000)]
    channels: Annotated[int, Field(ge=1, le=512)]
    blocks: Annotated[int, Field(ge=0, le=64)]
    made: dict[str, Any] = {}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.styles)) < len(self.styles):
            raise ValueError("a style is there twice")
        return self


def save_styles(path: str | os.PathLike[str], net: StyleNetwork, made: Mapping[str, Any]) -> Path:
    """Write a style network as safetensors, in float16.

    Args:
        path: the file.
        net: the network.
        made: where its numbers come from, for the header.

    Raises:
        ConvscopeError: the file cannot be written, or another file is there.
    """
    from safetensors.torch import save

    about = Description(
        styles=net.styles, channels=net.channels, blocks=net.blocks, made=dict(made)
    )
    numbers = {name: value.detach().half().contiguous() for name, value in net.state_dict().items()}
    content = save(numbers, {KEY: about.model_dump_json()})
    return write_file(path, lambda file: file.write_bytes(content), ours=is_style_file)


def is_style_file(path: Path) -> bool:
    """Whether a file is one of `save_styles`."""
    return describe(path) is not None


def describe(path: str | os.PathLike[str]) -> Description:
    """What the header of a style network says.

    Raises:
        ConvscopeError: the file is not there, is damaged, or is something else.
    """
    return _opened(Path(path))[0]


def open_styles(path: str | os.PathLike[str] = SHIPPED) -> tuple[StyleNetwork, Description]:
    """Read a style network.

    Args:
        path: the file; the network that comes with the package if not given.

    Returns:
        The network in float32, ready to draw, and what its header says.

    Raises:
        ConvscopeError: the file is not there, is damaged, or is something else.
    """
    path = Path(path)
    about, stored, opened = _opened(path)
    with torch.device("meta"):
        net = StyleNetwork(about.styles, about.channels, about.blocks)
    wanted = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    if wanted != {name: one.shape for name, one in stored.items()}:
        raise ConvscopeError(f"{path.name} is damaged: its numbers are not those of its styles")
    names = {one.storage: name for name, one in stored.items()}
    found: dict[str, Tensor] = {}
    for storage, data in opened.read(list(names)):
        found[names[storage]] = stored[names[storage]].read(data).float()
    if not all(value.isfinite().all() for value in found.values()):
        raise ConvscopeError(f"{path.name} is damaged: it has numbers that are not finite")
    net.load_state_dict(found, assign=True)
    return net.eval().requires_grad_(False), about


def _opened(path: Path) -> tuple[Description, dict[str, Stored], Opened]:
    """What a file's header says, its tensors by name, and the file."""
    opened = open_weights(path)
    values = opened.values if isinstance(opened.values, dict) else {}
    header = values.pop("__metadata__", {})
    if not isinstance(header, dict) or KEY not in header:
        raise ConvscopeError(f"{path.name} is no style network: `convscope train_style` makes them")
    if path.stat().st_size > LARGEST:
        raise ConvscopeError(f"{path.name} is damaged: it is far too large")
    try:
        about = Description.model_validate(json.loads(header[KEY]))
    except (ValueError, ValidationError, RecursionError) as error:
        raise ConvscopeError(f"{path.name} is damaged: its header says nothing usable") from error
    if not all(isinstance(one, Stored) and one.dtype == torch.float16 for one in values.values()):
        raise ConvscopeError(f"{path.name} is damaged: its numbers are not in float16")
    return about, values, opened
