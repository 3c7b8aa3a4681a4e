"""Beyond the gradient, and beyond networks: images that evolve, and HOG."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from convscope.reports.chapter import Chapter, chapter, percent
from convscope.reports.chapters.styles import other_sample


def evolution(full: bool, seed: int) -> Iterator[Chapter]:
    """A chapter about a network with classes."""
    yield chapter(
        "Can it be fooled without its gradient?",
        "evolve",
        "These patterns were drawn by small networks that mutate at random. The best image for each"
        " class survives and has children, and nothing else is known of the network but how sure"
        " it is. It has seen no such image, and a person recognizes nothing in most of them. The"
        " longer the images evolve, the surer of them it becomes.",
        {"limit": 16, "offspring": 16, "steps": 400 if full else 12, "seed": seed},
        lambda f: {
            "images judged": f["evaluations"],
            "classes above 90%": f["sure"],
        },
    )


def compression(full: bool) -> Iterator[Chapter]:
    """A chapter about a network with classes."""
    yield chapter(
        "How many weights does it need?",
        "prune",
        "Many weights are near zero. The smallest ones are set to zero, more and more of them, and"
        " the photograph and some samples are predicted again. Some weights can go before the"
        " prediction changes, although nothing is trained. With few different values and a short"
        " training, a network fits into an eighth of its bytes. The filters of the first layer are"
        " shown before and after; layers with few weights lose fewer of them.",
        {} if full else {"sparsities": (0.2, 0.3, 0.4, 0.6)},
        quote=lambda f: {
            "weights": f"{f['weights']:,}",
            "near zero": percent(f["near_zero"]),
            "the prediction is the same up to a sparsity of": percent(f["kept"]),
        },
    )


def descriptors(photo: Tensor, full: bool) -> Iterator[Chapter]:
    """Chapters about HOG, which needs no network."""
    yield chapter(
        "What described images before ConvNets?",
        "hog",
        "Histograms of oriented gradients: how much the brightness changes in each of nine"
        " directions, cell by cell. Each star is a cell, and its rays lie along the edges. Nothing"
        " here is learned.",
        {"pixels_per_cell": max(8, max(photo.shape[-2:]) // 32)},
        quote=lambda f: {"numbers": f["values"]},
    )
    yield chapter(
        "Is HOG fooled as well?",
        "hog_twins",
        "Not only ConvNets can be fooled. The second picture has the large forms and colors of"
        " another photograph, and the edges of this one on a fine chessboard, which HOG does not"
        " see. Its pixels hardly correlate with those of the photograph, and its HOG is nearly the"
        " same.",
        {"other": other_sample(photo)} | ({} if full else {"steps": 150}),
        lambda f: {
            "HOG distance, of that between two photographs": percent(f["distance"]),
            "correlation of the pixels": f"{f['correlation']:.2f}",
        },
    )
