"""Efros and Leung's textures against plain NumPy: `python -m benchmarks.textures`.

The peers compare a pixel with one window after the other, or with all in one expression. They fill
the last pixels of the same texture, which take them as long as any others. Times are of the
processor. Both fill these pixels alike, or the comparison stops.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import skimage
import torch
from torch import Tensor

from benchmarks.patch_loop import patch_loop
from convscope.synthesis import free_places, grow, neighborhoods

T = TypeVar("T")

SIDE, WINDOW, SEED = 128, 11, 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.textures", description=__doc__)
    parser.add_argument("--pixels", type=int, default=20, help="pixels that the peers fill")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    brick = torch.from_numpy(skimage.data.brick()[None, ::4, ::4].copy())
    coffee = torch.from_numpy(skimage.data.coffee()).permute(2, 0, 1)[:, 128:256, 472:].clone()
    print(f"{SIDE} x {SIDE} pixels, window {WINDOW}, {options.threads} threads; ms a pixel")
    print("| sample | order | ours, s | ours | loop | at once | loop/ours | at once/ours |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name, sample in (("brick", brick), ("wood", coffee)):
        for order in ("scanline", "onion"):
            print(f"| {name} | {order} | {_row(sample, order, options.pixels)} |", flush=True)


def _row(sample: Tensor, order: str, pixels: int) -> str:
    """The seconds of ours, and the milliseconds a pixel and ratios of all."""
    image, known = torch.zeros(len(sample), SIDE, SIDE).byte(), torch.zeros(SIDE, SIDE).bool()
    if order == "onion":
        middle = slice(SIDE // 2 - 1, SIDE // 2 + 2)
        image[:, middle, middle], known[middle, middle] = sample[:, :3, :3], True
    texture, ours = _timed(partial(_grown, sample, image, known, order))
    known = torch.ones_like(known)
    known.view(-1)[-pixels:] = False  # in onion order, a hole along the border
    expected = texture if order == "scanline" else _grown(sample, texture, known, order)
    times = [1000 * ours / SIDE**2]
    for at_once in (False, True):
        arrays = sample.numpy(), texture.numpy(), known.numpy()
        loop = partial(patch_loop, *arrays, WINDOW, order, SEED, at_once=at_once)
        found, seconds = _timed(loop)
        np.testing.assert_array_equal(found, expected.numpy())
        times.append(1000 * seconds / pixels)
    ratios = [time / times[0] for time in times[1:]]
    cells = [f"{ours:.1f}", *(f"{one:.2f}" for one in times), *(f"{one:.0f}" for one in ratios)]
    return " | ".join(cells)


def _grown(sample: Tensor, image: Tensor, known: Tensor, order: str) -> Tensor:
    places = free_places(torch.zeros(sample.shape[1:]).bool(), WINDOW).nonzero()
    sources = neighborhoods(sample, places, WINDOW)
    *_, chosen = grow(sources, image, known, order, SEED)  # type: ignore[arg-type]
    rows, columns = places[chosen.clamp_min(0)].permute(2, 0, 1)
    return torch.where(known, image, sample[:, rows, columns])


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    begun = time.process_time()
    made = work()
    return made, time.process_time() - begun


if __name__ == "__main__":
    main()
