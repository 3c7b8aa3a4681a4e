"""A number that stands for a module and its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def digest(module: nn.Module, settings: str) -> str:
    """SHA-256 of a module, its weights and some settings."""
    found = hashlib.sha256(f"{module} {settings}".encode())
    for name, value in module.state_dict().items():
        for part in _parts(name, value):
            found.update(part)
    return found.hexdigest()


def _parts(name: str, value: object) -> Iterator[bytes]:
    """What a value holds; those of quantized modules are tuples and types beside tensors."""
    if isinstance(value, Tensor):
        yield f"{name} {value.dtype} {tuple(value.shape)}".encode()
        numbers = value.dequantize() if value.is_quantized else value
        yield numbers.cpu().detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, tuple | list):
        for number, inside in enumerate(value):
            yield from _parts(f"{name}.{number}", inside)
    else:
        yield f"{name} {value}".encode()
