"""Judges pictures in another picture's style by a network that did not draw them: VGG-16.

`python -m benchmarks.style_judge --weights FILE --paintings PAINTING... --photos PHOTO...` draws
every photograph in the style of every painting, prints a table, and writes the pictures to
`--output`. FILE has the convolutions of VGG-16's blocks 1 to 4 as safetensors, named
`block1_conv1.w` and `block1_conv1.b` and so on.

The style distance is the relative squared error of the Gram matrices of relu1_2, relu2_2, relu3_3
and relu4_3, averaged over the four layers, and divided by that of the untouched photograph. The
content distance is the relative squared error of relu4_3 itself.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

import convscope as cs
from convscope.tensors import gram, longer_side

LAYERS = {1: 2, 2: 2, 3: 3, 4: 3}  # convolutions of each block
MEAN = (123.68, 116.779, 103.939)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.style_judge", description=__doc__)
    parser.add_argument("--weights", type=Path, help="VGG-16's blocks 1 to 4")
    parser.add_argument("--paintings", nargs="+", required=True)
    parser.add_argument("--photos", nargs="+", required=True, help="files, or sample:NAME")
    parser.add_argument("--size", type=int, default=256, help="longer side of the pictures")
    parser.add_argument("--steps", type=int, default=90)
    parser.add_argument("--output", type=Path, default=Path("styles"))
    options = parser.parse_args()
    if options.weights is None or not options.weights.is_file():
        print("skipped: no file of VGG-16's weights; give --weights")
        return
    judge, net = Judge(options.weights), cs.load("squeezenet1_1", device="cpu")
    options.output.mkdir(parents=True, exist_ok=True)
    print("| photograph | painting | style | content | CPU s |\n|---|---|---:|---:|---:|")
    rows = []
    for photo in options.photos:
        shown = longer_side(cs.open_image(photo), options.size)
        for painting in options.paintings:
            begun = time.process_time()
            run = cs.style(net, shown, style=painting, size=options.size, steps=options.steps)
            result = run.result()
            seconds = time.process_time() - begun
            names = _name(photo), _name(painting)
            result.save(options.output / f"{names[0]}-{names[1]}.png")
            drawn = torch.from_numpy(result.image).permute(0, 3, 1, 2)
            rows.append(judge(drawn, shown, reduced(cs.open_image(painting), shown)))
            cells = " | ".join(f"{value:.2f}" for value in rows[-1])
            print(f"| {names[0]} | {names[1]} | {cells} | {seconds:.0f} |", flush=True)
    means = " | ".join(f"{statistics.mean(column):.2f}" for column in zip(*rows, strict=True))
    print(f"| mean | | {means} | |")


def _name(path: str) -> str:
    return Path(path.removeprefix("sample:")).stem


def reduced(painting: Tensor, shown: Tensor) -> Tensor:
    """The painting, reduced until its shorter side is that of the picture."""
    factor = min(1.0, min(shown.shape[-2:]) / min(painting.shape[-2:]))
    return longer_side(painting, round(factor * max(painting.shape[-2:])))


class Judge:
    """The distances of pictures from a painting and from a photograph, all (1, 3, H, W) in [0, 1].

    The painting should have the scale of the photograph.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = {name: values.float() for name, values in load_file(weights).items()}

    def __call__(self, drawn: Tensor, photo: Tensor, painting: Tensor) -> tuple[float, float]:
        """The distance in style and that in content."""
        found, before, there = (self.features(one) for one in (drawn, photo, painting))
        content = float(_relative(found[4], before[4]))
        return self._style(found, there) / self._style(before, there), content

    @torch.no_grad()
    def features(self, image: Tensor) -> Mapping[int, Tensor]:
        """What the last ReLU of each block gives, by the block's number."""
        values = (image.clamp(0, 1) * 255 - torch.tensor(MEAN).view(1, 3, 1, 1)).flip(1)
        found = {}
        for block, count in LAYERS.items():
            values = values if block == 1 else F.max_pool2d(values, 2)
            for number in range(1, count + 1):
                name = f"block{block}_conv{number}"
                weight, bias = self.weights[f"{name}.w"], self.weights[f"{name}.b"]
                values = F.relu(F.conv2d(values, weight, bias.flatten(), padding=1))
            found[block] = values
        return found

    @staticmethod
    def _style(found: Mapping[int, Tensor], there: Mapping[int, Tensor]) -> float:
        return statistics.mean(float(_relative(gram(found[b]), gram(there[b]))) for b in found)


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    return (found - wanted).square().sum() / wanted.square().sum()


if __name__ == "__main__":
    main()
