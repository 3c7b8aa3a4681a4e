"""Guided Grad-CAM, the product of guided backpropagation and Grad-CAM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from convscope.attribution import (
    BatchSize,
    LayerMapSummary,
    Noise,
    OneLayer,
    Question,
    Samples,
    Tokens,
    Upsampling,
    as_maps,
    ask,
    changed_note,
    gradient_panels,
    gradients_at,
    joined_changes,
    smoothed_gradient,
    summarize,
    upsampled,
)
from convscope.network import Network, default_layers
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import Ascent
from convscope.vocabulary.rules import guided


@technique(
    title="Guided Grad-CAM",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
    url="https://arxiv.org/abs/1610.02391",
    chapter="Which pixels matter",
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
    """The details of guided backpropagation, kept where Grad-CAM finds the target.

    It is the product of both. Guided backpropagation shows details that hardly depend on the
    class; Grad-CAM shows which places matter for the class, without detail. Both come from one
    forward pass. With `samples` above 1 the details are averaged over noisy copies of the image,
    which makes them smoother.
    """
    question = ask(net, image, target)
    if samples > 1:
        question = question.resolved()
    name = layer or default_layers.last_maps(net, question.targets)[-1]
    found, frame = _both(question, name, tokens, batch_size)
    details: Iterable[Ascent] = [frame]
    if samples > 1:
        details = smoothed_gradient(question, "guided", samples, noise, seed, batch_size)
    names = question.names(frame.activations)
    heatmap = upsampled(found, net.input_size, upsampling)
    for detail in details:
        product = detail.gradient * heatmap[:, None]
        captions = [
            f"Guided Grad-CAM of {one} at {name}{changed_note(detail.changed, i)}"
            for i, one in enumerate(names)
        ]
        yield replace(
            detail,
            gradient=product,
            panels=gradient_panels(question, product, captions),
            arrays={name: found},
            summary={**summarize(names, detail), "layer": name},
        )


def _both(
    question: Question, layer: str, tokens: tuple[int, int] | None, batch_size: int
) -> tuple[Tensor, Ascent]:
    """Grad-CAM's map (N, h, w) and guided backpropagation's gradient, from one forward pass."""
    net = question.net

    changes: list[tuple[Tensor | None, int]] = []

    def work(part: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        some = question[part]
        bound = some.objective.bind(net)
        with torch.enable_grad():
            leaf = some.inputs.detach().requires_grad_()
            mode = guided().mode()
            values, score = bound.read(net, leaf, {layer}, mode=mode)
            mode.enabled = False
            (by_layer,) = gradients_at(some, score, values, [layer], retain=True)
            mode.enabled = True
            (by_pixel,) = gradients_at(some, score, {"image": leaf}, ["image"])
        changed = mode.changed()
        maps = as_maps(net, values[layer], layer, tokens)
        weights = as_maps(net, by_layer, layer, tokens).mean((2, 3), keepdim=True)
        found = (weights * maps.detach()).sum(1).relu()
        changes.append((changed, len(score)))
        return found, by_pixel, score.detach(), values[""].detach() if "" in values else score

    done = [parts for some in batched(len(question.inputs), batch_size, work) for _, parts in some]
    found, by_pixel, score, output = (torch.cat(parts) for parts in zip(*done, strict=True))
    return found, Ascent(
        image=question.inputs,
        gradient=by_pixel,
        score=score,
        activations={"": output},
        changed=joined_changes(changes),
    )
