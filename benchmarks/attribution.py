"""Attribution methods against captum, pytorch-grad-cam and torchcam, each at its best setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    GuidedGradCam,
    IntegratedGradients,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

import convscope as cs
from benchmarks.measure import Row
from convscope.network.zoo import build

TARGET = 281
# Each network's last layer with maps, and of captum the batch that it was fastest with.
NETWORKS = {"efficientnet_lite0": "bn2", "timm/resnet50": "layer4"}
BATCH = 16


class Normalized(nn.Module):
    """The user's own module behind the same normalization, which is what the peer is given."""

    def __init__(self, module: nn.Module, net: cs.Network) -> None:
        super().__init__()
        self.module = module
        self.mean = nn.Buffer(torch.tensor(net.mean).view(1, -1, 1, 1))
        self.std = nn.Buffer(torch.tensor(net.std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.module((x - self.mean) / self.std)
        return result


def rows() -> Iterator[Row]:
    """Every method on the default network and on resnet50."""
    for name, layer in NETWORKS.items():
        pretrained = not name.startswith("timm/")
        net = cs.load(name, pretrained=pretrained, device="cpu")
        peer = Normalized(build(name, pretrained)[0], net).eval()
        short = name.rpartition("/")[2]
        last = peer.module.get_submodule(layer)
        large = short == "resnet50"

        def row(
            what: str,
            count: int,
            theirs: Callable[[Tensor], object],
            share: int = 1,
            *,
            net: cs.Network = net,
            short: str = short,
            **options: Any,
        ) -> Row:
            technique = what.partition(",")[0]
            images = _images(net, count)

            def ours() -> object:
                run = getattr(cs, technique)(net, images, target=TARGET, **options)
                return run.result()

            return Row(f"{what}; {short}, {count}", ours, partial(theirs, images), net, share)

        for count in (1, 16):
            yield row("saliency", count, _captum(Saliency(peer)))
            yield row("guided_backprop", count, _captum(GuidedBackprop(peer)))
            yield row("deconvnet", count, _captum(Deconvolution(peer)))
            yield row("guided_gradcam", count, _captum(GuidedGradCam(peer, last)))
        path = IntegratedGradients(peer)
        for what, words in (("", {"internal_batch_size": BATCH}), (", peer's default", {})):
            steps = _captum(path, n_steps=50, **words)
            yield row(f"integrated_gradients{what}", 1, steps, 3, baseline="black")
        smooth = _captum(
            NoiseTunnel(Saliency(peer)),
            nt_type="smoothgrad",
            nt_samples=25,
            nt_samples_batch_size=BATCH,
            stdevs=0.15,
            abs=False,
        )
        yield row("smoothgrad", 1, smooth, 3, samples=25)
        for stride in (16,) if large else (16, 8):
            hiding = _captum(
                Occlusion(peer),
                sliding_window_shapes=(3, 32, 32),
                strides=(3, stride, stride),
                baselines=0.5,
                perturbations_per_eval=BATCH,
            )
            what = f"occlusion, stride {stride}"
            yield row(what, 1, hiding, 4, patch=32, stride=stride, baseline="gray")
        yield from _cams(row, peer, last, large)


def _cams(row: Callable[..., Row], peer: Normalized, last: nn.Module, large: bool) -> Iterator[Row]:
    import pytorch_grad_cam as peers
    import torchcam.methods as others
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def grad_cam(method: Any, images: Tensor) -> object:
        with method(model=peer, target_layers=[last]) as extractor:
            extractor.batch_size = BATCH
            return extractor(images, targets=[ClassifierOutputTarget(TARGET)] * len(images))

    def torch_cam(method: Any, images: Tensor) -> object:
        with method(peer, target_layer=last) as extractor:
            return extractor([TARGET] * len(images), peer(images))

    for technique, first, second in (
        ("gradcam", peers.GradCAM, others.GradCAM),
        ("gradcam_plus_plus", peers.GradCAMPlusPlus, others.GradCAMpp),
        ("layercam", peers.LayerCAM, others.LayerCAM),
    ):
        yield row(f"{technique}, pytorch-grad-cam", 16, partial(grad_cam, first))
        yield row(f"{technique}, torchcam", 16, partial(torch_cam, second))
    if not large:
        yield row("scorecam, pytorch-grad-cam", 1, partial(grad_cam, peers.ScoreCAM), 8)


def _captum(method: Any, **options: Any) -> Callable[[Tensor], object]:
    def attribute(images: Tensor) -> object:
        return method.attribute(images.clone().requires_grad_(), target=TARGET, **options)

    return attribute


def _images(net: cs.Network, count: int) -> Tensor:
    """One photograph, or several images of noise: only of Score-CAM does the time depend on it."""
    if count == 1:
        return net.preprocess(cs.open_image("sample:chelsea"))
    chance = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, *net.input_size, generator=chance)
