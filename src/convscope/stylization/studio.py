"""One style network at work: a style, a blend, every style, a fade, a mask."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.runs import opened_mask
from convscope.stylization.checkpoint import SHIPPED, open_styles
from convscope.stylization.drawing import draw

SOFT = 0.01  # blur of a mask, as a fraction of the longer side


def as_texts(value: object) -> object:
    """Styles as texts: "wave", or "wave=0.7" in a blend."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(f"{name}={weight!r}" for name, weight in value.items())
    return value


# What a caller may write, and the tuple that the technique gets.
if TYPE_CHECKING:
    Styles = str | Sequence[str] | Mapping[str, float] | None
else:
    Styles = Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...] | None, BeforeValidator(as_texts)
    ]


Blend: TypeAlias = Mapping[str, float]


class Studio:
    """A style network, and the styles in which something is drawn.

    Args:
        style: the style; None for all.
        fade_to: the style at the end of a strip or a video.
        mask: where the style goes, white in an image of the same size; everywhere if not given.
        outside: the style where the mask is black.
        checkpoint: the file of the network; the one that comes with the package if not given.

    Raises:
        ConvscopeError: the file is no style network, there is no style of a name, weights are
            negative or all 0, or one of the others is missing.
    """

    def __init__(
        self,
        style: Styles,
        fade_to: Styles,
        mask: str | Tensor | None,
        outside: Styles,
        checkpoint: str | None,
    ) -> None:
        self._net, _ = open_styles(SHIPPED if checkpoint is None else checkpoint)
        if outside is not None and mask is None:
            raise ConvscopeError("a style outside of a mask needs a mask")
        if fade_to is not None and style is None:
            raise ConvscopeError("name the style that the pictures fade from")
        self._first = None if style is None else self._blend(style)
        self._last = self._first if fade_to is None else self._blend(fade_to)
        self._outside = None if outside is None else self._blend(outside)
        self._mask = mask

    def _blend(self, styles: Styles) -> Blend:
        blend = _shares(styles)
        self._net.weights(blend)  # refuses names that it does not know
        return blend

    def sheet(self, names: Styles) -> list[Blend]:
        """Each of the styles alone; None for all of them."""
        chosen = self._net.styles if names is None else cast(Sequence[str], as_texts(names))
        if not chosen:
            raise ConvscopeError("name at least one style for the sheet")
        return [self._blend(name) for name in chosen]

    def strip(self, pictures: int) -> list[Blend]:
        """The blends from the first to the last; one, where they are the same."""
        count = 1 if self._last is self._first else pictures
        return [self.between(number / max(1, count - 1)) for number in range(count)]

    def between(self, place: float) -> Blend:
        """The first blend at 0, the last one at 1."""
        assert self._first is not None and self._last is not None
        if self._last is self._first or place == 0:
            return self._first
        if place == 1:
            return self._last
        names = dict.fromkeys((*self._first, *self._last))
        return {
            name: (1 - place) * self._first.get(name, 0) + place * self._last.get(name, 0)
            for name in names
        }

    def draw(self, photo: Tensor, blend: Blend) -> Tensor:
        """A photograph (1, 3, H, W) in a blend; where the mask is black, what is to be there."""
        drawn = draw(self._net, photo, self._net.weights(blend))
        if self._mask is None:
            return drawn
        mask = opened_mask(self._mask, *photo.shape[-2:])
        mask = tensors.blur(mask, SOFT * max(mask.shape))
        around = photo
        if self._outside is not None:
            around = draw(self._net, photo, self._net.weights(self._outside))
        return torch.lerp(around, drawn, mask)


def _shares(styles: Styles) -> dict[str, float]:
    """The share of each style; they add up to 1."""
    found: dict[str, float] = {}
    for text in cast(Sequence[str], as_texts(styles)):
        name, equals, number = text.rpartition("=")
        name, weight = (name, _weight(name, number)) if equals else (text, 1.0)
        found[name] = found.get(name, 0.0) + weight
    total = math.fsum(found.values())
    if not (total > 0 and math.isfinite(total)):
        raise ConvscopeError("the weights of a blend are all 0; give one that is above 0")
    return {name: weight / total for name, weight in found.items()}


def _weight(name: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 1e6:  # also false for NaN
        raise ConvscopeError(
            f"the weight of {name} must be a number from 0 on, as in {name}=0.7, not {number!r}"
        )
    return weight
