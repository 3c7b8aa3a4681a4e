"""Class activation maps, which read the evidence off the classifier's own weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.attribution import (
    BatchSize,
    LayerMapSummary,
    Upsampling,
    as_maps,
    ask,
    layer_map_frame,
)
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.runs import TargetNames, technique
from convscope.system import batched
from convscope.types import HeatmapFrame, ImageFrame, Target


@technique(
    title="Class activation map",
    paper="Zhou, Khosla, Lapedriza, Oliva and Torralba 2016",
    url="https://arxiv.org/abs/1512.04150",
    chapter="Which pixels matter",
    attribution=True,
)
def cam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    upsampling: Upsampling = "bicubic",
    batch_size: BatchSize = 16,
) -> Iterator[HeatmapFrame[LayerMapSummary]]:
    """Where in the image the evidence for a class is, computed from the weights of the classifier.

    In a network that averages its last feature maps over the image and multiplies the means by one
    matrix, the score is a sum over places. Red places add to it and blue ones subtract; the mean
    of the map plus the bias of the class is the score. A network may also average class scores of
    single places: these are the map then, and its mean is the score. Networks with another head
    are refused; use Grad-CAM for them.
    """
    if net.num_classes and net.output.is_map:
        raise ConvscopeError(f"{net.name} gives class scores at each place; use gradcam")
    question = ask(net, image, target).resolved()
    classes = torch.tensor([_class_index(one) for one in question.targets], device=net.device)
    averaged = default_layers.score_maps(net)
    layer = averaged or default_layers.last_maps(net)[-1]
    read = _averaged if averaged else _weighted

    def work(part: slice) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            values = net.activations(question.inputs[part], {layer, ""})
        maps, logits = as_maps(net, values[layer], layer), values[""]
        found = read(net, layer, maps, logits, classes[part])
        if found is None:
            raise ConvscopeError(
                f"{net.name} does not classify by the mean of {layer!r} alone; use gradcam"
            )
        return found, logits.gather(1, classes[part][:, None])

    done = [pair for parts in batched(len(question.inputs), batch_size, work) for _, pair in parts]
    maps, scores = (torch.cat(parts) for parts in zip(*done, strict=True))
    frame = ImageFrame(image=question.inputs, score=scores[:, 0])
    yield layer_map_frame(question, frame, {layer: maps}, "CAM", upsampling)


def _averaged(
    _net: Network, _layer: str, maps: Tensor, logits: Tensor, classes: Tensor
) -> Tensor | None:
    """The map of each class, if the means of the maps are the scores."""
    if not _same(maps.mean((2, 3)), logits):
        return None
    return maps[torch.arange(len(maps)), classes]


def _weighted(
    net: Network, layer: str, maps: Tensor, logits: Tensor, classes: Tensor
) -> Tensor | None:
    """The sum of the maps with the weights of each class, if their means so weighted are scores."""
    weight, bias = _head(net)
    if maps.shape[1] != weight.shape[1]:
        raise ConvscopeError(
            f"between {layer!r} and the classifier of {net.name} there is more than a mean; use"
            " gradcam"
        )
    for candidate in (maps, maps.relu()):  # densenet's last ReLU has no name
        if _same(F.linear(candidate.mean((2, 3)), weight, bias), logits):
            return torch.einsum("nc,nchw->nhw", weight[classes], candidate)
    return None


def _same(sums: Tensor, logits: Tensor) -> bool:
    rounding = _rounding(logits)
    return torch.allclose(sums, logits, rounding, rounding * float(logits.abs().max()))


def _rounding(logits: Tensor) -> float:
    """How far scores may be from the weighted means of maps, where a network casts to half too."""
    for low in (torch.bfloat16, torch.float16):
        if torch.equal(logits, logits.to(low).to(logits.dtype)):
            return 4 * torch.finfo(low).eps
    return 1e-3


def _class_index(target: Target | None) -> int:
    if target is None or target.layer or not target.is_class or target.channel is None:
        raise ConvscopeError(
            f"cam explains classes, and {target} is none of the main output; use gradcam"
        )
    return target.channel


def _head(net: Network) -> tuple[Tensor, Tensor | None]:
    """The weights (classes, C) and the bias of the layer that ends the network."""
    for layer in reversed(net.layers):
        if layer.leaf and layer.num_parameters:
            if layer.type in ("Linear", "Conv2d") and layer.shape[0] == net.num_classes:
                weight = net.parameter(layer.name).flatten(1)
                return weight, _bias(net, layer.name)
            break
    raise ConvscopeError(f"{net.name} does not end in a linear classifier; use gradcam")


def _bias(net: Network, layer: str) -> Tensor | None:
    try:
        return net.parameter(layer, "bias")
    except ConvscopeError:
        return None
