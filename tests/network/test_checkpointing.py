"""Parts of a network that are checkpointed work like any other."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import convscope as cs
from convscope.network.prepared.checkpointing import without_checkpoints
from tests.helpers import toys


class Checkpointed(nn.Module):
    """Two parts, which are checkpointed unless `way` is None."""

    def __init__(self, way: bool | None) -> None:
        super().__init__()
        self.way = way
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.b = nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        if self.way is None:
            y = self.b(self.a(x))
        else:
            y = checkpoint(self.a, x, use_reentrant=self.way)
            y = checkpoint_sequential(self.b, 2, y, use_reentrant=self.way)
        out: Tensor = self.fc(y.mean((2, 3)))
        return out


@pytest.mark.parametrize("way", [True, False])
def test_same_as_without(way: bool) -> None:
    ours, theirs = (toys.network(toys.randomized(Checkpointed(w))) for w in (way, None))
    image = toys.images(1)
    assert torch.equal(ours.logits(image), theirs.logits(image))
    assert len(ours._prepared.pairs) == len(theirs._prepared.pairs) == 1
    for technique in (cs.saliency, cs.guided_backprop):
        mine, right = (technique(net, image, target=1).result().gradient for net in (ours, theirs))
        assert toys.relative(torch.as_tensor(mine), torch.as_tensor(right)) < 1e-6
    for layer in ("a.0", "a", "b.1", "b.2"):
        maps = [cs.gradcam(net, image, target=1, layer=layer).result() for net in (ours, theirs)]
        assert toys.relative(*(torch.as_tensor(found.heatmap) for found in maps)) < 1e-6


def test_a_reading_that_ends_inside_a_checkpointed_part() -> None:
    module = toys.randomized(Checkpointed(False)).eval()
    found = toys.network(module).read(toys.images(1), {"b.1"})["b.1"]
    with toys.recording(module) as right:
        module(toys.normalized(toys.images(1)))
    assert toys.relative(found, right["b.1"]) < 1e-5


def test_torch_is_left_as_it_was_also_in_other_threads() -> None:
    module = Checkpointed(False)
    originals = vars(torch.utils.checkpoint).copy()
    recomputed: list[bool] = []

    def count(*_: object) -> None:
        recomputed.append(True)

    module.a[0].register_forward_hook(count)

    def train() -> None:
        module(toys.images(2)).sum().backward()

    with without_checkpoints() as met:
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        assert len(recomputed) == 2
        assert not met()
        train()
        assert len(recomputed) == 3
        assert met()
    assert vars(torch.utils.checkpoint) == originals
