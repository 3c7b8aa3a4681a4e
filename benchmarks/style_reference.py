"""How many evaluations `style` takes to the loss of a long, plain run of L-BFGS.

    python -m benchmarks.style_reference --photos PHOTO... --paintings PAINTING...

The reference is `torch.optim.LBFGS` on the pixels, from the photograph, without bounds, at one
size. `style` runs at the same size alone, and with its own schedule of sizes. Printed are the
lowest loss of the reference, and for both runs of `style` the last loss relative to it and the
evaluations, at all sizes together, after which the loss is at most 1.2 times the reference's.
"""

from __future__ import annotations

import argparse

from torch import Tensor

import convscope as cs
from benchmarks import plain_lbfgs
from benchmarks.style_judge import reduced
from convscope.stylization.optimizing import MAX_EVALS
from convscope.tensors import longer_side
from convscope.vocabulary.style_losses import NETWORK, style_loss

NEAR = 1.2


def reference(net: cs.Network, photo: Tensor, painting: Tensor, evaluations: int) -> float:
    """The lowest loss of plain L-BFGS."""
    usual = style_loss(net)
    bound = (usual.of_style(reduced(painting, photo)) + usual.of_content(photo)).bind(net)

    def loss(image: Tensor) -> Tensor:
        return -bound.read(net, image)[1].sum()

    return min(plain_lbfgs.losses(loss, photo, evaluations, history=100))


def losses(
    net: cs.Network, photo: Tensor, painting: Tensor, evaluations: int, sizes: int | None
) -> list[float]:
    """The loss of `style` before each step; infinite where the picture is still smaller."""
    size, steps = max(photo.shape[-2:]), evaluations
    if sizes is None:
        probe = next(iter(cs.style(net, photo, style=painting, size=size, steps=1)))
        steps = evaluations // (probe.steps or 1)  # of each size
    run = cs.style(net, photo, style=painting, size=size, steps=steps, sizes=sizes)
    found = []
    for result in run:
        whole = max(result.summary["size"]) == size
        last = result.summary["style_losses"][-1] + result.summary["content_losses"][-1]
        found.append(last if whole else float("inf"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.style_reference")
    parser.add_argument("--photos", nargs="+", required=True, help="files, or sample:NAME")
    parser.add_argument("--paintings", nargs="+", required=True)
    parser.add_argument("--size", type=int, default=128, help="longer side of the pictures")
    parser.add_argument("--evaluations", type=int, default=1000, help="of the reference")
    options = parser.parse_args()
    net = cs.load(NETWORK, device="cpu")
    for name, painting in zip(options.photos, options.paintings, strict=True):
        photo, style = longer_side(cs.open_image(name), options.size), cs.open_image(painting)
        least = reference(net, photo, style, options.evaluations)
        print(f"{name}, {painting}: reference {least:.4f}", flush=True)
        for sizes in (1, None):
            curve = losses(net, photo, style, options.evaluations // 2, sizes)
            near = [MAX_EVALS * n for n, value in enumerate(curve) if value <= NEAR * least]
            title = "one size" if sizes else "all sizes"
            after = f"after {near[0]} evaluations" if near else "not reached"
            print(f"  {title}: {curve[-1] / least:.2f} times it; {NEAR} times: {after}", flush=True)


if __name__ == "__main__":
    main()
