"""A small style network with random numbers, as a file."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch

from convscope.stylization import StyleNetwork, save_styles

NAMES = ("sea", "fire", "moss")


def small_styles(names: tuple[str, ...] = NAMES) -> StyleNetwork:
    """A network whose styles differ."""
    torch.manual_seed(5)
    net = StyleNetwork(names, 4, 2).eval().requires_grad_(False)
    for name, value in net.named_parameters():
        if name.endswith(("gamma", "beta")):
            value.add_(torch.randn(value.shape) / 2)
    return net


@cache
def style_file() -> str:
    """Its file, in a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="convscope-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return os.fspath(save_styles(folder / "styles.safetensors", small_styles(), {}))
