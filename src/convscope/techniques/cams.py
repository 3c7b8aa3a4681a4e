"""Class activation maps: where a layer's maps speak for a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from convscope import tensors
from convscope.attribution import (
    BASELINES,
    SILENT,
    Baseline,
    BatchSize,
    Layers,
    Noise,
    OneLayer,
    Question,
    Samples,
    Tokens,
    Upsampling,
    as_maps,
    ask,
    averaged,
    baseline_images,
    map_panels,
    noisy,
    summarize,
    upsampled,
)
from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.runs import Seed, TargetNames, technique
from convscope.system import batched
from convscope.types import Ascent, Frame, HeatMap, Panel, Picture, Sheet, SignedPicture
from convscope.vocabulary.rules import guided

Weigh = Callable[[Tensor, Tensor], Tensor]


@technique(
    title="Class activation map",
    paper="Zhou, Khosla, Lapedriza, Oliva and Torralba 2016",
    url="https://arxiv.org/abs/1512.04150",
    attribution=True,
)
def cam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    upsampling: Upsampling = "bicubic",
    batch_size: BatchSize = 16,
) -> Iterator[Frame]:
    """Where a class's evidence lies, read off the classifier's own weights.

    In a network that averages its last maps over the image and multiplies by one matrix, the score
    is a sum over places: red places add to it, blue ones take from it, and their mean (with the
    class's bias) is the score. Networks with another head are refused: Grad-CAM is for them.
    """
    question = ask(net, image, target).settled()
    for unit in question.units:
        if unit is None or unit.label is None:
            raise ConvscopeError(f"cam explains classes, and {unit} is none; take gradcam")
    layer, (weight, bias) = default_layers.last_maps(net)[-1], _head(net)
    chosen = [unit.channel for unit in question.units if unit is not None]

    def work(part: slice) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            values = net.activations(question.inputs[part], {layer, ""})
        maps, logits = as_maps(net, values[layer], layer), values[""]
        if maps.shape[1] != weight.shape[1]:
            raise ConvscopeError(
                f"between {layer!r} and the classifier of {net.name} there is more than a mean;"
                " take gradcam"
            )
        for candidate in (maps, maps.relu()):  # densenet's last ReLU has no name
            sums = F.linear(candidate.mean((2, 3)), weight, bias)
            if torch.allclose(sums, logits, rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
                rows = weight[chosen[part]]
                found = torch.einsum("nc,nchw->nhw", rows, candidate)
                return found, logits.gather(1, torch.tensor(chosen[part]).to(rows.device)[:, None])
        raise ConvscopeError(
            f"{net.name} does not classify by the mean of {layer!r} alone; take gradcam"
        )

    done = [pair for parts in batched(len(question.inputs), batch_size, work) for _, pair in parts]
    maps, scores = (torch.cat(parts) for parts in zip(*done, strict=True))
    frame = Frame(image=question.inputs, score=scores[:, 0])
    yield _mapped(question, frame, {layer: maps}, "CAM", upsampling)


@technique(
    title="Grad-CAM",
    paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
    url="https://arxiv.org/abs/1610.02391",
    attribution=True,
)
def gradcam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    signed: Annotated[
        bool, Field(description="keep also what speaks against the target, in blue")
    ] = False,
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[Frame]:
    """Where in the photo the last layer finds what speaks for the target.

    Each channel of the layer is weighted by how much the score grows with it, on average over
    places, and their sum is the map; what speaks against the target is cut off. It is as coarse as
    the layer is. Several layers give a strip: deep ones tell classes apart best.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        summed = (gradients.mean((2, 3), keepdim=True) * maps).sum(1)
        return summed if signed else summed.relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "Grad-CAM", upsampling, tokens, batch_size
    )


