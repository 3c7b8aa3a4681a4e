"""Pictures for the pages: what the last expression of a piece of code shows.

sphinx-gallery looks for `_get_sg_image_scraper`; the directive in `running.py` uses `pictures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx_gallery.scrapers import figure_rst

from convscope import Result, Run

LECTURE = (
    "predict",
    "filters",
    "activations",
    "occlusion",
    "random_occlusion",
    "saliency",
    "smoothgrad",
    "input_x_gradient",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "intermediate",
    "patches",
    "cam",
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "scorecam",
    "guided_gradcam",
    "segment",
    "compare",
    "neighbors",
    "embedding_map",
    "activation_atlas",
    "confusions",
    "class_image",
    "ladder",
    "neuron_image",
    "deepdream",
    "invert",
    "efros_leung",
    "texture",
    "style",
    "stylize",
)


def pictures(value: object) -> Iterator[Image.Image]:
    """The pictures in a run, a result, a PIL image, or a list of these; else none."""
    if isinstance(value, Run):
        yield value.result().picture
    elif isinstance(value, Result):
        yield value.picture
    elif isinstance(value, Image.Image):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from pictures(one)


def rank(name: str) -> tuple[int, str]:
    """Where a technique comes in the lecture; those it does not have come last, by name."""
    return (LECTURE.index(name) if name in LECTURE else len(LECTURE), name)


def lecture_order(path: str) -> tuple[int, str]:
    """The same for plot_NAME.py."""
    return rank(Path(path).stem.removeprefix("plot_"))


class LectureOrder:
    """The same as the class that sphinx-gallery asks for."""

    def __init__(self, _folder: str) -> None:
        pass

    def __call__(self, path: str) -> tuple[int, str]:
        return lecture_order(path)

    def __repr__(self) -> str:
        return "<LectureOrder>"


def _get_sg_image_scraper() -> Any:
    return _scrape


def _scrape(_block: Any, variables: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    # sphinx-gallery keeps the last expression under this name; cleared, so that the next block
    # does not show it again.
    value = variables["example_globals"].get("___")
    variables["example_globals"]["___"] = None
    found = list(pictures(value))
    paths = [path for _, path in zip(found, variables["image_path_iterator"], strict=False)]
    for picture, path in zip(found, paths, strict=True):
        picture.save(path)
    # Small pictures stand side by side, figures below each other.
    small = all(picture.width < 400 for picture in found)
    rows = [paths] if small else [[path] for path in paths]
    return "\n".join(figure_rst(row, gallery_conf["src_dir"]) for row in rows)
