"""Draws the style images of the shipped style network that are no paintings.

    python benchmarks/drawn_styles.py FOLDER

The same images every time: a mosaic, stained glass, a halftone, a woodcut and a pencil drawing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

SIZE = 512

ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE].astype(np.float64)


def landscape(seed: int, softness: float = 30.0) -> Array:
    """Soft hills with values from 0 to 1, (SIZE, SIZE)."""
    hills = gaussian_filter(np.random.default_rng(seed).normal(size=(SIZE, SIZE)), softness)
    ranks: Array = hills.argsort(None).argsort().reshape(hills.shape) / hills.size
    return ranks


def palette(values: Array, colors: list[str]) -> Array:
    """Colors (..., 3) for values from 0 to 1, blended from neighbors in the list."""
    known = np.array([[int(one[i : i + 2], 16) / 255 for i in (0, 2, 4)] for one in colors])
    places = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(values, places, known[:, i]) for i in range(3)], -1)


def cells(points: Array) -> tuple[NDArray[np.int64], Array]:
    """The nearest point of each pixel, and how far the pixel is from the border to the next."""
    distances, nearest = cKDTree(points).query(np.stack([ROWS, COLUMNS], -1), k=2)
    return nearest[..., 0], distances[..., 1] - distances[..., 0]


def mosaic() -> Array:
    """Small bright stones in gray mortar, along the hills."""
    random = np.random.default_rng(1)
    places = np.arange(9.0, SIZE, 18)
    grid = np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)
    points = grid + random.normal(0, 2.7, grid.shape)
    stone, border = cells(points)
    hills = landscape(2, 35.0)[tuple(points.clip(0, SIZE - 1).astype(int).T)]
    colors = ["173b63", "2a7f9e", "e9dcb5", "d98b2b", "a5321f", "f2efe4", "2f6b4f"]
    picture = palette((hills + random.normal(0, 0.05, len(points))).clip(0, 1), colors)[stone]
    picture = picture * (0.92 + 0.12 * random.random(len(points)))[stone][..., None]
    mortar = np.clip(border / 2.5 - 0.3, 0, 1)[..., None]
    return picture * mortar + 0.42 * (1 - mortar)


def stained_glass() -> Array:
    """Large panes that glow, in black lead."""
    random = np.random.default_rng(3)
    points = random.random((110, 2)) * SIZE
    pane, border = cells(points)
    jewels = ["0b2f8a", "b3122a", "f2b21b", "0f7d4c", "6a1f8f", "e8651a", "37a6d6", "f4e8b0"]
    picture = palette(random.random(len(points)).round(1), jewels)[pane]
    picture = picture * (0.75 + 0.4 * landscape(4, 12.0))[..., None]
    return picture * np.clip(border / 3 - 1.2, 0, 1)[..., None]


def halftone() -> Array:
    """Dots of three inks on white paper, each ink in a screen of its own angle."""
    picture = np.ones((SIZE, SIZE, 3))
    inks = [("00a5dc", 15, 5), ("e6147d", 75, 6), ("ffe600", 0, 7)]
    for ink, angle, seed in inks:
        turn = np.deg2rad(angle)
        along = (COLUMNS * np.cos(turn) + ROWS * np.sin(turn)) * np.pi / 8
        across = (ROWS * np.cos(turn) - COLUMNS * np.sin(turn)) * np.pi / 8
        screen = (2 + np.cos(along) + np.cos(across)) / 4
        dot = np.clip((screen - 1 + landscape(seed, 45.0)) * 8 + 0.5, 0, 1)[..., None]
        picture *= 1 - dot * (1 - palette(np.zeros(1), [ink]))
    return picture


def woodcut() -> Array:
    """Black lines that swell and shrink along the hills, on warm paper."""
    hills = gaussian_filter(landscape(8, 45.0), 6)
    lines = np.cos(hills * 120 + gaussian_filter(landscape(9, 10.0), 4) * 5)
    shade = landscape(10, 40.0)
    ink = np.clip((lines + 2.6 * shade - 1.3) * 4 + 0.5, 0, 1)[..., None]
    black, paper = palette(np.zeros(1), ["16120f"]), palette(np.zeros(1), ["f0e2c4"])
    picture: Array = black + (paper - black) * ink
    return picture


def pencil() -> Array:
    """Crossed pencil strokes on grained paper, closer where it is dark."""
    random = np.random.default_rng(11)
    grain = gaussian_filter(random.normal(size=(SIZE, SIZE)), 0.8)
    shade = landscape(12, 40.0)
    paper = np.full((SIZE, SIZE), 0.95)
    for number, angle in enumerate((35, 80, 130)):
        turn = np.deg2rad(angle)
        noise = gaussian_filter(random.normal(size=(SIZE, SIZE)), (0.7, 22.0))
        # Strokes are noise that is drawn out along one direction.
        rows = 256 + (ROWS - 256) * np.cos(turn) - (COLUMNS - 256) * np.sin(turn)
        columns = 256 + (ROWS - 256) * np.sin(turn) + (COLUMNS - 256) * np.cos(turn)
        strokes = map_coordinates(noise, [rows, columns], order=1, mode="wrap")
        dark = np.clip((shade - 0.25 - 0.22 * number) * 2.2, 0, 1)
        paper -= 0.55 * dark * np.clip(strokes / strokes.std() * 0.9 + 0.35, 0, 1)
    return np.repeat((paper + 0.05 * grain / grain.std())[..., None], 3, -1)


DRAWN = (mosaic, stained_glass, halftone, woodcut, pencil)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for draw in DRAWN:
        pixels = np.rint(draw().clip(0, 1) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{draw.__name__}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
