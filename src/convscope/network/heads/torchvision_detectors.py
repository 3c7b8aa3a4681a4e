"""torchvision's one-stage detectors as modules that give every box and its class scores."""

from __future__ import annotations

import importlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network.heads.detections import BOXES, SCORES

_ONE_STAGE = ("RetinaNet", "FCOS", "SSD")


class Detections(nn.Module):
    """All boxes of a detector of torchvision, each with the score of every class.

    The detector itself keeps only the boxes that it is sure of, and one of several that overlap.
    Here all stay, so that the score of any box can be explained. Images are resized as the detector
    does; the network normalizes them by `detector.transform.image_mean` and `image_std`.

    Args:
        detector: a RetinaNet, an FCOS or an SSD of torchvision.

    Raises:
        ConvscopeError: it is another module.
    """

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        kinds = [one.__name__ for one in type(detector).__mro__ if one.__name__ in _ONE_STAGE]
        if not kinds:
            raise ConvscopeError(
                f"Detections takes a RetinaNet, an FCOS or an SSD of torchvision, not"
                f" {type(detector).__name__}; wrap others in a module that gives"
                ' {"boxes": (N, M, 4), "scores": (N, M, classes)}'
            )
        self.kind, self.detector = kinds[0], detector

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        detector: Any = self.detector
        resized = self._resized(x)
        features = detector.backbone(self._padded(resized))
        maps = [features] if isinstance(features, Tensor) else list(features.values())
        found = detector.head(maps)
        images = self._image_list(resized)
        anchors = detector.anchor_generator(images, maps)
        pairs = zip(found["bbox_regression"], anchors, strict=True)
        boxes = torch.stack([self._decoded(*pair) for pair in pairs])
        return {BOXES: _in_pixels(boxes, resized, x), SCORES: self._scores(found)}

    def _resized(self, x: Tensor) -> Tensor:
        transform: Any = self.detector.transform
        if transform.fixed_size is not None:
            width, height = transform.fixed_size
            return F.interpolate(x, (height, width), mode="bilinear")
        sides = x.shape[-2:]
        scale = min(transform.min_size[-1] / min(sides), transform.max_size / max(sides))
        return F.interpolate(x, scale_factor=scale, mode="bilinear", recompute_scale_factor=True)

    def _padded(self, x: Tensor) -> Tensor:
        step = int(self.detector.transform.size_divisible)  # type: ignore[union-attr, arg-type]
        height, width = x.shape[-2:]
        return F.pad(x, (0, -width % step, 0, -height % step))

    def _image_list(self, resized: Tensor) -> Any:
        module = importlib.import_module("torchvision.models.detection.image_list")
        sizes = [tuple(resized.shape[-2:])] * len(resized)
        return module.ImageList(self._padded(resized), sizes)

    def _decoded(self, regression: Tensor, anchors: Tensor) -> Tensor:
        coder: Any = self.detector.box_coder
        decode = coder.decode if self.kind == "FCOS" else coder.decode_single
        boxes: Tensor = decode(regression, anchors)
        return boxes

    def _scores(self, found: dict[str, Tensor]) -> Tensor:
        """The probability of each class (N, M, classes), as the detector computes it."""
        logits = found["cls_logits"]
        if self.kind == "RetinaNet":
            return logits.sigmoid()
        if self.kind == "FCOS":
            return (logits.sigmoid() * found["bbox_ctrness"].sigmoid()).sqrt()
        background = torch.arange(logits.shape[2], device=logits.device) == 0
        return logits.softmax(2).masked_fill(background, 0.0)


def _in_pixels(boxes: Tensor, resized: Tensor, x: Tensor) -> Tensor:
    """Boxes on resized images, in pixels of the images themselves, which they do not leave."""
    (height, width), (rows, columns) = x.shape[-2:], resized.shape[-2:]
    limits, scales = boxes.new_tensor([columns, rows] * 2), [width / columns, height / rows] * 2
    return boxes.clamp(min=0).minimum(limits) * boxes.new_tensor(scales)
