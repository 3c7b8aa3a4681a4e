"""A run of a technique: live frames, the result, and what to do with either."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from convscope import __version__
from convscope.ascent import resume_files
from convscope.errors import ConvscopeError
from convscope.files import images, save_pictures
from convscope.network import Network
from convscope.runs.result import Result, as_array
from convscope.types import Frame

ANIMATIONS = (".gif", ".webp", ".mp4")


class Run:
    """A technique with everything it needs. Iterate for live frames, or ask for the result.

    Every iteration begins anew, and with the same seed goes the same way.
    """

    def __init__(
        self,
        technique: str,
        begin: Callable[[], Iterator[Frame]],
        net: Network,
        image: Tensor | None,
        parameters: Mapping[str, object],
        checked: int | None = None,
    ) -> None:
        self.technique = technique
        self.net, self.image, self.parameters = net, image, parameters
        self.frames = begin
        self._result: Result | None = None
        source = None if image is None else images.source(image)
        self.provenance: Mapping[str, object] = {
            "convscope": __version__,
            "torch": torch.__version__,
            "technique": technique,
            "parameters": dict(parameters),
            "checked": checked,
            "network": dict(net.source) if net.source else {"name": net.name, "own": True},
            "device": str(net.device),
            "image": None if source is None else dict(source),
            "takes_image": image is not None,
        }

    def __repr__(self) -> str:
        return f"<Run of {self.technique}: iterate for live frames, or .result()>"

    def __iter__(self) -> Iterator[Result]:
        result = None
        for frame in self.frames():
            result = Result(frame, self.provenance)
            yield result
        self._result = result

    def result(self) -> Result:
        """The last frame; runs to the end if it has not yet."""
        if self._result is None:
            for _ in self:
                pass
        if self._result is None:
            raise ConvscopeError(f"{self.technique} gave no frame")
        return self._result

    @property
    def identity(self) -> Mapping[str, object]:
        """What tells this run from others, whatever the device and the versions."""
        parts = ("technique", "parameters", "checked", "network", "image")
        found = {part: self.provenance[part] for part in parts}
        if self.image is not None and found["image"] is None:
            found["image"] = _digest(self.image)
        found["parameters"] = {
            word: _digest(value) if isinstance(value, Tensor) else value
            for word, value in self.parameters.items()
        }
        return found

    def save(self, path: str | os.PathLike[str], *, resume: bool = False) -> Path:
        """Write the result, or the whole run where the path ends in .gif, .webp or .mp4.

        With `resume`, climbs are kept in PATH.resume while they run: should they be stopped, the
        same call goes on with them.
        """
        animated = Path(path).suffix.lower() in ANIMATIONS
        if not resume:
            return save_run(self if animated else [self.result()], path)
        place = resume_files.folder_for(Path(path))
        with resume_files.resumable(place, self.identity, resume=True) as kept:
            written = self.save(path)
            kept.clear()
        return written

    def show(self) -> None:
        """Show the result."""
        self.result().show()

    def _repr_html_(self) -> str:
        return self.result()._repr_html_()


def save_run(results: Iterable[Result], path: str | os.PathLike[str], limit: int = 60) -> Path:
    """Follow a run to its end and write it: the last frame, an animation of at most `limit`, or a
    film (.mp4) of all."""
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
    if not animated or last.step < last.steps:
        pictures.append(last.picture)  # also of an animation that was broken off
    return save_pictures(path, pictures, last.provenance)


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(as_array(tensor).tobytes()).hexdigest()
