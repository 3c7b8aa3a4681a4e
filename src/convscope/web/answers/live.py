"""The camera through a network: predictions, a layer's activations and a map, from one pass."""

from __future__ import annotations

import base64
import binascii
import math
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.attribution import as_maps, ask, gradients_at
from convscope.errors import ConvscopeError
from convscope.files import Encoded, opened_frame, quick_png
from convscope.network import Network, default_layers
from convscope.render import parts
from convscope.web.models import LiveFrame, LiveRequest, Prediction
from convscope.web.panels import fractions
from convscope.web.requests import Place, no_file

STRONGEST = 12  # channels that are named

PIXELS = 300_000  # of a sheet of activations, at most


def live(place: Place, request: LiveRequest) -> LiveFrame:
    """What a network makes of a frame.

    Raises:
        ConvscopeError: the frame cannot be decoded, or there is no such layer, unit or target.
    """
    began = time.perf_counter()
    net, photo = place.networks.get(request.network), frame_of(request.image)
    values, cam = _read(net, photo, request)
    found = Sheet(net, request.layer, values)
    sheet = found.picture()
    overlay = cam if request.overlay == "gradcam" else None
    if request.overlay == "unit":
        overlay = found.unit(request.unit)
    return LiveFrame(
        predictions=_predictions(net, values),
        layer=request.layer,
        channels=len(found.maps),
        columns=found.columns,
        sheet=sheet.text if sheet else None,
        strongest=found.strongest(),
        overlay=overlay,
        box=fractions(net.box(photo), *photo.shape[-2:]),
        milliseconds=1000 * (time.perf_counter() - began),
    )


def _read(
    net: Network, photo: Tensor, request: LiveRequest
) -> tuple[dict[str, Tensor], str | None]:
    """The output and the layer of a request, and the map of Grad-CAM where it is asked for."""
    wanted = [""] if request.layer is None else ["", request.layer]
    if request.overlay != "gradcam":
        return net.read(photo, wanted), None
    question = ask(net, photo, no_file(request.target))
    (layer,) = default_layers.last_maps(net, question.targets)[-1:]
    with torch.enable_grad():
        bound = question.objective.bind(net)
        values, score = bound.read(net, question.inputs, [*wanted, layer], leaves=True)
        (gradient,) = gradients_at(question, score, values, [layer])
    values = {name: value.detach() for name, value in values.items()}
    weights = as_maps(net, gradient, layer).mean((2, 3), keepdim=True)
    heatmap = (weights * as_maps(net, values[layer], layer)).sum(1)[0].relu()
    return values, _encoded(heatmap, float(heatmap.max()))


def _encoded(heatmap: Tensor, high: float) -> str:
    return quick_png(parts.veiled(heatmap.cpu(), high)).text


def _predictions(net: Network, values: dict[str, Tensor]) -> list[Prediction]:
    if net.num_classes is None:
        return []
    return [
        Prediction(index=one.index, name=one.label, probability=one.probability)
        for one in net.name_classes(values[""][0])
    ]


class Sheet:
    """The activations of a layer on one image, channel by channel.

    Attributes:
        maps: (C, h, w); a layer without positions has maps of one pixel.
        columns: of the sheet.
    """

    def __init__(self, net: Network, layer: str | None, values: dict[str, Tensor]) -> None:
        self._layer = layer
        self.maps = torch.zeros(0, 1, 1)
        if layer is not None:
            found = net.by_channel(layer, values[layer])[0].float().cpu()
            found = found.mean(1) if found.dim() == 4 else found  # over slices
            self.maps = found if found.dim() == 3 else found.view(-1, 1, 1)
        self.columns = math.ceil(math.sqrt(len(self.maps)))

    def picture(self) -> Encoded | None:
        """All maps on one scale, row by row."""
        if not len(self.maps):
            return None
        side = max(8, int(math.sqrt(PIXELS / len(self.maps))))
        height, width = (min(side, one) for one in self.maps.shape[-2:])
        shown = F.interpolate(self.maps[:, None], (height, width), mode="area")[:, 0]
        return quick_png(parts.gray_sheet(shown, self.columns))

    def strongest(self) -> list[int]:
        """The channels with the highest activations."""
        highest = self.maps.amax((1, 2))
        found: list[int] = highest.topk(min(STRONGEST, len(highest))).indices.tolist()
        return found

    def unit(self, number: int | None) -> str:
        """The map of a channel, to lay over the image."""
        if number is None or not 0 <= number < len(self.maps):
            raise ConvscopeError(
                f"name one of the {len(self.maps)} channels of {self._layer}, from 0 on"
                if self._layer
                else "name a layer to show one of its channels"
            )
        return _encoded(self.maps[number], float(self.maps.max()))


def frame_of(text: str) -> Tensor:
    """A frame of the camera as (1, 3, H, W).

    Raises:
        ConvscopeError: it is no picture in base64.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConvscopeError("the frame is not in base64") from error
    return opened_frame(data)
