"""Attribution methods against captum, on the default network and on resnet50."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from captum.attr import Deconvolution, GuidedBackprop, Saliency
from torch import Tensor, nn

import convscope as cs
from benchmarks.measure import Row
from convscope.zoo import build

PEERS: dict[str, Any] = {"saliency": Saliency, "guided": GuidedBackprop, "deconv": Deconvolution}
TARGET = 281


class Normalised(nn.Module):
    """The user's own module behind the same normalisation, which is what the peer is given."""

    def __init__(self, module: nn.Module, net: cs.Network) -> None:
        super().__init__()
        self.module = module
        self.mean = nn.Buffer(torch.tensor(net.mean).view(1, -1, 1, 1))
        self.std = nn.Buffer(torch.tensor(net.std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.module((x - self.mean) / self.std)
        return result


def rows() -> Iterator[Row]:
    """Saliency, guided and deconv at batch 1 and 16."""
    for name, pretrained in (("efficientnet_lite0", True), ("timm/resnet50", False)):
        net = cs.load(name, pretrained=pretrained, device="cpu")
        peer_net = Normalised(build(name, pretrained)[0], net).eval()
        for batch in (1, 16):
            images = torch.rand(
                batch, 3, *net.input_size, generator=torch.Generator().manual_seed(0)
            )
            for technique, peer in PEERS.items():
                yield _row(name, technique, net, peer(peer_net), images)


def _row(name: str, technique: str, net: cs.Network, peer: Any, images: Tensor) -> Row:
    def ours() -> object:
        return getattr(cs, technique)(net, images, target=TARGET).result().gradient

    def theirs() -> object:
        return peer.attribute(images.clone().requires_grad_(), target=TARGET)

    def forward() -> object:
        with torch.no_grad():
            return net.activations(images, {""})

    def both() -> object:
        leaf = images.clone().requires_grad_()
        score = net.activations(leaf, {""})[""][:, TARGET].sum()
        return torch.autograd.grad(score, leaf)

    short = name.rpartition("/")[2]
    return Row(f"{technique}, {short}, batch {len(images)}", ours, theirs, forward, both)
