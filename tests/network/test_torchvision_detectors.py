"""torchvision's detectors: all their boxes, with the scores that they compute themselves."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.network import Detections
from convscope.network._torchvision import torchvision
from tests.helpers import toys


class Backbone(nn.Module):
    """Two levels of maps, as a feature pyramid gives."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 5, 8, 2)
        self.more = nn.Conv2d(channels, channels, 3, 2, 1)
        self.out_channels: Any = channels

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        first = self.conv(x).relu()
        return OrderedDict(first=first, second=self.more(first).relu())


def detector(kind: str) -> Any:
    torchvision()
    detection: Any = importlib.import_module("torchvision.models.detection")
    anchors: Any = importlib.import_module("torchvision.models.detection.anchor_utils")
    one, size = anchors.AnchorGenerator(((12,), (24,)), ((1.0,),) * 2), {"min_size": 48}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "ssd":
            backbone, boxes = Backbone(6), anchors.DefaultBoxGenerator([[2], [2]])
            backbone.out_channels = [6, 6]
            made = detection.ssd.SSD(backbone, boxes, (40, 40), 4)
        elif kind == "retinanet":
            made = detection.RetinaNet(Backbone(32), 4, anchor_generator=one, max_size=70, **size)
        else:
            made = detection.FCOS(Backbone(32), 4, anchor_generator=one, max_size=70, **size)
        for name, parameter in made.named_parameters():
            if "cls_logits" in name or "classification_head" in name:
                nn.init.normal_(parameter, std=0.3 if kind == "ssd" else 0.05)
    made.score_thresh = 0.0
    return made.eval()


def keep_all(_boxes: Tensor, scores: Tensor, *_: object) -> Tensor:
    return scores.argsort(descending=True)


@pytest.mark.parametrize("kind", ["retinanet", "fcos", "ssd"])
def test_the_best_box_is_torchvisions(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector's own first detection, before it leaves out boxes that overlap."""
    module = detector(kind)
    boxes: Any = importlib.import_module("torchvision.ops.boxes")
    monkeypatch.setattr(boxes, "batched_nms", keep_all)
    images = toys.images(2, 40)[:, :, :32]
    mean, std = module.transform.image_mean, module.transform.image_std
    net = cs.Network(Detections(module), mean=mean, std=std, input_size=(32, 40))
    with torch.no_grad():
        theirs = module(list(images))
        ours = net.logits(images)
    for found, values in zip(theirs, ours, strict=True):
        label, box, score = found["labels"][0], found["boxes"][0], found["scores"][0]
        scores = values[:-4]
        assert float(scores.max()) == pytest.approx(float(score), rel=1e-5)
        assert int(scores.amax(1).argmax()) == int(label)
        best = int(scores[label].argmax())
        assert values[-4:, best].tolist() == pytest.approx(box.tolist(), rel=1e-4, abs=1e-3)
    left, top, right, bottom = (round(edge) for edge in theirs[0]["boxes"][0].tolist())
    place = f"class:{int(theirs[0]['labels'][0])}@{top},{left},{bottom},{right}"
    for technique in (cs.saliency, cs.gradcam):
        result = technique(net, images[:1], target=place).result()
        assert 0.5 * theirs[0]["scores"][0] < result.score <= theirs[0]["scores"][0] * 1.001
        assert torch.as_tensor(result.heatmap).abs().max() > 0
    if kind != "ssd":
        assert cs.gradcam(net, images[:1], target=place).result().summary["layer"] == (
            "detector.backbone.conv"
        )


def test_other_detectors_are_refused_in_one_line() -> None:
    with pytest.raises(ConvscopeError, match="takes a RetinaNet, an FCOS or an SSD") as error:
        Detections(toys.Residual())
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["torchvision/lraspp_mobilenet_v3_large", "torchvision/ssdlite320_mobilenet_v3_large"]
)
def test_networks_for_whole_tasks_by_name(name: str) -> None:
    net = cs.load(name, pretrained=False)
    assert net.num_classes == len(net.labels) in (21, 91)
    assert net.output.is_map == ("lraspp" in name)
    assert bool(net.output.boxes) == ("ssd" in name)
