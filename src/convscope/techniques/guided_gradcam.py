"""Guided Grad-CAM: the details of one attribution, in the places of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from convscope.attribution import (
    SILENT,
    BatchSize,
    LayerMapSummary,
    Noise,
    OneLayer,
    Samples,
    Tokens,
    Upsampling,
    as_maps,
    ask,
    averaged,
    gradients_at,
    noisy,
    summarize,
    upsampled,
)
from convscope.network import Network, default_layers
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import Ascent, Panel, Picture, SignedPicture
from convscope.vocabulary.rules import guided


@technique(
    title="Guided Grad-CAM",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
    url="https://arxiv.org/abs/1610.02391",
    attribution=True,
)
def guided_gradcam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: OneLayer = None,
    samples: Samples = 1,
    noise: Noise = 0.08,
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
) -> Iterator[Ascent[LayerMapSummary]]:
    """The crisp details of guided backpropagation, where Grad-CAM finds the target.

    The product of both: the one shows parts but hardly which class they are for, the other which
    place speaks for the class but no detail. One forward pass serves them both; with `samples`
    above 1 the details are averaged over noisy copies of the photo, which makes them smoother.
    """
    question = ask(net, image, target)
    question = question if samples == 1 else question.settled()
    name = layer or default_layers.last_maps(net)[-1]

    def work(part: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        some = question[part]
        bound = some.objective.bind(net)
        with torch.enable_grad():
            leaf = some.inputs.detach().requires_grad_()
            mode = guided().mode()
            values, score = bound.read(net, leaf, {name}, mode=mode)
            mode.enabled = False
            (by_layer,) = gradients_at(some, score, values, [name], retain=True)
            mode.enabled = True
            (by_pixel,) = gradients_at(some, score, {"image": leaf}, ["image"])
        maps = as_maps(net, values[name], name, tokens)
        weights = as_maps(net, by_layer, name, tokens).mean((2, 3), keepdim=True)
        found = (weights * maps.detach()).sum(1).relu()
        return found, by_pixel, score.detach(), values[""].detach() if "" in values else score

    done = [parts for some in batched(len(question.inputs), batch_size, work) for _, parts in some]
    found, by_pixel, score, output = (torch.cat(parts) for parts in zip(*done, strict=True))
    frame = Ascent(image=question.inputs, gradient=by_pixel, score=score, activations={"": output})
    details: Iterable[Ascent] = [frame]
    if samples > 1:
        versions = noisy(question.inputs, noise, samples, seed)
        details = averaged(question, torch.ones(samples), versions, "guided", batch_size)
    names = question.names(frame.activations)
    heatmap = upsampled(found, net.input_size, upsampling)
    box = net.box(question.photo)
    for detail in details:
        product = detail.gradient * heatmap[:, None]
        panels: list[Panel] = []
        for values, photo, label in zip(product, question.photo, names, strict=True):
            if len(names) == 1:
                panels.append(Picture(photo, "what the network saw", box))
            caption = f"Guided Grad-CAM of {label} at {name}"
            panels.append(SignedPicture(values, caption if values.any() else caption + SILENT))
        shown = replace(detail, gradient=product, panels=tuple(panels), arrays={name: found})
        yield replace(shown, summary={**summarize(names, shown), "layer": name})
