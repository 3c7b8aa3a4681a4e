"""How fast and how steady `stylize` is: python -m benchmarks.stylizing

Prints processor time, which does not depend on what else the machine does, and the flicker of a
still scene with noise: the mean absolute difference of consecutive frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

import convscope as cs
from convscope import tensors
from convscope.stylization import Steadier, draw, drawing, open_styles
from convscope.system import keep_pages
from convscope.types import Array

NOISE = 6.0  # standard deviation of the noise of the frames, of 255

FRAMES, SETTLED = 16, 6


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """The processor time of one call, once the first is over."""
    work()
    begun = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - begun) / repeats


def bands(photo: torch.Tensor, band: int) -> None:
    """How near a photograph in bands is to the same one drawn at once, and how long both take."""
    net, _ = open_styles()
    drawing.BAND = band
    worst, times = 0.0, [0.0, 0.0]
    for name in net.styles:
        pictures = []
        for number, whole in enumerate((photo.numel(), 0)):
            begun = time.process_time()
            pictures.append(draw(net, photo, net.weights(name), whole))
            times[number] += time.process_time() - begun
        worst = max(worst, float((pictures[0] - pictures[1]).abs().max()))
    size = "{} x {}".format(*photo.shape[-2:])
    print(
        f"{size}: bands of {band} pixels differ by at most {worst:.1e} in {len(net.styles)} styles,"
        f" and take {times[1] / times[0]:.2f} of the time"
    )


def frames(photo: torch.Tensor) -> None:
    """Frames a second, drawn and steadied."""
    net, _ = open_styles()
    weights, steadier = net.weights(net.styles[0]), Steadier(0.75)
    frame = as_bytes(photo)

    def one() -> None:
        steadier(frame, as_array(draw(net, photo, weights)))

    alone, both = seconds(lambda: draw(net, photo, weights)), seconds(one)
    size = "{} x {}".format(*photo.shape[-2:])
    print(f"{size}: {1 / alone:.1f} frames a second, steadied {1 / both:.1f}")


def flicker(photo: torch.Tensor) -> None:
    """Of each style: alone, steadied, and the ratio."""
    net, _ = open_styles()
    clean = as_bytes(photo).astype(np.float64)
    for name in net.styles:
        weights, steadier = net.weights(name), Steadier(0.75)
        random = np.random.default_rng(0)
        alone, steady = list[Array](), list[Array]()
        for _ in range(FRAMES):
            noisy = clean + random.normal(0, NOISE, clean.shape)
            frame = np.clip(noisy, 0, 255).round().astype(np.uint8)
            image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
            alone.append(as_array(draw(net, image, weights)))
            steady.append(steadier(frame, alone[-1]))
        single, steadied = difference(alone), difference(steady)
        print(f"{name:>20}: {single:.4f}, steadied {steadied:.4f}, ratio {steadied / single:.2f}")


def difference(shown: list[Array]) -> float:
    """The mean absolute difference of consecutive frames."""
    return float(np.abs(np.diff(np.stack(shown[SETTLED:]), axis=0)).mean())


def as_bytes(photo: torch.Tensor) -> Array:
    pixels: Array = (photo[0].permute(1, 2, 0) * 255).round().byte().contiguous().numpy()
    return pixels


def as_array(drawn: torch.Tensor) -> Array:
    pixels: Array = drawn[0].permute(1, 2, 0).contiguous().numpy()
    return pixels


def main() -> None:
    keep_pages()
    photo = cs.open_image("sample:astronaut")
    small = tensors.resize(photo, (256, 256)).clamp(0, 1)
    frames(small)
    frames(photo)
    bands(tensors.resize(photo, (1400, 1400)).clamp(0, 1), drawing.BAND)
    bands(small, 2**15)
    flicker(small)


if __name__ == "__main__":
    main()