@technique(
    title="Grad-CAM++",
    paper="Chattopadhay, Sarkar, Howlader and Balasubramanian 2018",
    url="https://arxiv.org/abs/1710.11063",
    attribution=True,
)
def gradcam_plus_plus(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[Frame]:
    """Grad-CAM that does not forget the second of two things of a kind.

    Where a class shows in several places, their gradients do not average out: each place is
    weighted for itself, by the second and third derivative of the exponential of the score, and
    only gradients that speak for the target count.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        # The paper's g^2 / (2 g^2 + sum g^3) relu(g), which is made for maps behind a ReLU: with a
        # negative sum it has poles.
        raising, total = gradients.relu(), maps.relu().sum((2, 3), keepdim=True)
        weights = (raising / (2 + total * raising)).sum((2, 3), keepdim=True)
        return (weights * maps).sum(1).relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "Grad-CAM++", upsampling, tokens, batch_size
    )


@technique(
    title="LayerCAM",
    paper="Jiang, Zhang, Hou, Cheng and Wei 2021",
    url="https://ieeexplore.ieee.org/document/9462463",
    attribution=True,
)
def layercam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: Layers = (),
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[Frame]:
    """Where a layer speaks for the target, place by place: fine maps from early layers too.

    Every unit is weighted by its own gradient, where that is positive, instead of by its channel's
    mean. So maps of early layers, which Grad-CAM scatters, keep to the object.
    """

    def weigh(maps: Tensor, gradients: Tensor) -> Tensor:
        return (gradients.relu() * maps).sum(1).relu()

    yield _gradient_cam(
        net, image, target, layer, weigh, "LayerCAM", upsampling, tokens, batch_size
    )


@technique(
    title="Score-CAM",
    paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020",
    url="https://arxiv.org/abs/1910.01279",
    attribution=True,
)
def scorecam(
    net: Network,
    image: Tensor,
    *,
    target: TargetNames = None,
    layer: OneLayer = None,
    baseline: Annotated[
        Baseline, Field(description=f"what hidden parts show: {BASELINES}")
    ] = "mean",
    upsampling: Upsampling = "bicubic",
    tokens: Tokens = None,
    batch_size: BatchSize = 16,
) -> Iterator[Frame]:
    """Which of a layer's maps, each laid over the photo as a mask, keep the score up.

    Every channel's map hides the photo where it is dark; how much more the network then says for
    the target than for the baseline alone becomes, by a softmax over channels, the channel's
    weight. No gradient is used, but a network is run once a channel.
    """
    question = ask(net, image, target).settled()
    name = layer or default_layers.last_maps(net)[-1]
    read = [net.read(one[None], {name})[name] for one in question.inputs]
    maps = as_maps(net, torch.cat(read), name, tokens)
    empty = baseline_images(net, question.inputs, baseline)
    size = net.input_size
    scores, bases = question.scores(question.inputs), question.scores(empty)
    found = torch.zeros_like(maps[:, 0])
    # A map that is the same everywhere hides everything: the baseline's score is known.
    spread = maps.flatten(2).amax(2) - maps.flatten(2).amin(2)
    telling = [row.gt(0).nonzero()[:, 0] if row.any() else row[:1].long() for row in spread]
    step, steps = 0, sum(-(-len(channels) // batch_size) for channels in telling)
    for i, channels in enumerate(telling):
        one, increases = question[i : i + 1], torch.zeros_like(spread[i])
        increases[channels] = -torch.inf  # until it is known

        def work(
            part: slice, i: int = i, one: Question = one, channels: Tensor = channels
        ) -> Tensor:
            masks = F.interpolate(maps[i, channels[part]][:, None], size, mode="bilinear")
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            masks = (masks - low) / (high - low).clamp_min(1e-12)
            return one.score(torch.lerp(empty[i : i + 1], question.inputs[i : i + 1], masks))

        for done in batched(len(channels), batch_size, work):
            step += 1
            for part, value in done:
                increases[channels[part]] = value - bases[i]
            found = found.clone()
            found[i] = torch.einsum("c,chw->hw", increases.softmax(0), maps[i]).relu()
            frame = Frame(image=question.inputs, score=scores, step=step, steps=steps)
            yield _mapped(
                question, frame, {name: found}, "Score-CAM", upsampling, baseline_score=bases
            )


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
) -> Iterator[Frame]:
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
            (by_layer,) = _slopes(some, score, values, [name], retain=True)
            mode.enabled = True
            (by_pixel,) = _slopes(some, score, {"image": leaf}, ["image"])
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


def _gradient_cam(
    net: Network,
    image: Tensor,
    target: str | int | tuple[str | int, ...] | None,
    layers: tuple[str, ...],
    weigh: Weigh,
    what: str,
    upsampling: str,
    tokens: tuple[int, int] | None,
    batch_size: int,
) -> Frame:
    """The maps that `weigh` makes of a layer's values (N, C, h, w) and the score's gradients."""
    question = ask(net, image, target)
    names = list(layers) or default_layers.last_maps(net)

    def work(part: slice) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        some = question[part]
        bound = some.objective.bind(net)
        with torch.enable_grad():
            values, score = bound.read(net, some.inputs, names, leaves=True)
            slopes = _slopes(some, score, values, names)
        found = {}
        for name, slope in zip(names, slopes, strict=True):
            maps = as_maps(net, values[name].detach(), name, tokens)
            found[name] = weigh(maps, as_maps(net, slope, name, tokens))
        return found, score.detach(), values[""].detach() if "" in values else score

    done = [parts for some in batched(len(question.inputs), batch_size, work) for _, parts in some]
    if not layers:
        # Of a transformer's last tokens only the class token feeds the score: the deepest layer
        # whose other tokens do.
        names = [n for n in names if any(found[n].any() for found, *_ in done)][-1:] or names[-1:]
    maps = {name: torch.cat([found[name] for found, *_ in done]) for name in names}
    frame = Frame(image=question.inputs, score=torch.cat([score for _, score, _ in done]))
    output = torch.cat([output for *_, output in done])
    return _mapped(question, replace(frame, activations={"": output}), maps, what, upsampling)


def _slopes(
    question: Question,
    score: Tensor,
    values: dict[str, Tensor],
    names: list[str],
    retain: bool = False,
) -> list[Tensor]:
    """The gradient of the score by each layer."""
    question.finite(score, question.inputs)
    layers = [values[name] for name in names]
    slopes: Sequence[Tensor | None] = [None] * len(names)
    if score.requires_grad:
        with question.net.numerics():
            slopes = torch.autograd.grad(
                score.sum(), layers, allow_unused=True, retain_graph=retain
            )
    found = []
    for name, slope in zip(names, slopes, strict=True):
        if slope is None:
            raise ConvscopeError(f"the target does not depend on layer {name!r}: name one above it")
        if not tensors.all_finite(slope):
            raise ConvscopeError(f"the gradient at {name!r} is not finite, though the score is")
        found.append(slope)
    return found


def _head(net: Network) -> tuple[Tensor, Tensor | None]:
    """The weights (classes, C) and the bias of the layer that ends the network."""
    for layer in reversed(net.layers):
        if layer.leaf and layer.num_parameters:
            if layer.type in ("Linear", "Conv2d") and layer.shape[0] == net.num_classes:
                weight = net.parameter(layer.name).flatten(1)
                biased = layer.num_parameters > weight.numel()
                return weight, net.parameter(layer.name, "bias") if biased else None
            break
    raise ConvscopeError(f"{net.name} does not end in a linear classifier; take gradcam")


def _mapped(
    question: Question,
    frame: Frame,
    maps: dict[str, Tensor],
    what: str,
    upsampling: str,
    **more: Tensor,
) -> Frame:
    """The frame with its maps: `heatmap` is the last layer's, `arrays` has each as it is."""
    unit = "weighted activation" if what in ("Grad-CAM++", "Score-CAM") else "score"
    names = question.names(frame.activations)
    size = question.net.input_size
    enlarged = {name: upsampled(found, size, upsampling) for name, found in maps.items()}
    heatmap = list(enlarged.values())[-1]
    panels: tuple[Panel, ...]
    if len(maps) == 1:
        captions = [f"{what} of {name} at {layer}" for name in names for layer in maps]
        signed = bool((heatmap < 0).any())
        panels = map_panels(question, heatmap, unit, captions, signed=signed)
    else:
        panels = tuple(
            Sheet(
                tuple(
                    HeatMap(
                        one[i],
                        unit,
                        layer,
                        question.photo[i],
                        question.net.box(question.photo),
                        bool((one < 0).any()),
                    )
                    for layer, one in enlarged.items()
                ),
                f"{what} of {name}",
                columns=len(maps),
            )
            for i, name in enumerate(names)
        )
    quoted = {**summarize(names, frame, **more), "layer": list(maps)[-1]}
    return replace(frame, heatmap=heatmap, arrays=maps, panels=panels, summary=quoted)
