"""How many evaluations of L-BFGS the shipped style network is worth, on new photographs.

    python -m benchmarks.style_network PHOTOGRAPHS STYLES [--photos N]

PHOTOGRAPHS is a folder that the network was not trained on, STYLES the folder of its style images.
For every style and photograph, the loss of the network's picture is compared with that of L-BFGS
that begins at the photograph, under the loss of `style` and under the loss that the network was
trained with. Printed are the medians of the ratio to the loss after 60 evaluations, and of the
number of evaluations after which L-BFGS is as good as the network.

With `--race SIZE`, the time of a picture of that size by the network is compared with that of
`style` down to the same loss: processor time of one thread, with all of `style`'s smaller sizes and
at that size alone.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import convscope as cs
from benchmarks import plain_lbfgs
from benchmarks.style_judge import reduced
from benchmarks.stylizing import seconds as seconds_of
from convscope.files import photographs
from convscope.stylization import SHIPPED, StyleNetwork, draw, open_styles
from convscope.stylization.crops import resized
from convscope.stylization.losses import LOSS, ManyStyles
from convscope.tensors import longer_side
from convscope.vocabulary.style_losses import NETWORK, SQUEEZENET, StyleLoss, style_loss

EVALUATIONS = 60


def lbfgs(loss: ManyStyles, photo: Tensor, row: Tensor) -> list[float]:
    """The lowest losses of L-BFGS from a photograph, after each evaluation."""

    def total(image: Tensor) -> Tensor:
        style, content = loss(image.clamp(0, 1), photo, row)
        return (style + content).sum()

    found = plain_lbfgs.losses(total, photo, EVALUATIONS, history=20)
    return list(itertools.accumulate(found, min))


def compare(
    drawer: StyleNetwork, loss: ManyStyles, photos: list[Tensor], rows: list[int]
) -> Iterator[tuple[str, float, int]]:
    """The style, the ratio of the losses, and the evaluations that the network is worth."""
    for number in rows:
        row = torch.tensor([number])
        name = drawer.styles[number]
        for photo in photos:
            with torch.no_grad():
                style, content = loss(drawer(photo, drawer.weights(name)), photo, row)
            ours = float(style + content)
            curve = lbfgs(loss, photo, row)
            worth = next((i for i, value in enumerate(curve, 1) if value <= ours), EVALUATIONS)
            yield name, ours / curve[-1], worth


def race(drawer: StyleNetwork, net: cs.Network, photo: Tensor, painting: Tensor, name: str) -> str:
    """How long the network takes for a picture, and `style` for one that is as good."""
    weights, usual = drawer.weights(name), style_loss(net)
    fitted = reduced(painting, photo)
    bound = (usual.of_style(fitted) + usual.of_content(photo)).bind(net)
    drawn = seconds_of(lambda: draw(drawer, photo, weights), 3)
    with torch.no_grad():
        wanted = -float(bound.read(net, draw(drawer, photo, weights))[1])
    found = [
        f"{title} {seconds:.1f} s, {seconds / drawn:.0f} times as long"
        for title, sizes in (("all sizes", None), ("one size", 1))
        for seconds in [_until(wanted, net, photo, fitted, sizes)]
    ]
    return f"{name:20} loss {wanted:.3f} in {drawn:.2f} s; style in {'; in '.join(found)}"


def _until(
    wanted: float, net: cs.Network, photo: Tensor, style: Tensor, sizes: int | None
) -> float:
    """The processor time of `style` until its picture of full size is as good; at most all of it.

    Losses are looked at every 15 evaluations.
    """
    size, begun, before = max(photo.shape[-2:]), time.process_time(), 0.0
    for result in cs.style(net, photo, style=style, size=size, sizes=sizes):
        parts = result.summary  # with the losses before the step
        last = parts["style_losses"][-1] + parts["content_losses"][-1]
        if max(parts["size"]) == size and last <= wanted:
            break
        before = time.process_time() - begun
    return before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("styles", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--size", type=int, default=192, help="pixels of the shorter side")
    parser.add_argument("--photos", type=int, default=3, help="how many photographs")
    parser.add_argument("--race", type=int, help="pixels of the longer side of a race")
    options = parser.parse_args()
    drawer, about = open_styles(options.checkpoint)
    net = cs.load(NETWORK)
    side = about.made["settings"]["style_size"]
    files = {file.stem: file for file in photographs(options.styles)}
    images = [resized(cs.open_image(files[name]), side) for name in drawer.styles]
    chosen = photographs(options.photographs)[: options.photos]
    if options.race:
        torch.set_num_threads(1)
        for file, name in zip(chosen, drawer.styles, strict=False):
            photo = longer_side(cs.open_image(file), options.race)
            print(race(drawer, net, photo, cs.open_image(files[name]), name), flush=True)
        return
    photos = [resized(cs.open_image(file), options.size) for file in chosen]
    losses: dict[str, StyleLoss] = {"style": SQUEEZENET, "train_style": LOSS}
    for title, loss in losses.items():
        wanted = ManyStyles(net, loss, images)
        found = list(compare(drawer, wanted, photos, list(range(len(drawer.styles)))))
        for name in drawer.styles:
            ratios = [ratio for style, ratio, _ in found if style == name]
            worth = [count for style, _, count in found if style == name]
            print(f"  {name:20} {statistics.median(ratios):6.2f} {statistics.median(worth):6.0f}")
        ratio = statistics.median(ratio for _, ratio, _ in found)
        count = statistics.median(count for _, _, count in found)
        print(f"loss of {title}: {ratio:.2f} times that of L-BFGS, worth {count:.0f} evaluations")


if __name__ == "__main__":
    main()
