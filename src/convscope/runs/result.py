"""What a step of a run gives its user: NumPy arrays, a summary, panels and a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, cast

from PIL import Image
from torch import Tensor

from convscope.files import encoded
from convscope.notebook import in_notebook, show
from convscope.render import Artist, SomeAxes, draw, draw_on
from convscope.runs.exporting import save_result
from convscope.types import (
    Array,
    Ascent,
    Frame,
    GradientHeatmapFrame,
    HeatmapFrame,
    ImageFrame,
    Panel,
    Summary,
)


class Result(Generic[Summary]):
    """One step of a run, as NumPy arrays and as a picture.

    Arrays of a single image have no batch dimension, except `image`. What a technique does not
    give is None.

    Attributes:
        frame: what the technique gave, with tensors where the result has arrays.
        provenance: what is needed to make this result again; every saved picture carries it.
    """

    def __init__(self, frame: Frame[Any], provenance: Mapping[str, object]) -> None:
        self.frame = frame
        self.provenance = provenance

    def __repr__(self) -> str:
        frame = self.frame
        fields = ("image", "gradient", "heatmap", "score", *frame.arrays)
        held = [name for name in fields if getattr(frame, name, frame.arrays.get(name)) is not None]
        return f"<Result of {self.provenance['technique']}, step {self.step}/{self.steps}: {held}>"

    @property
    def step(self) -> int:
        """The number of this step; the first is 1."""
        return self.frame.step

    @property
    def steps(self) -> int:
        """How many steps the run has."""
        return self.frame.steps

    @property
    def image(self) -> Array | None:
        """The image, (N, H, W, 3), RGB in [0, 1]."""
        image = self.frame.image
        return None if image is None else as_array(image.permute(0, 2, 3, 1))

    @property
    def gradient(self) -> Array | None:
        """The gradient of the score by the pixels of the network's input, (3, H, W)."""
        return _one(self.frame.gradient)

    @property
    def heatmap(self) -> Array | None:
        """The heatmap over the pixels of the network's input, (H, W), in units of the score."""
        return _one(self.frame.heatmap)

    @property
    def score(self) -> float | Array | None:
        """What the network gives the target: a number, or an array (N,) for several images."""
        score = self.frame.score
        if score is None:
            return None
        return float(score) if score.numel() == 1 else as_array(score)

    @property
    def arrays(self) -> dict[str, Array]:
        """Further arrays by name; each technique documents its own."""
        return {name: as_array(value) for name, value in self.frame.arrays.items()}

    @property
    def table(self) -> Sequence[Mapping[str, Any]]:
        """Rows for a .csv file, if there are more than the summary has."""
        return self.frame.table

    @property
    def summary(self) -> Summary:
        """The numbers and names that a person would quote, as plain Python values by name.

        Most values of several images are lists with one entry for each image.
        """
        return cast(Summary, self.frame.summary)

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The parts of the picture, in order, each with the tensors that it shows."""
        return self.frame.panels

    @cached_property
    def picture(self) -> Image.Image:
        """The panels, drawn: the image alone if it is the only panel, else a figure."""
        return draw(self.panels)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, a figure for a paper, or the arrays; the file carries its provenance.

        Args:
            path: the file. Its ending chooses the format: a picture (.png, .jpg, .webp, .gif), a
                figure with text as vectors and images with all their pixels (.pdf, .svg), all
                arrays by name (.npz), or the main one (.npy).

        Returns:
            The file that was written.

        Raises:
            ConvscopeError: the format is unknown or the arrays do not fit it, or the file cannot be
                written, is the photograph, or exists and was not made by convscope. An existing
                file stays as it was.
        """
        return save_result(self, Path(path))

    def draw(
        self, axes: SomeAxes, *, panel: int | str | None = None, colorbar: bool = True
    ) -> list[Artist]:
        """Draw panels on matplotlib axes, each with its caption as title.

            figure, axes = plt.subplots(1, 2)
            cs.saliency(net, image).result().draw(axes[0])

        A heatmap over a photograph is in pixels of the photograph.

        Args:
            axes: one `Axes`, or many (an array or a list): one for each panel.
            panel: the only panel to draw, by its number in `panels` or by words of its caption. On
                one `Axes` it is by default the first heatmap, or else the first panel.
            colorbar: whether a heatmap gets a color bar beside its axes.

        Returns:
            The artists that were added to the axes.

        Raises:
            ConvscopeError: there is no such panel, or there are fewer axes than panels.
        """
        return draw_on(axes, self.panels, panel, colorbar)

    def show(self) -> None:
        """Show the picture below the cell of a notebook, or in the system's viewer."""
        if in_notebook():
            show(self)
        else:
            self.picture.show()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """What a notebook shows: the picture, in at most 300 kB, and how it is called there."""
        if not self.panels:
            return {"text/plain": repr(self)}, {}
        picture = encoded(self.picture)
        alt = f"{self.provenance['technique']}, step {self.step} of {self.steps}"
        shown = {picture.media_type: picture.text, "text/plain": repr(self)}
        return shown, {picture.media_type: {"alt": alt}}


class ImageResult(Result[Summary]):
    """A result that always has an image and a score."""

    if TYPE_CHECKING:

        @property
        def image(self) -> Array: ...

        @property
        def score(self) -> float | Array: ...


class AscentResult(ImageResult[Summary]):
    """A result that always has an image, a gradient and a score."""

    if TYPE_CHECKING:

        @property
        def gradient(self) -> Array: ...


class HeatmapResult(ImageResult[Summary]):
    """A result that always has an image, a heatmap and a score."""

    if TYPE_CHECKING:

        @property
        def heatmap(self) -> Array: ...


class GradientHeatmapResult(AscentResult[Summary], HeatmapResult[Summary]):
    """A result that always has an image, a gradient, a heatmap and a score."""


# The narrowest first.
RESULTS: Mapping[type[Frame[Any]], type[Result[Any]]] = {
    GradientHeatmapFrame: GradientHeatmapResult,
    HeatmapFrame: HeatmapResult,
    Ascent: AscentResult,
    ImageFrame: ImageResult,
    Frame: Result,
}


def result_of(frame: Frame[Any], provenance: Mapping[str, object]) -> Result[Any]:
    """The result that promises what the frame promises."""
    kind = next(kind for kind in RESULTS if isinstance(frame, kind))
    return RESULTS[kind](frame, provenance)


def as_array(tensor: Tensor) -> Array:
    """The same numbers as a NumPy array."""
    array: Array = tensor.detach().cpu().numpy()
    return array


def _one(tensor: Tensor | None) -> Array | None:
    if tensor is None:
        return None
    return as_array(tensor[0] if len(tensor) == 1 else tensor)
