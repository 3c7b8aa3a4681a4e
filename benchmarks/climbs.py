"""Steps of gradient ascent against torch-lucent's, and against one forward and backward pass down
to the layer that is climbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

import convscope as cs
from benchmarks.measure import Row
from convscope.ascent.loop import climb
from convscope.ascent.recipe import Recipe
from convscope.network.zoo import build
from convscope.vocabulary.objectives import Objective
from convscope.vocabulary.optimizers import adam, sgd
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import Start, fourier, photo

STEPS = 8  # a round; both set up once for them
CLASSES = tuple(range(281, 289))
LAYERS = ("blocks.0.0.bn1.pre", "blocks.2.1.bn1.pre", "blocks.4.2.bn1.pre", "blocks.6.0.bn1.pre")


def rows() -> Iterator[Row]:
    """Climbs by the plain gradient at several depths, and whole presets."""
    net, peer = _pair("efficientnet_lite0")
    images = torch.rand(8, 3, *net.input_size, generator=torch.Generator().manual_seed(0))
    plain = partial(_recipe, start=photo(images), rule="plain", views=False)
    for layer in LAYERS:
        theirs = partial(_lucent, peer, f"{_peers_name(layer)}:0", views=False)
        yield _row(f"plain climb of {layer}; efficientnet_lite0, 8", net, plain, layer, theirs)
    theirs = partial(_lucent, peer, "classifier:281", views=False)
    yield _row("plain climb of a class; efficientnet_lite0, 8", net, plain, "", theirs)

    def presets() -> object:
        return cs.class_image(net, target=CLASSES, steps=STEPS).result()

    theirs = partial(_lucent, peer, "classifier:281")
    yield Row("class_image; efficientnet_lite0, 8", presets, theirs, net, steps=STEPS)
    net, peer = _pair("timm/resnet50")
    whole = partial(_recipe, start=fourier(count=8), rule="redirected", views=True)
    theirs = partial(_lucent, peer, "layer2:0")
    yield _row("lucid climb of layer2; resnet50, 8", net, whole, "layer2", theirs)


def _pair(name: str) -> tuple[cs.Network, torch.nn.Module]:
    pretrained = not name.startswith("timm/")
    return cs.load(name, pretrained=pretrained, device="cpu"), build(name, pretrained)[0].eval()


def _peers_name(layer: str) -> str:
    return layer.removesuffix(".pre").replace(".", "_")


def _row(
    name: str,
    net: cs.Network,
    recipe: Callable[[Objective], Recipe],
    layer: str,
    theirs: Callable[[], object],
) -> Row:
    objective = cs.activation(f"{layer}:0") if layer else cs.logit(CLASSES[0])

    def ours() -> object:
        return list(climb(net, recipe(objective)))

    return Row(name, ours, theirs, net, steps=STEPS, layer=layer)


def _recipe(objective: Objective, *, start: Start, rule: str, views: bool) -> Recipe:
    return Recipe(
        start=start,
        objective=objective - 600 * cs.tv() if views else objective,
        rule=rule,
        priors=(random_affine(),) if views else (),
        optimizer=adam(0.05) if views else sgd(0.1),
        steps=STEPS,
    )


def _lucent(model: torch.nn.Module, objective: str, *, views: bool = True) -> object:
    """As many steps of torch-lucent's own loop, whose network sees 224 pixels as ours does."""
    from lucent.optvis import param, render

    return render.render_vis(
        model,
        objective,
        lambda: param.image(224, batch_size=8, fft=views, decorrelate=views),
        None if views else lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        None if views else [],
        (STEPS,),
        progress=False,
        show_image=False,
        fixed_image_size=224,
    )
