"""TODO."""

from __future__ import annotations

import os

from convscope.collection.engines.engine import Engine
from convscope.collection.engines.plain import Plain
from convscope.collection.engines.ray import OnRay
from convscope.errors import ConvscopeError


def make(
    name: str, workers: int | None, actors: int | None, address: str | None, device: str
) -> Engine:
    """The engine of that name. In this process one of two processors decodes by default."""
    if name == "ray":
        return OnRay(address, actors, 1 if device == "cuda" else 0, workers or 0)
    if actors is not None or address is not None:
        raise ConvscopeError("actors and an address are for the engine ray")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Plain(min(8, (cores or 1) // 2) if workers is None else workers)
