"""Textures and styles: what is left of a picture when its places are forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from convscope.files import images
from convscope.network import Network, load
from convscope.reports.chapter import Chapter, chapter

STYLES = ("coffee", "rocket")  # samples that a photograph is drawn in the style of; the first other
FOUR = ("great_wave", "scream", "stained_glass", "pencil")  # of the styles that a network knows


def chapters(net: Network, photo: Tensor, *, full: bool, seed: int) -> Iterator[Chapter]:
    """Chapters about the photograph as a texture, and in the style of other pictures."""
    yield _drawn_by_usual(net, _texture(full, seed))
    yield _drawn_by_usual(net, _style(photo, full, seed))
    yield _stylize(full)


def _drawn_by_usual(net: Network, found: Chapter) -> Chapter:
    """A chapter with the network that its technique has on the command line."""
    assert found.technique.network is not None
    if net.name != found.technique.network:
        found.net = load(found.technique.network, device=net.device)
    return found


def _texture(full: bool, seed: int) -> Chapter:
    return chapter(
        "What texture does each layer know?",
        "texture",
        "Each picture starts as noise and is changed until the layers of SqueezeNet, the small"
        " network that comes with convscope, have the same statistics as for the photograph: how"
        " often features occur, and which occur together, wherever they are. The first picture"
        " matches one layer, and each further picture one layer more. Colors and grain come first,"
        " then strokes and patterns, and at last whole parts, in the wrong places. The curve shows"
        " how near the pictures come to the photograph in layers that were not matched.",
        {"each_depth": True, "seed": seed}
        | ({} if full else {"height": 128, "width": 128, "sample_size": 192, "steps": 60}),
        lambda f: {
            f"distance in other layers, with layers up to {layer}": f"{distance:.2f}"
            for layer, distance in zip(f["layers"], f["others"], strict=False)
        },
    )


def _style(photo: Tensor, full: bool, seed: int) -> Chapter:
    sample = other_sample(photo)
    return chapter(
        "Can a photograph take the style of another picture?",
        "style",
        "The texture of one picture, and the places of another. This one began as the photograph"
        " and was changed until shallow layers have the statistics of scikit-image's"
        f" {sample.removeprefix(images.SAMPLE_PREFIX)}, while a deeper layer still sees at each"
        " place what it saw in the photograph. SqueezeNet draws"
        " this picture too: its strokes are broader than those of most networks.",
        {"style": sample, "seed": seed} | ({} if full else {"size": 256, "steps": 45}),
        lambda f: {"style layers": ", ".join(f["layers"])},
        grows=True,
    )


def other_sample(photo: Tensor) -> str:
    """A sample that is not the photograph itself."""
    path = (images.source(photo) or {"path": ""})["path"]
    samples = (f"{images.SAMPLE_PREFIX}{one}" for one in STYLES)
    return next(one for one in samples if one != path)


def _stylize(full: bool) -> Chapter:
    return chapter(
        "How fast can a style be?",
        "stylize",
        "Here a second network has learned to draw: it gives in one pass what took many steps in"
        " the chapter before. Fourteen styles are in this one network. Each has its own scale and"
        " offset for every channel, and the rest is shared, so that styles can be blended as well."
        " Here are four of them: two paintings, stained glass and a pencil.",
        {"sheet": FOUR} | ({} if full else {"size": 384}),
        lambda f: {"styles": ", ".join(f["styles"])},
    )
