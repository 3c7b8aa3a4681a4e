"""The styles of the network that comes with convscope, on a photograph or a frame of a camera."""

from __future__ import annotations

import time
from functools import cache

from convscope import tensors
from convscope.errors import ConvscopeError
from convscope.files import open_image, preview
from convscope.render import parts
from convscope.stylization import SMALLEST, StyleNetwork, draw, open_styles
from convscope.web.answers.live import frame_of
from convscope.web.messages import Source
from convscope.web.models import StyleInfo, StylizedFrame, StylizeRequest
from convscope.web.requests import Place


@cache
def _network() -> StyleNetwork:
    return open_styles()[0]


def styles(_place: Place) -> list[StyleInfo]:
    """The styles by name."""
    return [StyleInfo(name=name, title=_title(name)) for name in _network().styles]


def _title(name: str) -> str:
    """A name as a title: Roman numerals are capitals."""
    first, *others = name.split("_")
    words = [word.upper() if set(word) <= set("ivx") else word for word in others]
    return " ".join([first.capitalize(), *words])


def stylize(_place: Place, request: StylizeRequest, image: Source | None) -> StylizedFrame:
    """A frame, or an image, in a blend of styles.

    Raises:
        ConvscopeError: there is no such style, or the frame cannot be decoded.
    """
    began = time.perf_counter()
    photo = frame_of(request.frame or "") if image is None else open_image(image)
    total = sum(request.styles.values())
    if total <= 0 or min(request.styles.values()) < 0:
        raise ConvscopeError("give at least one style a weight above 0")
    net = _network()
    weights = net.weights({name: weight / total for name, weight in request.styles.items()})
    drawn = draw(net, tensors.longer_side(photo, request.size, least=SMALLEST), weights)
    picture = preview(parts.rgb_picture(drawn[0]), request.size)
    return StylizedFrame(picture=picture.text, milliseconds=1000 * (time.perf_counter() - began))
