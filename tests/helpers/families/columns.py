"""Numbers that are compared with plain PyTorch: loading, scores, layers, gradients, class maps.

Each column takes a subject and raises `Wrong` where a number is wrong. A ConvscopeError is a
refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

import convscope as cs
from tests.helpers.families.plain import guided_relus
from tests.helpers.families.subject import Side, Subject, Wrong

Column = Callable[[Subject], None]
# Guided backpropagation changes these too, which `guided_relus` does not.
_NOT_BY_HAND = {"LeakyReLU", "RReLU", "PReLU", "Threshold", "clamp"}


def _spread(values: list[cs.Layer], count: int) -> list[cs.Layer]:
    """Some of the layers, from the first to the last."""
    chosen = {i * (len(values) - 1) // (count - 1) for i in range(count)}
    return [values[i] for i in sorted(chosen)] if values else []


def load(subject: Subject) -> None:
    """It loads, and the optimized copy computes the same."""
    if any("not optimized at all" in note for note in subject.net.notes):
        raise Wrong(f"notes: {subject.net.notes}")


def predict(subject: Subject) -> None:
    """The scores, and the largest probability."""
    subject.agree("scores", lambda side: side.net.logits(side.image), _scores, 1e-4)
    subject.agree("probability", _top, lambda side: _scores(side).softmax(1).amax(1), 1e-3)


def _top(side: Side) -> Tensor:
    return torch.tensor([side.net.predict(side.image, top=1)[0].probability])


def _scores(side: Side) -> Tensor:
    with torch.no_grad():
        out: Tensor = side.plain.run(side.image)[0]
    return out


def read(subject: Subject) -> None:
    """The outputs of four layers, read together and alone, and their shapes in the table."""
    names = [layer.name for layer in _spread(_called_once(subject), 4)]
    once = set(subject.single.plain.outputs(subject.single.image, *names))
    for name in once:
        theirs = _output(name)
        if subject.net.layer(name).shape != theirs(subject.single).shape[1:]:
            raise Wrong(f"{name}: the table says {subject.net.layer(name).shape}")
        subject.agree(f"{name} alone", _reading({name}, name), theirs, 1e-4)
        subject.agree(name, _reading(once, name), theirs, 1e-4)


def _reading(names: set[str], name: str) -> Callable[[Side], Tensor]:
    return lambda side: side.net.read(side.image, names)[name]


def _output(name: str) -> Callable[[Side], Tensor]:
    return lambda side: side.plain.outputs(side.image, name)[name]


def _called_once(subject: Subject) -> list[cs.Layer]:
    return [layer for layer in subject.net.layers if "#" not in layer.name]


def _with_maps(subject: Subject) -> list[cs.Layer]:
    return [x for x in _called_once(subject) if x.maps and min(x.maps[1:]) > 1]


def layouts(subject: Subject) -> None:
    """Maps lie as the image does: a spot moves down and across in them as in the photograph.

    Where attention spreads a spot over the whole map, or channels are few, nothing can be seen.
    """
    side = subject.single
    images = _spots(side.image)
    for layer in _spread([x for x in _with_maps(subject) if x.channels >= 8], 6):
        maps = side.net.by_channel(layer.name, side.net.read(images, {layer.name})[layer.name])
        if tuple(maps.shape[1:]) != layer.channel_shape:
            raise Wrong(f"{layer.name}: {maps.shape}, the table says {layer.channel_shape}")
        change = (maps[1:] - maps[:1]).square().flatten(1, -3).sum(1)
        spot, below, beside = (torch.tensor(_center(one)) for one in change)
        (down, aside), (off, right) = (below - spot).tolist(), (beside - spot).tolist()
        clear = max(abs(down), abs(right)) > 0.2
        if clear and down + right < 2 * (abs(aside) + abs(off)):
            raise Wrong(
                f"{layer.name}: down is {down:.2f}, {aside:.2f}, right {off:.2f}, {right:.2f}"
            )


def _spots(image: Tensor) -> Tensor:
    """An image of noise, and the same with a spot of other noise: above left, below, and right."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(image.shape[1:], generator=generator).to(image).repeat(4, 1, 1, 1)
    high, wide = image.shape[2] // 4, image.shape[3] // 4
    spot = torch.rand(high, wide, generator=generator).to(image)
    for number, (top, left) in enumerate(((0, 0), (2, 0), (0, 2)), 1):
        top, left = top * high + high // 2, left * wide + wide // 2
        images[number, :, top : top + high, left : left + wide] = spot
    return images


