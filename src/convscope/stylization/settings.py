"""What a training is told: its options, once, for Python, the command line and the files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True)
class Settings:
    """How a style network is trained.

    Attributes:
        steps: the number of training steps.
        batch_size: pictures in a step, in all processes together.
        size: rows and columns of a crop of a photograph, in pixels.
        style_size: pixels of the shorter side of a style image.
        lr: the learning rate of Adam.
        noise: the largest standard deviation of the noise on the photographs.
        roughness: the weight of the total variation.
        channels, blocks: as in `StyleNetwork`.
        seed: of all random numbers.
    """

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 4
    size: Annotated[int, Field(ge=32, le=1024)] = 128
    style_size: Annotated[int, Field(ge=32, le=2048)] = 256
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-3
    noise: Annotated[float, Field(ge=0, le=1)] = 0.04
    roughness: Annotated[float, Field(ge=0, le=1e6)] = 0.1
    channels: Annotated[int, Field(ge=1, le=512)] = 16
    blocks: Annotated[int, Field(ge=0, le=64)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
