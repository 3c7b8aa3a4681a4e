"""A number that stands for a module and its weights."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def digest(module: nn.Module, settings: str) -> str:
    """SHA-256 of a module, its weights and some settings."""
    found = hashlib.sha256(f"{module} {settings}".encode())
    for name, value in module.state_dict().items():
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
