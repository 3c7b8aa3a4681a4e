"""How a network is pickled: as its module, on the CPU."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from convscope.errors import ConvscopeError, first_line
from convscope.network._torchvision import torchvision
from convscope.network.prepared.copying import copied

N = TypeVar("N")


def pickled(module: nn.Module) -> tuple[bytes, bool]:
    """The module as bytes, and whether torchvision must be imported before they are read."""
    plain = copied(module, {}, []).cpu()
    packages = {type(part).__module__.partition(".")[0] for part in plain.modules()}
    needed = not packages.isdisjoint({"timm", "torchvision"})
    try:
        return pickle.dumps(plain), needed
    except Exception as error:  # the module's own values may raise anything
        name = type(module).__name__
        raise ConvscopeError(
            f"{name} cannot be pickled ({first_line(error)}); use no other processes (workers=0)"
        ) from error


def unpickled(
    make: Callable[..., N],
    module: bytes,
    torchvision_needed: bool,
    settings: Mapping[str, Any],
    loaded: Mapping[str, object],
) -> N:
    """The network that `make` makes of the module, which is prepared again."""
    if torchvision_needed:
        torchvision()
    net = make(pickle.loads(module), **settings)
    for name, value in loaded.items():
        setattr(net, name, value)
    return net
