"""Networks of torchvision by their names: classifiers, segmentation networks, detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from convscope.errors import ConvscopeError, unknown
from convscope.network._torchvision import torchvision
from convscope.network.heads.torchvision_detectors import Detections
from convscope.network.sources.downloading import downloaded
from convscope.network.sources.plugin_networks import Built

# Detectors of one stage, which score every class for each of their boxes.
_ONE_STAGE = ("retinanet", "fcos", "ssd")

# What torchvision's other networks are, by the module that defines them, and what to do instead.
_OTHERS = {
    "detection": "is a detector that proposes boxes first: wrap it in a module whose forward takes"
    ' (N, C, H, W) and gives {"boxes": (N, M, 4), "scores": (N, M, classes)}, and pass that to'
    " Network",
    "video": "takes clips, not images: wrap it in a module that makes a clip of an image, as in"
    " x.unsqueeze(2).expand(-1, -1, 16, -1, -1), and pass that to Network",
    "optical_flow": "takes two images: wrap it in a module that holds one of them, and pass that to"
    " Network",
    "quantization": "is quantized and has no gradients: load the network without 'quantized_'",
}


def names() -> list[str]:
    """The names in torchvision of the networks that can be loaded."""
    models = torchvision().models
    return [
        *models.list_models(module=models),
        *models.list_models(module=models.segmentation),
        *(n for n in models.list_models(module=models.detection) if n.startswith(_ONE_STAGE)),
    ]


def from_torchvision(
    name: str, pretrained: bool, imagenet: Sequence[str], *, num_classes: int | None = None
) -> Built:
    """A network and its settings.

    Args:
        name: its name in torchvision.
        pretrained: whether to download trained weights.
        imagenet: the names of ImageNet's classes.
        num_classes: the number of classes; that of the trained weights if not given.

    Raises:
        ConvscopeError: the name is unknown, or such a network takes more than an image.
    """
    models, full = torchvision().models, f"torchvision/{name}"
    if name not in names():
        if name in models.list_models():
            raise ConvscopeError(f"{full} {_OTHERS[_family(name)]}")
        raise unknown("network", full, [f"torchvision/{n}" for n in names()])
    weights = models.get_model_weights(name).DEFAULT
    if pretrained:
        module = downloaded(full, lambda: models.get_model(name, weights=weights))
    else:
        module = _untrained(name, num_classes)
    known = None if num_classes else weights.meta["categories"]
    if _family(name) == "detection":
        return Detections(module), _of_detector(module, known)
    transform = weights.transforms()
    settings = {
        "mean": transform.mean,
        "std": transform.std,
        "interpolation": transform.interpolation.value,
    }
    (resize,) = transform.resize_size
    if _family(name) == "segmentation":
        return module, {**settings, "input_size": resize, "labels": known}
    (size,) = transform.crop_size
    labels = imagenet if known else None
    return module, {**settings, "input_size": size, "crop": size / resize, "labels": labels}


def _of_detector(module: Any, labels: Sequence[str] | None) -> dict[str, Any]:
    """The settings of a detector, which resizes images itself."""
    transform = module.transform
    width, height = transform.fixed_size or [transform.min_size[-1]] * 2
    return {
        "mean": transform.image_mean,
        "std": transform.image_std,
        "input_size": (height, width),
        "interpolation": "bilinear",
        "labels": labels,
    }


def _family(name: str) -> str:
    module: str = torchvision().models.get_model_builder(name).__module__
    return module.partition(".models.")[2].partition(".")[0]


def _untrained(name: str, num_classes: int | None) -> nn.Module:
    composed = _family(name) in ("segmentation", "detection")
    options: dict[str, Any] = {"weights_backbone": None} if composed else {}
    if num_classes is not None:
        options["num_classes"] = num_classes
    module: nn.Module = torchvision().models.get_model(name, weights=None, **options)
    return module
