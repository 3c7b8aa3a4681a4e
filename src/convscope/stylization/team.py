"""The processes that train one network together, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Team:
    """Which of how many processes this one is."""

    rank: int = 0
    size: int = 1


def own_device(device: str | torch.device | None) -> torch.device:
    """The device of this process: for a GPU without a number, that of its place on the machine."""
    asked = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if asked.type == "cuda" and asked.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return asked


def own_rank() -> int:
    """The number of this process in the team that torchrun started; 0 alone."""
    return int(os.environ.get("RANK", 0))


@contextmanager
def together(device: torch.device) -> Iterator[Team]:
    """The team that torchrun started; this process alone if torchrun did not start it."""
    if not distributed.is_available() or not distributed.is_torchelastic_launched():
        yield Team()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
