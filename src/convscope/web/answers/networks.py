"""What a network says about an image, and what it is made of."""

from __future__ import annotations

from convscope.errors import ConvscopeError
from convscope.files import open_image
from convscope.network import Network
from convscope.web.messages import Source
from convscope.web.models import ClassInfo, Prediction
from convscope.web.requests import Place


def predictions(place: Place, network: str | None, image: Source) -> list[Prediction]:
    """The most probable classes of a photograph.

    Raises:
        ConvscopeError: the network gives no class scores, or the photograph cannot be opened.
    """
    found = place.networks.get(network).predict(open_image(image))
    return [
        Prediction(index=one.index, name=one.label, probability=one.probability) for one in found
    ]


def classes(
    place: Place, network: str | None, search: str = "", limit: int = 20
) -> list[ClassInfo]:
    """The classes whose name or number has a text in it; those that begin with it come first."""
    net, text = place.networks.get(network), search.strip().lower()
    names = _names(net)
    found = [
        (not label.lower().startswith(text), index, label)
        for index, label in enumerate(names)
        if text in label.lower() or text == str(index)
    ]
    return [ClassInfo(index=index, name=label) for _, index, label in sorted(found)[:limit]]


def _names(net: Network) -> list[str]:
    if net.num_classes is None:
        raise ConvscopeError(f"{net.name} has no classes")
    return [net.label(index) for index in range(net.num_classes)]
