"""TODO."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from PIL import Image
from torch import Tensor

from convscope.files import pictures
from convscope.render import draw
from convscope.types import Array, Frame


class Result:
    """One frame as NumPy arrays and pictures.

    For a single image the leading batch axis is dropped, but for `image`.
    """

    def __init__(self, frame: Frame, provenance: Mapping[str, object]) -> None:
        self._frame = frame
        self.provenance = provenance

    def __repr__(self) -> str:
        frame = self._frame
        fields = ("image", "gradient", "heatmap", "score", *frame.arrays)
        held = [name for name in fields if getattr(frame, name, frame.arrays.get(name)) is not None]
        return f"<Result of {self.provenance['technique']}, step {self.step}/{self.steps}: {held}>"

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
        return None if image is None else as_array(image.permute(0, 2, 3, 1))

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
        return float(score) if score.numel() == 1 else as_array(score)

    @property
    def arrays(self) -> dict[str, Array]:
        """What has no name of its own, as (activations, say) its technique documents."""
        return {name: as_array(value) for name, value in self._frame.arrays.items()}

    @property
    def summary(self) -> Mapping[str, object]:
        """The numbers and names that a person would quote."""
        return self._frame.summary

    @cached_property
    def picture(self) -> Image.Image:
        """The frame drawn: the image itself where it is nothing but an image, else a figure."""
        return draw(self._frame.panels)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, with its recipe, all or nothing. The ending chooses the format."""
        return pictures.save_pictures(path, [self.picture], self.provenance)

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
        name = self.provenance["technique"]
        return f'<img alt="{name}" style="max-width:100%" src="data:image/png;base64,{data}">'


def as_array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


def _one(tensor: Tensor | None) -> Array | None:
    if tensor is None:
        return None
    return as_array(tensor[0] if len(tensor) == 1 else tensor)
