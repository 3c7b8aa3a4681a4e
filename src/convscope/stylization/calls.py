"""`train_style`: what it takes, and what is checked before anything is done."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from convscope.errors import invalid
from convscope.files import check_replaceable, photographs
from convscope.network import load
from convscope.stylization.checkpoint import is_style_file
from convscope.stylization.job import Job, StyleImages, opened
from convscope.stylization.losses import LOSS
from convscope.stylization.settings import Settings
from convscope.stylization.team import own_device
from convscope.stylization.training import Training
from convscope.vocabulary.style_losses import NETWORK


def train_style(
    folder: str | os.PathLike[str],
    styles: str | os.PathLike[str] | StyleImages,
    output: str | os.PathLike[str],
    *,
    add_to: str | os.PathLike[str] | None = None,
    steps: int = Settings.steps,
    batch_size: int = Settings.batch_size,
    size: int = Settings.size,
    style_size: int = Settings.style_size,
    lr: float = Settings.lr,
    noise: float = Settings.noise,
    roughness: float = Settings.roughness,
    channels: int = Settings.channels,
    blocks: int = Settings.blocks,
    seed: int = Settings.seed,
    save_every: int = 250,
    workers: int | None = None,
    device: str | torch.device | None = None,
) -> Training:
    """Train one network that draws photographs in many styles, without any further optimization.

    The network is that of Johnson et al. 2016, with the conditional instance normalization of
    Dumoulin et al. 2017: all styles share the convolutions, and each has a scale and an offset for
    every channel. The loss is that of `style`, for random crops of the photographs, each in one of
    the styles. The training is done when the result is iterated over or asked for. It may be
    stopped at any time: the same call goes on from the last state.

    Processes that torchrun starts share each batch.

    Args:
        folder: photographs, searched with its subfolders. Those that cannot be read are skipped.
        styles: style images (1, 3, H, W) or their files by name, or a folder of them; then the
            names are those of the files.
        output: the checkpoint to write, .safetensors. The state is in OUTPUT.resume.
        add_to: a checkpoint that gets the styles beside its own, which stay exactly as they are:
            only the scales and offsets of the new styles learn. 1,000 steps are enough.
        steps: training steps. More steps than before continue a training that is done.
        batch_size: photographs in a step, in all processes together.
        size: rows and columns of a crop, in pixels.
        style_size: the shorter side of the style images, in pixels: how coarse the strokes are.
        lr: the learning rate of Adam.
        noise: the largest standard deviation of the noise on the photographs, which makes pictures
            of a still scene steady.
        roughness: the weight of the total variation.
        channels: channels of the first stage; with `add_to` those of the checkpoint.
        blocks: residual blocks; with `add_to` those of the checkpoint.
        seed: seed of everything random.
        save_every: steps after which the state and the checkpoint are written.
        workers: processes that open photographs; none on a CPU by default, and four for a GPU.
        device: where the network learns; a GPU, if there is one, by default.

    Raises:
        ConvscopeError: an option is out of bounds, there is no photograph, a style image cannot be
            read, or the output is another file. Raised later: fewer photographs than a batch, a
            state of other styles.
    """
    given = locals()
    settings = _checked({field.name: given[field.name] for field in fields(Settings)})
    base = None if add_to is None else Path(add_to)
    check_replaceable(Path(output), is_style_file, [] if base is None else [base])
    place = own_device(device)
    job = Job(
        photographs(Path(folder)),
        opened(styles),
        Path(output),
        base,
        load(NETWORK, device=place),
        LOSS,
        settings,
    )
    if workers is None:
        workers = 4 if place.type == "cuda" else 0
    return Training(job, save_every, workers, place)


def _checked(values: dict[str, Any]) -> Settings:
    """The settings, if all are within their bounds."""
    try:
        return TypeAdapter(Settings).validate_python(values)
    except ValidationError as error:
        raise invalid("train_style", error) from error