def _center(change: Tensor) -> tuple[float, float]:
    """Row and column of the center of a map, as fractions of its height and width."""
    rows, columns = change.sum(1), change.sum(0)
    return tuple(  # type: ignore[return-value]
        float(
            (line * torch.linspace(0, 1, len(line)).to(line)).sum() / line.sum().clamp_min(1e-300)
        )
        for line in (rows, columns)
    )


def fields(subject: Subject) -> None:
    """Receptive fields hold all pixels that have a gradient, for three layers."""
    known = [layer for layer in _with_maps(subject) if layer.rows and layer.columns]
    for layer in _spread(known, 3):
        assert layer.maps and layer.rows and layer.columns
        row, column = layer.maps[1] // 2, layer.maps[2] // 2
        hit = _support(subject, layer.name, row, column)
        for axis, seen in (
            (layer.rows.span(row), hit.any(1)),
            (layer.columns.span(column), hit.any(0)),
        ):
            pixels = seen.nonzero().flatten().tolist() or [math.ceil(axis[0])]
            if pixels[0] < math.floor(axis[0]) or pixels[-1] > math.ceil(axis[1]):
                raise Wrong(f"{layer.name} sees {pixels[0]} to {pixels[-1]}, the table says {axis}")


def _support(subject: Subject, name: str, row: int, column: int) -> Tensor:
    """Which pixels can move a unit: (H, W), by the gradient."""
    side, generator = subject.single, torch.Generator().manual_seed(0)
    image = torch.rand(side.image.shape, generator=generator).requires_grad_()
    _, found = side.plain.run(image, name, stop=True)
    if name not in found or not found[name].requires_grad:
        return torch.zeros(side.image.shape[2:], dtype=torch.bool)
    values = side.net.by_channel(name, found[name])[0, ..., row, column]
    weights = torch.randn(values.shape, generator=generator)
    (slope,) = torch.autograd.grad((values * weights).sum(), image)
    return slope[0].abs().amax(0) > 0


def saliency(subject: Subject) -> None:
    """The gradient of the largest score."""
    subject.agree(
        "gradient",
        lambda side: _gradient(cs.saliency(side.net, side.image, target=subject.target)),
        lambda side: side.plain.gradient(side.image, subject.target),
        1e-3,
    )


def guided(subject: Subject) -> None:
    """Guided backpropagation by hand; it is not the plain gradient under another name."""

    def ours(side: Side) -> Tensor:
        return _gradient(cs.guided_backprop(side.net, side.image, target=subject.target))

    def theirs(side: Side) -> Tensor:
        with guided_relus():
            return side.plain.gradient(side.image, subject.target)

    plain = subject.single.plain.gradient(subject.single.image, subject.target)
    if torch.cosine_similarity(ours(subject.single).flatten(), plain.flatten(), 0) > 0.99:
        raise Wrong("the plain gradient under another name")
    if _NOT_BY_HAND.isdisjoint(subject.net.activation_names):
        subject.agree("guided gradient", ours, theirs, 1e-3)


def _gradient(run: cs.Run) -> Tensor:
    return torch.as_tensor(run.result().gradient)


def gradcam(subject: Subject) -> None:
    """Grad-CAM at the default layer, by hand."""
    target = subject.target
    layer = str(cs.gradcam(subject.net, subject.photo, target=target).result().summary["layer"])

    def signed(side: Side) -> Tensor:
        leaf = side.image.clone().requires_grad_()
        out, found = side.plain.run(leaf, layer)
        (slope,) = torch.autograd.grad(out[0, target], found[layer])
        values, slope = (side.net.by_channel(layer, v.detach()) for v in (found[layer], slope))
        return (slope.mean((2, 3), keepdim=True) * values).sum((0, 1))

    def ours(side: Side) -> Tensor:
        """With what Grad-CAM cuts off, so that the map has a scale where all of it is."""
        result = cs.gradcam(side.net, side.image, target=target, layer=layer).result()
        return torch.as_tensor(result.arrays[layer]).squeeze(0) + signed(side).clamp(max=0)

    subject.agree("class map", ours, signed, 2e-3)


NUMBERS: tuple[Column, ...] = (load, predict, read, layouts, fields, saliency, guided, gradcam)
