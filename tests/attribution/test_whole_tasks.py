"""Targets for whole tasks: the similarity to another image, and the boxes of a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.types import Target
from tests.helpers import toys


class Embeds(nn.Module):
    """An embedding of unit length, as face networks and CLIP give."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.fc(self.conv(x).relu().mean((2, 3))))


def embeds(module: nn.Module | None = None) -> tuple[cs.Network, nn.Module]:
    module = toys.randomized(module or Embeds()).eval()
    return toys.network(module), module


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An image of the network's own size."""
    pixels = (toys.images(1, seed=5)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def test_similarity_to_another_image(other: Path) -> None:
    """The score is the cosine of the two embeddings, and the map its gradient."""
    net, module = embeds()
    image = toys.images(1).requires_grad_()
    with torch.no_grad():
        wanted = module(toys.normalized(cs.open_image(other)))
    cosine = F.cosine_similarity(module(toys.normalized(image)), wanted)
    (gradient,) = torch.autograd.grad(cosine.sum(), image)
    target = f"like:{other}"
    result = cs.saliency(net, image.detach(), target=target).result()
    assert result.score == pytest.approx(cosine.item(), rel=1e-5)
    expected = gradient[0].abs().amax(0)
    assert torch.allclose(torch.as_tensor(result.heatmap), expected, rtol=1e-4, atol=1e-7)
    assert result.summary["target"] == "like:other.png"
    hidden = cs.occlusion(net, image.detach(), target=target, patch=8, stride=8).result()
    assert hidden.score == pytest.approx(cosine.item(), rel=1e-5)
    assert cs.gradcam(net, image.detach(), target=target).result().summary["layer"] == "conv"
    few, many = (cs.class_image(net, target=target, steps=n).result().score for n in (1, 40))
    assert many > few


def test_the_image_itself_is_the_most_similar(other: Path) -> None:
    net, _ = embeds()
    same = cs.saliency(net, cs.open_image(other), target=f"like:{other}").result()
    assert same.score == pytest.approx(1)
    checked = cs.check(cs.gradcam(net, cs.open_image(other), target=f"like:{other}")).result()
    found: Any = checked.summary["check"]
    assert found["other_target"] == {}
    assert found["findings"]["another target"].startswith("there is no other target")


def test_a_classifier_compares_what_it_classifies(other: Path) -> None:
    net, module = embeds(toys.Residual())
    with toys.recording(module) as one, torch.no_grad():
        module(toys.normalized(toys.images(1)))
    with toys.recording(module) as two, torch.no_grad():
        module(toys.normalized(cs.open_image(other)))
    mean, wanted = (found["layer2"].mean((2, 3)) for found in (one, two))
    result = cs.saliency(net, toys.images(1), target=f"like:{other}").result()
    assert result.score == pytest.approx(float(F.cosine_similarity(mean, wanted)), rel=1e-5)


def test_the_other_image_must_stay_the_same(other: Path, tmp_path: Path) -> None:
    net, _ = embeds()
    result = cs.saliency(net, toys.images(1), target=f"like:{other}").result()
    provenance: Any = result.provenance
    written = str(provenance["parameters"]["target"])
    path, _, digits = written.partition("#")
    assert path == f"like:{other}"
    assert len(digits) == 16
    other.rename(tmp_path / "moved.png")
    Image.new("RGB", (16, 16)).save(other)
    with pytest.raises(ConvscopeError, match="no longer the image that the target names"):
        cs.saliency(net, toys.images(1), target=f"{path}#{'0' * 16}").result()
    with pytest.raises(ConvscopeError, match="nothing"):
        cs.saliency(net, toys.images(1), target=f"like:{tmp_path}/nothing.png").result()
    with pytest.raises(ConvscopeError, match="only classes have a probability"):
        cs.random_occlusion(net, toys.images(1), target=f"like:{other}", count=4).result()


def test_a_layer_may_be_called_like() -> None:
    class Likes(toys.Residual):
        def __init__(self) -> None:
            super().__init__()
            self.like = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.like(super().forward(x))
            return result

    net, _ = embeds(Likes())
    assert net.target("like:3") == Target("like", 3)


# ---------------------------------------------------------------------- detectors


class Cells(nn.Module):
    """A detector of red, green and blue: a box is a cell of 4 x 4 pixels, a score its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 3, 1, bias=False), nn.AvgPool2d(4)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3).view(3, 3, 1, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        scores = self.pool(self.conv(x)).flatten(2).transpose(1, 2)
        top, left = torch.meshgrid(torch.arange(4) * 4.0, torch.arange(4) * 4.0, indexing="ij")
        boxes = torch.stack([left, top, left + 4, top + 4], 2).view(1, 16, 4)
        return {"boxes": boxes.expand(len(x), -1, -1), "scores": scores}


def cells() -> tuple[cs.Network, Tensor]:
    """The detector, and an image with a red cell, a paler one right of it, and a blue one."""
    net = cs.Network(
        Cells(), mean=(0.0,) * 3, std=(1.0,) * 3, input_size=16, labels=["red", "green", "blue"]
    )
    image = torch.zeros(1, 3, 16, 16)
    image[:, 0, 4:8, 8:12], image[:, 0, 4:8, 12:16], image[:, 2, 12:16, 0:4] = 0.8, 0.6, 0.5
    return net, image


@pytest.mark.parametrize(
    ("target", "score"),
    [
        ("red", 0.8),  # the best box
        ("blue", 0.5),
        ("green", 0.0),
        ("red@4,8,8,12", 0.8),  # that cell
        ("red@4,12,8,16", 0.6),  # the cell beside it
        ("red@4,8,8,16", 0.4),  # both: half of the union is covered
        ("red@4,6,8,10", 0.8 / 3),  # half of a cell: 8 of 24 pixels
        ("red@12,0,16,4", 0.0),
        ("blue@8,0,16,8", 0.125),  # a quarter of the union
    ],
)
def test_boxes_by_hand(target: str, score: float) -> None:
    """As in D-RISE: the class score of the best box, times how much it overlaps the one named."""
    net, image = cells()
    found = net.target(target)
    assert net.target(found.spec) == found == net.target(str(found))
    assert cs.saliency(net, image, target=target).result().score == pytest.approx(score)
    read = cs.occlusion(net, image, target=target, score="probability", patch=4, stride=4)
    assert read.result().score == pytest.approx(score)


def test_a_box_is_explained_by_its_own_pixels() -> None:
    net, image = cells()
    expected = torch.zeros(16, 16)
    expected[4:8, 12:16] = 1 / 16
    seen = torch.as_tensor(cs.saliency(net, image, target="red@4,12,8,16").result().heatmap)
    assert torch.allclose(seen.view(16, 16), expected)
    half = torch.as_tensor(cs.saliency(net, image, target="red@4,12,8,20").result().heatmap)
    assert torch.allclose(half.view(16, 16), expected / 2)
    hidden = cs.occlusion(
        net, image, target="red@4,8,8,16", patch=4, stride=4, baseline="mean"
    ).result()
    drop = torch.zeros(16, 16)
    drop[4:8, 8:12] = 0.4 - 0.3  # without the red cell, the paler one is the best
    assert torch.allclose(torch.as_tensor(hidden.heatmap).view(16, 16), drop, atol=1e-6)
    assert cs.gradcam(net, image, target="red@4,8,8,16").result().summary["layer"] == "pool"
    drawn = cs.class_image(net, target="blue@0,0,4,4", steps=30, preset="simonyan").result()
    pixels = torch.as_tensor(drawn.image).view(16, 16, 3)
    assert pixels[:4, :4, 2].mean() > pixels[8:, 8:, 2].mean() + 0.1


def test_grad_cam_of_boxes_from_several_levels() -> None:
    """By default at the last layer that all levels go on from, whichever holds the box."""

    class Levels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
            self.down, self.score = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            fine = self.stem(x)
            levels = [self.score(one).sigmoid().flatten(2) for one in (fine, self.down(fine))]
            scores = torch.cat(levels, 2).transpose(1, 2)
            edges = torch.tensor([0.0, 0.0, 16.0, 16.0]).expand(*scores.shape[:2], 4)
            return {"boxes": edges, "scores": scores}

    net = toys.network(toys.randomized(Levels()))
    result = cs.gradcam(net, toys.images(1), target=1).result()
    assert result.summary["layer"] == "stem"
    assert torch.as_tensor(result.heatmap).abs().max() > 0


def test_what_a_detector_predicts() -> None:
    net, image = cells()
    found = {one.label: one.probability for one in net.predict(image)}
    assert found == pytest.approx({"red": 0.8, "blue": 0.5, "green": 0.0})
    assert cs.saliency(net, image).result().summary["target"] == "red"
    assert net.predict(image, 1)[0].label == "red"
    drawn = cs.predict(net, image).result()
    assert drawn.score == pytest.approx(0.8)
    checked: Any = cs.check(cs.saliency(net, image)).result().summary["check"]
    assert list(checked["other_target"]) == ["blue"]
    for words in ("red@4,4", "red@8,4,4,8"):
        with pytest.raises(ConvscopeError, match="the box of a detector is given by its top, left"):
            net.target(words)


def test_scores_of_boxes_must_be_probabilities() -> None:
    class Logits(Cells):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            found = super().forward(x)
            return {**found, "scores": 9 * found["scores"]}

    net = cs.Network(Logits(), mean=(0.0,) * 3, std=(1.0,) * 3, input_size=16)
    with pytest.raises(ConvscopeError, match="are no probabilities; end them in a sigmoid"):
        net.predict(toys.images(1))


def test_a_detector_without_boxes_for_an_image() -> None:
    class Empty(Cells):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {name: one[:, :0] for name, one in super().forward(x).items()}

    net = cs.Network(Empty(), mean=(0.0,) * 3, std=(1.0,) * 3, input_size=16)
    assert net.predict(toys.images(1), 1)[0].probability == 0
