"""What tests share: networks that load once, a photograph, and where the lab's own data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

import convscope as cs

SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def net() -> cs.Network:
    """The default network with its real weights."""
    return cs.load(device="cpu")


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """A photograph of a cat, (1, 3, 300, 451)."""
    return cs.open_image("sample:chelsea")


@pytest.fixture(scope="session")
def seen(net: cs.Network, photo: Tensor) -> Tensor:
    """What the default network sees of it, (1, 3, 224, 224)."""
    return net.fit(photo)


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """Photographs whose names begin with their class index; tests skip where there are none."""
    folder = SHARED / "data" / "imagenet-sample"
    if not folder.is_dir():
        pytest.skip(f"no labelled photographs at {folder} (set CONVSCOPE_SHARED)")
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
