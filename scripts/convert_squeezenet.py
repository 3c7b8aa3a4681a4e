"""Makes src/convscope/network/sources/squeezenet1_1.safetensors.

The weights are those of https://github.com/forresti/SqueezeNet, version 1.1, with the names of
torchvision's squeezenet1_1. As published for Caffe, the network takes channels in the order blue,
green, red. Here the first convolution is turned around, so that it takes red, green, blue. The
numbers stay float16. The names of ImageNet's classes come from timm.

    python scripts/convert_squeezenet.py SOURCE.safetensors TARGET.safetensors
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from convscope.network.sources.timm_networks import imagenet_labels

FIRST = "features.0.weight"
ORIGIN = "SqueezeNet 1.1 of https://github.com/forresti/SqueezeNet: squeezenet1_1.LICENSE"


def convert(source: Path, target: Path) -> None:
    """Write the weights with turned channels and the labels."""
    state = {name: value.to(torch.float16) for name, value in load_file(source).items()}
    state[FIRST] = state[FIRST].flip(1).contiguous()
    save_file(state, target, {"origin": ORIGIN, "labels": json.dumps(imagenet_labels())})


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
