"""Which pixels the prediction depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convscope.reports.chapter import Chapter, ClassName, chapter, percent


def chapters(classes: Sequence[ClassName], *, full: bool, seed: int) -> Iterator[Chapter]:
    """Chapters about the predicted class and, if there is one, the runner-up."""
    name = classes[0]
    samples = {"samples": 64 if full else 16, "seed": seed}
    yield _occlusion(name, full)
    yield _random_occlusion(name, full, seed)
    yield _saliency(name)
    yield _guided_backprop(name, samples)
    yield _gradcam(name)
    yield _guided_gradcam(name, samples)
    yield _segment(name, seed)
    if len(classes) > 1:
        yield _compare(name, classes[1], full)


def _occlusion(name: ClassName, full: bool) -> Chapter:
    return chapter(
        "What happens when a part is hidden?",
        "occlusion",
        "A blurred square slides over the photograph. The map is red where hiding a part lowers"
        f" the score of {name}, and blue where it raises the score. This is slow but easy to"
        " trust, because every score was really measured.",
        {"target": name.target, **({"stride": 8} if full else {})},
        lambda f: {"largest fall of the score": f"{f['highest']:.2f}"},
    )


def _random_occlusion(name: ClassName, full: bool, seed: int) -> Chapter:
    return chapter(
        "Which parts are enough?",
        "random_occlusion",
        "Random parts of the photograph are hidden, hundreds of times. Red marks pixels that make"
        f" {name} more likely, on average, when they are visible. Beside the map are the masks"
        " with the highest and the lowest scores. Parts that are visible in the first and hidden"
        " in the second are the ones that count.",
        {"target": name.target, "count": 1024 if full else 256, "seed": seed},
        lambda f: {
            "masks": f["masks"],
            f"masks that keep {name} on top": percent(f["fraction_on_top"]),
        },
    )


def _saliency(name: ClassName) -> Chapter:
    return chapter(
        "Which pixels matter?",
        "saliency",
        "The brighter a pixel, the more a small change of that pixel would change the score of"
        f" {name}. The map shows where the network is sensitive, but not in which direction. It is"
        " noisy, so trust clusters and not single pixels. Values are changes of the score per"
        " change of the pixel.",
        {"target": name.target},
        _quote_target,
    )


def _guided_backprop(name: ClassName, samples: Mapping[str, Any]) -> Chapter:
    return chapter(
        "Which details excite the network?",
        "guided_backprop",
        f"This is the gradient of the score of {name}, except that only positive influences are"
        " kept on the way back. Gray means no influence. The picture shows, in fine detail, what"
        " the network found. It looks almost the same for other classes, however, so it shows what"
        " the network saw rather than what decided.",
        {"target": name.target, **samples},
        _quote_target,
    )


def _gradcam(name: ClassName) -> Chapter:
    return chapter(
        "Where is the evidence?",
        "gradcam",
        f"The map shows where the last feature maps of the network support {name}. It is coarse,"
        " because these feature maps have few positions. Check whether the evidence is on the"
        " object itself or on something that usually appears with it.",
        {"target": name.target},
        lambda f: {f"score of {f['target']}": f"{f['score']:.2f}", "layer": f["layer"]},
    )


def _guided_gradcam(name: ClassName, samples: Mapping[str, Any]) -> Chapter:
    return chapter(
        "Which details are evidence?",
        "guided_gradcam",
        "The pictures of guided backpropagation and Grad-CAM are multiplied here. Fine details"
        " remain only where the evidence is.",
        {"target": name.target, **samples},
        _quote_target,
    )


def _segment(name: ClassName, seed: int) -> Chapter:
    return chapter(
        "Where does the object end?",
        "segment",
        "The object is cut out with the help of a network that never saw an outline. The heatmaps"
        " choose pixels that surely belong to the object and pixels that surely do not, and the"
        " colors of these decide about the rest.",
        {"target": name.target, "seed": seed},
        lambda f: {"fraction of the photograph": percent(f["fraction_of_image"])},
    )


def _compare(name: ClassName, other: ClassName, full: bool) -> Chapter:
    methods = (
        "smoothgrad", "input_x_gradient", "integrated_gradients", "cam", "gradcam_plus_plus",
        "layercam", *(["scorecam"] if full else []),
    )  # fmt: skip
    return chapter(
        "What do other methods show?",
        "compare",
        f"These methods answer the same question, in the upper row for {name} and in the lower row"
        f" for the runner-up, {other}. Within a column, equal colors are equal values. Where both"
        " rows look alike, the method shows what the network saw rather than what decides between"
        " the two classes.",
        {"methods": methods, "target": (name.target, other.target)},
    )


def _quote_target(summary: Mapping[str, Any]) -> Mapping[str, object]:
    steepest = (
        {"largest gradient of a pixel": f"{summary['largest_gradient']:.3g}"}
        if "largest_gradient" in summary
        else {}
    )
    return {f"score of {summary['target']}": f"{summary['score']:.2f}", **steepest}
