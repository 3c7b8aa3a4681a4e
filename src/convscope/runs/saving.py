"""A run is followed to its end and written to a file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.files import save_pictures
from convscope.runs.result import Result

ANIMATIONS = (".gif", ".webp", ".mp4")


def save_run(results: Iterable[Result], path: str | os.PathLike[str], limit: int = 60) -> Path:
    """Follow a run to its end and write it.

    Args:
        results: the results of all steps.
        path: the file. An .mp4 holds every step, a .gif or .webp at most `limit` of them, any other
            format the last one.
        limit: the largest number of steps in a .gif or .webp.

    Returns:
        The file that was written.

    Raises:
        ConvscopeError: there is no result, or the file cannot be written.
    """
    ending = Path(path).suffix.lower()
    animated = ending in ANIMATIONS
    last = None
    pictures = []
    for last in results:
        every = 1 if ending == ".mp4" else math.ceil(max(1, last.steps - 1) / max(1, limit - 1))
        if animated and (last.step == 1 or (last.steps - last.step) % every == 0):
            pictures.append(last.picture)
    if last is None:
        raise ConvscopeError("the run gave no frame")
    if not animated:
        return last.save(path)
    if last.step < last.steps:
        pictures.append(last.picture)  # the animation was stopped early
    return save_pictures(path, pictures, last.provenance)
