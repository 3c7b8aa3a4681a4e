"""Where a network runs."""

from __future__ import annotations

import torch
from torch import nn

from convscope.errors import ConvscopeError


def as_device(device: str | torch.device | None, module: nn.Module) -> torch.device:
    """A device by its name; the module's own where none is given.

    Raises:
        ConvscopeError: there is no such device.
    """
    if device is None:
        first = next(module.parameters(), None)
        return torch.device("cpu") if first is None else first.device
    try:
        wanted = torch.device(device)
        torch.empty(1, device=wanted).item()  # fails for "meta", which holds no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConvscopeError(f"device {str(device)!r} cannot be used here; try cpu") from error
    return wanted
