"""Textures and styles: what is left of a picture when its places are forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from convscope.reports.chapter import Chapter, chapter


def chapters(*, full: bool, seed: int) -> Iterator[Chapter]:
    """A chapter about the photograph as a texture."""
    yield _texture(full, seed)


def _texture(full: bool, seed: int) -> Chapter:
    return chapter(
        "What texture does each layer know?",
        "texture",
        "Each picture starts as noise and is changed until the layers have the same statistics as"
        " for the photograph: how often features occur, and which occur together, wherever they"
        " are. The first picture matches one layer, and each further picture one layer more. Colors"
        " and grain come first, then strokes and patterns, and at last whole parts, in the wrong"
        " places. The curve shows how near the pictures come to the photograph in layers that were"
        " not matched.",
        {"each_depth": True, "seed": seed}
        | ({} if full else {"height": 128, "width": 128, "sample_size": 192, "steps": 60}),
        lambda f: {
            f"distance in other layers, with layers up to {layer}": f"{distance:.2f}"
            for layer, distance in zip(f["layers"], f["others"], strict=True)
        },
    )
