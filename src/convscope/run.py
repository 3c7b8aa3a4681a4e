"""A run of a technique: live frames, the result, and what to do with either."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convscope import __version__, checkpoint, images, render
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.types import Frame

Array = np.ndarray[Any, np.dtype[Any]]
ANIMATIONS = (".gif", ".webp", ".mp4")


class Result:
    """One frame as NumPy arrays and pictures.

    For a single image the leading batch axis is dropped, but for `image`.
    """

    def __init__(self, frame: Frame, recipe: Mapping[str, object]) -> None:
        self._frame = frame
        self.recipe = recipe

    def __repr__(self) -> str:
        frame = self._frame
        fields = ("image", "gradient", "heatmap", "score", *frame.arrays)
        held = [name for name in fields if getattr(frame, name, frame.arrays.get(name)) is not None]
        return f"<Result of {self.recipe['technique']}, step {self.step}/{self.steps}: {held}>"

    @property
    def step(self) -> int:
        """Which step this is; the first is 1."""
        return self._frame.step

    @property
    def steps(self) -> int:
        """How many steps the run has."""
        return self._frame.steps

    @property
    def image(self) -> Array | None:
        """(N, H, W, 3), RGB in [0, 1]."""
        image = self._frame.image
        return None if image is None else _array(image.permute(0, 2, 3, 1))

    @property
    def gradient(self) -> Array | None:
        """(3, H, W): of the score, by the pixels that the network saw."""
        return _one(self._frame.gradient)

    @property
    def heatmap(self) -> Array | None:
        """(H, W), in units of the score, over the pixels that the network saw."""
        return _one(self._frame.heatmap)

    @property
    def score(self) -> float | Array | None:
        """What the network gave the target."""
        score = self._frame.score
        if score is None:
            return None
        return float(score) if score.numel() == 1 else _array(score)

    @property
    def arrays(self) -> dict[str, Array]:
        """What has no name of its own, as (activations, say) its technique documents."""
        return {name: _array(value) for name, value in self._frame.arrays.items()}

    @property
    def figures(self) -> Mapping[str, object]:
        """The numbers and names that a person would quote."""
        return self._frame.figures

    @cached_property
    def picture(self) -> Image.Image:
        """The frame drawn: the image itself where it is nothing but an image, else a figure."""
        return render.draw(self._frame.panels)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, with its recipe, all or nothing. The ending chooses the format."""
        return images.save_pictures(path, [self.picture], self.recipe)

    def show(self) -> None:
        """Open the picture in the system's viewer, or below the cell in a notebook."""
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            self.picture.show()
            return
        if get_ipython() is None:
            self.picture.show()
        else:
            display(self)

    def _repr_html_(self) -> str:
        buffer = io.BytesIO()
        self.picture.save(buffer, "PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        name = self.recipe["technique"]
        return f'<img alt="{name}" style="max-width:100%" src="data:image/png;base64,{data}">'


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
        self.recipe: Mapping[str, object] = {
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
            result = Result(frame, self.recipe)
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
        found = {part: self.recipe[part] for part in parts}
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
        place = checkpoint.beside(Path(path))
        with checkpoint.keeping(place, self.identity, resume=True) as kept:
            written = self.save(path)
            kept.clear()
        return written

    def show(self) -> None:
        """Show the result."""
        self.result().show()

    def _repr_html_(self) -> str:
        return self.result()._repr_html_()


def save_run(results: Iterable[Result], path: str | os.PathLike[str], most: int = 60) -> Path:
    """Follow a run to its end and write it: the last frame, an animation of at most `most`, or a
    film (.mp4) of all."""
    ending = Path(path).suffix.lower()
    animated = ending in ANIMATIONS
    last = None
    pictures = []
    for last in results:
        every = 1 if ending == ".mp4" else math.ceil(max(1, last.steps - 1) / max(1, most - 1))
        if animated and (last.step == 1 or (last.steps - last.step) % every == 0):
            pictures.append(last.picture)
    if last is None:
        raise ConvscopeError("the run gave no frame")
    if not animated or last.step < last.steps:
        pictures.append(last.picture)  # also of an animation that was broken off
    return images.save_pictures(path, pictures, last.recipe)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(_array(tensor).tobytes()).hexdigest()


def _one(tensor: Tensor | None) -> Array | None:
    if tensor is None:
        return None
    return _array(tensor[0] if len(tensor) == 1 else tensor)
