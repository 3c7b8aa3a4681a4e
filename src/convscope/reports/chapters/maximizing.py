"""Images that the network responds to most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convscope.network import Network, default_layers
from convscope.reports.chapter import Chapter, ClassName, chapter, layer_name


def chapters(
    net: Network, classes: Sequence[ClassName], *, full: bool, seed: int
) -> Iterator[Chapter]:
    """Chapters about these classes and about layers."""
    for name in classes:
        yield _class_image(name, full, seed)
        yield _ladder(name, full, seed)
    deep = layer_name(default_layers.deep, net)
    if deep:
        yield _neuron_image(deep, full, seed)
    yield _invert(full, seed)
    yield _deepdream(full, seed)


def _class_image(name: ClassName, full: bool, seed: int) -> Chapter:
    return chapter(
        "What would the network most like to see?",
        "class_image",
        "There is no photograph here: the image starts as noise and is changed until the network"
        f" is as sure of {name} as it can be. Look for parts that repeat, and for what comes with"
        " them, such as typical surroundings. That, too, is what the class means to the network.",
        {"target": name.target, "steps": 512 if full else 128, "seed": seed},
        lambda f: {"class": f["target"], "score": f"{f['score']:.1f}"},
        grows=True,
    )


def _ladder(name: ClassName, full: bool, seed: int) -> Chapter:
    return chapter(
        "Why not simply maximize the score?",
        "ladder",
        "These images of one class were made in five ways, published from 2014 to 2023. On the"
        " left nothing limits the pixels: the score is highest and there is nothing to see,"
        " because a network can be as sure of noise as of a photograph. Each way to the right"
        " demands more of the image, such as a high score after jitter, blur or rotation, or the"
        " frequencies of natural images. The more is demanded, the more there is to see.",
        {"target": name.target, "seed": seed} | ({} if full else {"steps": 64}),
        lambda f: {preset: f"{score:.1f}" for preset, score in f["score"].items()},
    )


def _neuron_image(layer: str, full: bool, seed: int) -> Chapter:
    return chapter(
        "What would a channel most like to see?",
        "neuron_image",
        f"Each image is made so that one channel of {layer} responds to it as strongly as"
        " possible. Some channels prefer a texture, some a shape, some a color beside another."
        " Most have no name. The network recognizes classes by combining such channels.",
        {"target": layer, "limit": 24 if full else 8, "seed": seed}
        | ({} if full else {"steps": 64}),
        lambda f: {"channels": len(f["target"])},
    )


def _invert(full: bool, seed: int) -> Chapter:
    return chapter(
        "What does each layer remember?",
        "invert",
        "Each image starts as noise and is changed until a layer responds to it as it does to the"
        " photograph. Early layers come first. What the image shares with the photograph, the"
        " layer still knows; the rest is made up, because the layer has lost it. Fine detail and"
        " color tend to be lost first, and then the positions of things.",
        {"size": 160, "seed": seed} if full else {"size": 128, "steps": 64, "seed": seed},
        lambda f: {
            layer: f"root relative error {errors[0]:.3f}"
            for layer, errors in zip(f["layers"], f["root_errors"], strict=True)
        },
    )


def _deepdream(full: bool, seed: int) -> Chapter:
    return chapter(
        "What does the network dream of?",
        "deepdream",
        "The photograph is changed step by step so that a deep layer responds more strongly to"
        " whatever it already finds there. What grows is what the network knows best: animals, if"
        " it was trained on ImageNet.",
        {"steps": 30 if full else 15, "seed": seed},
        lambda f: {"layer": f["layer"]},
        grows=True,
    )
