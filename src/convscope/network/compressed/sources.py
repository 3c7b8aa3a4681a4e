"""The network that the file of a compressed network says it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from convscope.errors import ConvscopeError, short
from convscope.network.checkpoints.files import open_weights
from convscope.network.checkpoints.stored import Damaged
from convscope.network.compressed.files import describe
from convscope.network.sources.own_code import runs_code
from convscope.network.sources.source import arguments


class Compressed(NamedTuple):
    """The name of the network that was compressed, and its settings, as arguments of `load`."""

    name: str
    settings: Mapping[str, Any]


def compressed_network(path: str) -> Compressed | None:
    """What the file of a compressed network holds; None for any other name.

    Raises:
        ConvscopeError: the file is damaged, or its network is somebody's own code.
    """
    file = Path(path)
    if file.suffix != ".safetensors" or not file.is_file():
        return None
    try:
        about = describe(file)
    except Damaged as error:
        raise ConvscopeError(f"{file.name} is no compressed network: {error}") from error
    if about is None:
        open_weights(file)  # fails if it is damaged
        return None
    known = {} if about.source is None else arguments(about.source)
    name = known.pop("name", "")
    if not name or runs_code(name):
        code = f" ({short(name)})" if name else ""
        raise ConvscopeError(
            f"{file.name} holds the weights of a network of somebody's own code{code}: give that"
            " code as the network, and this file as its checkpoint"
        )
    return Compressed(
        name, {k: v for k, v in known.items() if k not in ("pretrained", "checkpoint")}
    )
