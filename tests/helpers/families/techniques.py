"""Techniques that must run on every network: their pictures and numbers are finite."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch.nn.functional as F

import convscope as cs
from convscope.testing.cases import numbers
from tests.helpers.collections import paint
from tests.helpers.families.subject import Subject, Wrong


def _drawn(run: cs.Run) -> cs.Result:
    result = run.result()
    result.picture.load()
    for name, array in numbers(result).items():
        if not np.isfinite(array).all():
            raise Wrong(f"{name} is not finite")
    return result


def _climbed(run: cs.Run) -> None:
    result = _drawn(run)
    assert result.image is not None
    if result.image.std() < 1e-3:
        raise Wrong("the image is flat")


def occlusion(subject: Subject) -> None:
    """The score that one hidden tile takes away."""
    side, target = subject.single, subject.target
    tile = max(1, min(side.net.input_size) // 4)
    run = cs.occlusion(
        side.net, side.image, target=target, patch=tile, stride=tile, baseline="gray"
    )
    heatmap = _drawn(run).heatmap
    assert heatmap is not None
    hidden = side.image.clone()
    hidden[..., :tile, tile : 2 * tile] = 0.5
    (whole,), (without,) = (side.plain.run(image)[0][:, target] for image in (side.image, hidden))
    found = heatmap[tile // 2, tile + tile // 2]
    if abs(found - float(whole - without)) > 5e-3 * max(np.abs(heatmap).max(), abs(float(whole))):
        raise Wrong(f"a tile takes away {found} instead of {float(whole - without)}")


def smoothgrad(subject: Subject) -> None:
    _drawn(cs.smoothgrad(subject.net, subject.photo, target=subject.target, samples=2))


def class_image(subject: Subject) -> None:
    _climbed(cs.class_image(subject.net, target=subject.target, steps=3))


def neuron_image(subject: Subject) -> None:
    _climbed(cs.neuron_image(subject.net, steps=3, limit=2))


def deepdream(subject: Subject) -> None:
    photo = F.interpolate(subject.photo, (150, 190), mode="bilinear", antialias=True)
    result = _drawn(cs.deepdream(subject.net, photo, steps=1, octaves=2))
    assert result.image is not None
    if result.image.shape[1:3] != (150, 190):
        raise Wrong(f"a dream of {result.image.shape[1:3]}")
    if np.abs(result.image[0] - photo[0].permute(1, 2, 0).numpy()).max() < 1e-4:
        raise Wrong("the dream is the photograph")


def invert(subject: Subject) -> None:
    stages = subject.net.stages
    layer = stages[len(stages) // 2].name if stages else None  # all of them take long
    _climbed(cs.invert(subject.net, subject.photo, layer=layer, steps=1))


def activations(subject: Subject) -> None:
    _drawn(cs.activations(subject.net, subject.photo))


def filters(subject: Subject) -> None:
    _drawn(cs.filters(subject.net))


def intermediate(subject: Subject) -> None:
    _drawn(cs.intermediate(subject.net, subject.photo, samples=2, limit=2))


def index(subject: Subject) -> None:
    """An index of two pictures, the neighbors in it, and patches out of it."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(2):
            paint(Path(folder, "photos", f"{seed}.png"), seed)
        where = Path(folder, "index")
        cs.index(subject.net, Path(folder, "photos"), where, threads=1, workers=0).result()
        _drawn(cs.neighbors(subject.net, subject.photo, index=where, count=1))
        _drawn(cs.patches(subject.net, index=where, limit=2, count=2))


TECHNIQUES: tuple[Callable[[Subject], None], ...] = (
    occlusion,
    smoothgrad,
    class_image,
    neuron_image,
    deepdream,
    invert,
    activations,
    filters,
    intermediate,
    index,
)
