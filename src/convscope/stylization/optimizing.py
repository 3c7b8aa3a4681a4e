"""A photograph drawn in other pictures' styles, from small sizes to large ones, patch by patch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from convscope import tensors
from convscope.ascent import Recipe, climb, doubling_sizes, paste, patches
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.vocabulary.objectives import Bound, Objective, tv
from convscope.vocabulary.optimizers import Optimizer, adam, lbfgs
from convscope.vocabulary.priors import clamp
from convscope.vocabulary.starts import fourier, photo
from convscope.vocabulary.style_losses import StyleLoss

MAX_EVALS = 15  # of the network, in one step of L-BFGS

ROUGHNESS = 2.0  # weight of the total variation, which keeps fine noise out


Place = tuple[slice, slice]


@dataclass(frozen=True)
class Style:
    """A style image (1, 3, H, W), its weight, and a mask (1, 1, H, W) of where it goes."""

    image: Tensor
    weight: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class Method:
    """How every patch is climbed: what is optimized, by what, and for how many evaluations."""

    pixels: bool
    by_lbfgs: bool
    evaluations: int

    @property
    def optimizer(self) -> Optimizer:
        if self.by_lbfgs:
            return lbfgs(max_evals=min(MAX_EVALS, self.evaluations))
        return adam(0.02 if self.pixels else 0.06, lr_decay=0.3 ** (1 / self.evaluations))

    @property
    def steps(self) -> int:
        return -(-self.evaluations // MAX_EVALS) if self.by_lbfgs else self.evaluations


@dataclass(frozen=True)
class Patch:
    """A part of the picture at one of its sizes."""

    size: tuple[int, int]
    place: Place


@dataclass(frozen=True)
class Stroke:
    """One step.

    Attributes:
        step: its number, from 1.
        steps: how many there are.
        picture: the whole picture after it, (1, 3, H, W), at the size so far.
        style, content: the two distances in the loss before it.
        score: minus the loss, (1,).
        patches: in how many pieces the picture is drawn at that size.
    """

    step: int
    steps: int
    picture: Tensor
    style: float
    content: float
    score: Tensor
    patches: int


@dataclass(frozen=True)
class Drawing:
    """What is drawn.

    Attributes:
        net: the network that the loss reads.
        loss: the loss.
        photo: (1, 3, H, W), as large as the picture will be.
        styles: the style images.
        gray: whether only the brightness is drawn, and the colors stay those of the photograph.
        method: how every patch is climbed.
        tile: the longest side of a patch.
        sizes: the largest number of sizes; None for all from `least` on.
        least: the shorter side of the smallest size.
    """

    net: Network
    loss: StyleLoss
    photo: Tensor
    styles: Sequence[Style]
    gray: bool
    method: Method
    tile: int
    sizes: int | None
    least: int

    def plan(self) -> list[Patch]:
        """The patches in the order in which they are drawn.

        Raises:
            ConvscopeError: the network does not take one of them, or no style goes anywhere.
        """
        sizes = doubling_sizes(_size(self.photo), self.least, self.sizes)
        plan = [Patch(size, place) for size in sizes for place in patches(size, self.tile)]
        layers = {*self.loss.style, *self.loss.content}
        for rows, columns in dict.fromkeys(_sides(one.place) for one in plan):
            if not self.net.sizes.takes((rows, columns), layers):
                raise self.net.sizes.refusal((rows, columns), layers)
        plan = [one for one in plan if any(self._reaches(style, one) for style in self.styles)]
        if not plan:
            raise ConvscopeError("the mask is dark everywhere, so there is nothing to draw")
        return plan

    def strokes(self, start: Tensor | None, seed: int) -> Iterator[Stroke]:
        """Draw, from a start (1, 3, h, w) of any size or from the photograph."""
        plan = self.plan()
        canvas = self.photo if start is None else start
        for number, patch in enumerate(plan):
            shown = tensors.resize(self.photo, patch.size).clamp(0, 1)
            canvas = tensors.resize(canvas, patch.size).clamp(0, 1)
            drawn = canvas
            before = _part(canvas, patch.place)
            content = self.loss.of_content(_part(self._seen(shown), patch.place)).bind(self.net)
            recipe = self._recipe(patch, canvas, _Ready(content))
            pieces = sum(one.size == patch.size for one in plan)
            for frame in climb(self.net, recipe, seed + number):
                drawn = paste(canvas, frame.image, patch.place)
                apart = -float(content.score(frame.activations, frame.image))
                rough = ROUGHNESS * float(tensors.total_variation(before) / before.numel())
                before = frame.image
                yield Stroke(
                    step=number * frame.steps + frame.step,
                    steps=len(plan) * frame.steps,
                    picture=self._finished(drawn, shown),
                    style=-float(frame.score) - apart - rough,
                    content=apart,
                    score=frame.score,
                    patches=pieces,
                )
            canvas = drawn

    def _recipe(self, patch: Patch, canvas: Tensor, content: Objective) -> Recipe:
        start, method = _part(canvas, patch.place), self.method
        first, *others = self._terms_of_style(patch)
        return Recipe(
            start=photo(start) if method.pixels else fourier(image=start),
            objective=sum(others, start=first) + content - ROUGHNESS * tv(),
            priors=(clamp(),) if method.pixels else (),
            optimizer=method.optimizer,
            steps=method.steps,
        )

    def _reaches(self, style: Style, patch: Patch) -> bool:
        """Whether a style goes anywhere in a patch."""
        mask = _mask(style, patch)
        return mask is None or bool((mask > 0.01).any())

    def _terms_of_style(self, patch: Patch) -> list[Objective]:
        """What each style image asks of a patch."""
        return [
            style.weight
            * self.loss.of_style(self._fitted(style.image, patch.size), _mask(style, patch))
            for style in self.styles
            if self._reaches(style, patch)
        ]

    def _fitted(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """A style image, reduced until its shorter side is that of the picture."""
        longest = max(image.shape[-2:])
        wanted = min(longest, self.tile, round(longest * min(size) / min(image.shape[-2:])))
        fitted = image if wanted == longest else tensors.longer_side(image, wanted)
        if not self.gray:
            return fitted
        there, here = tensors.luma(fitted), tensors.luma(self.photo)
        spread = here.std() / there.std().clamp_min(1e-6)
        return _as_gray(((there - there.mean()) * spread + here.mean()).clamp(0, 1))

    def _seen(self, image: Tensor) -> Tensor:
        return _as_gray(tensors.luma(image)) if self.gray else image

    def _finished(self, drawn: Tensor, shown: Tensor) -> Tensor:
        """The picture as it is shown: with the photograph's colors, and where the mask is dark."""
        if self.gray:
            drawn = tensors.recolored(tensors.luma(drawn), shown)
        if len(self.styles) > 1 or self.styles[0].mask is None:
            return drawn
        return shown.lerp(drawn, tensors.resize(self.styles[0].mask, _size(shown)).clamp(0, 1))


class _Ready(Objective):
    """An objective that is bound already: its share of the score is asked for after every step."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound

    def bind(self, _net: Network) -> Bound:
        return self.bound


def _mask(style: Style, patch: Patch) -> Tensor | None:
    """Where in a patch a style goes; None for everywhere."""
    if style.mask is None:
        return None
    return _part(tensors.resize(style.mask, patch.size).clamp(0, 1), patch.place)


def _as_gray(brightness: Tensor) -> Tensor:
    return brightness.expand(-1, 3, -1, -1).contiguous()


def _part(image: Tensor, place: Place) -> Tensor:
    return image[..., place[0], place[1]].contiguous()


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _sides(place: Place) -> tuple[int, int]:
    rows, columns = place
    return rows.stop - rows.start, columns.stop - columns.start
