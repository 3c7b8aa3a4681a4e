"""Six recipes that are papers, to begin with in the composer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.errors import ConvscopeError
from convscope.network import Network, default_layers
from convscope.web import recipes
from convscope.web.models import RecipeExample


@dataclass(frozen=True)
class _Paper:
    """A recipe with the names of its paper.

    Attributes:
        texts: as in a recipe file, with {class}, {middle}, {deep} for what suits the network; an
            objective with {texture} is a sum over layers.
    """

    name: str
    title: str
    paper: str
    url: str
    summary: str
    texts: Mapping[str, Any]


PAPERS = (
    _Paper(
        "feature_visualization",
        "Class image",
        "Olah, Mordvintsev and Schubert 2017",
        "https://distill.pub/2017/feature-visualization/",
        "From noise in Fourier space, climb the logit of a class while the image turns and shifts.",
        {
            "start": "fourier(decay=1.0)",
            "objective": "logit({class}) - 600 * tv()",
            "rule": "redirected()",
            "priors": ["random_affine(rotate=12, scale=(0.8, 1.4), shift=14)"],
            "optimizer": "adam(0.05)",
            "steps": 128,
        },
    ),
    _Paper(
        "maco",
        "Class image with the spectrum of photographs",
        "Fel et al. 2023",
        "https://arxiv.org/abs/2306.06805",
        "The same climb, but only the phases change: how strong each scale is stays natural.",
        {
            "start": "maco()",
            "objective": "logit({class})",
            "rule": "redirected(0.08)",
            "priors": [
                "random_affine(rotate=8, scale=(1.0, 1.6), shift=40)",
                "gaussian_noise(0.05)",
            ],
            "optimizer": "adam(0.15)",
            "steps": 128,
        },
    ),
    _Paper(
        "deepdream",
        "DeepDream",
        "Mordvintsev, Olah and Tyka 2015",
        "https://research.google/blog/inceptionism-going-deeper-into-neural-networks/",
        "From a photograph, amplify whatever a layer already finds in it.",
        {
            "start": "photo(image)",
            "objective": "energy({deep}, leak=0.1)",
            "rule": "redirected()",
            "priors": [
                "jitter(24)",
                "natural_colors(0.85)",
                "smooth_gradient()",
                "unit_gradient()",
                "clamp()",
            ],
            "optimizer": "sgd(0.012)",
            "steps": 60,
        },
    ),
    _Paper(
        "inversion",
        "What a layer remembers",
        "Mahendran and Vedaldi 2015",
        "https://arxiv.org/abs/1412.0035",
        "From noise, find the smoothest image that a layer cannot tell from the photograph.",
        {
            "start": "fourier(decay=1.0)",
            "objective": "match({middle}, net.preprocess(image)) - tv() - 0.1 * power(6)",
            "optimizer": "lbfgs(max_evals=4)",
            "steps": 64,
        },
    ),
    _Paper(
        "texture",
        "Texture",
        "Gatys, Ecker and Bethge 2015",
        "https://arxiv.org/abs/1505.07376",
        "From noise, reach the statistics of a photograph in several layers, which forget places.",
        {
            "start": "fourier(size=256)",
            "objective": "{texture}",
            "optimizer": "lbfgs(max_evals=4)",
            "steps": 75,
        },
    ),
    _Paper(
        "adversarial",
        "Adversarial example",
        "Goodfellow, Shlens and Szegedy 2015; Kurakin, Goodfellow and Bengio 2017",
        "https://arxiv.org/abs/1607.02533",
        "From a photograph, small steps toward another class, which nobody sees.",
        {
            "start": "photo(net.preprocess(image))",
            "objective": "log_probability({class})",
            "priors": [
                "project_to_ball(net.preprocess(image), radius=0.008, norm='inf')",
                "clamp()",
            ],
            "optimizer": "sign(0.001)",
            "steps": 30,
        },
    ),
)


def examples(net: Network) -> list[RecipeExample]:
    """The recipes with layers and a class of a network; those that it has no layers for are out."""
    found = []
    for one in PAPERS:
        try:
            texts = {part: _suited(text, net) for part, text in one.texts.items()}
        except ConvscopeError:  # it has no classes, or no layer with feature maps
            continue
        found.append(
            RecipeExample(
                name=one.name,
                title=one.title,
                paper=one.paper,
                url=one.url,
                summary=one.summary,
                recipe=recipes.parts_from(texts),
            )
        )
    return found


def _suited(text: Any, net: Network) -> Any:
    """A text with the names of a network."""
    if not isinstance(text, str):
        return text
    for word, name in _NAMES.items():
        if word in text:
            text = text.replace(word, name(net))
    return text


CLASS = "volcano"


def _class(net: Network) -> str:
    """A class that draws well, or else the last one."""
    net.outputs.classes()
    return repr(CLASS if CLASS in net.labels else (net.num_classes or 1) - 1)


def _middle(net: Network) -> str:
    stages = net.stages or (default_layers.first(net),)
    return repr(default_layers.before_activation(stages[len(stages) // 2]))


def _deep(net: Network) -> str:
    return repr(default_layers.before_activation(default_layers.deep(net)))


def _texture(net: Network) -> str:
    layers = default_layers.textured(net)
    return " + ".join(f"match({name!r}, image, by='gram')" for name in layers)


_NAMES = {"{class}": _class, "{middle}": _middle, "{deep}": _deep, "{texture}": _texture}
