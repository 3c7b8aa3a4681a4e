"""What an attack is to reach: other classes than the right ones, or one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.system import in_batches
from convscope.types import TargetLike

Classes = TargetLike | Sequence[TargetLike] | None


@dataclass(frozen=True)
class Aim:
    """The images that an attack changes, and what the network is to say of them.

    Attributes:
        net: the network.
        inputs: (N, C, h, w), what the network sees.
        labels: (N,), the classes to get away from.
        targets: (N,), the classes to reach; None where any other class will do.
    """

    net: Network
    inputs: Tensor
    labels: Tensor
    targets: Tensor | None

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, which: Tensor | slice) -> Aim:
        """The aim for some of the images."""
        targets = None if self.targets is None else self.targets[which]
        return replace(self, inputs=self.inputs[which], labels=self.labels[which], targets=targets)

    def scores(self, images: Tensor) -> Tensor:
        """The logits (N, classes) of images (N, C, h, w), differentiable."""
        return self.net.activations(images, {""})[""]

    def margins(self, scores: Tensor) -> Tensor:
        """How far each image is beyond the point where it fools the network, (N,).

        The logit of the target minus the largest other; without targets, the largest other than
        that of the label, minus that of the label. Positive means fooled.
        """
        scores = self._logits(scores)
        goal = self.labels if self.targets is None else self.targets
        own = scores.gather(1, goal[:, None])[:, 0]
        rival = scores.scatter(1, goal[:, None], -torch.inf).amax(1)
        return rival - own if self.targets is None else own - rival

    def measure(self, images: Tensor) -> Tensor:
        """The margins (N,) of images in the place of the inputs, differentiable."""
        return self.margins(self.scores(images))

    def logits(self, images: Tensor) -> Tensor:
        """The logits (N, classes) of images, some at a time."""
        with torch.no_grad():
            return torch.cat(in_batches(len(images), lambda at: self.scores(images[at])))

    def look(self, images: Tensor) -> Tensor:
        """The margins (N,) of images in the place of the inputs, some at a time."""
        with torch.no_grad():
            parts = in_batches(len(self), lambda at: self[at].measure(images[at]))
        return torch.cat(parts) if parts else images.new_zeros(0)

    def climb(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The margins (N,) of images in the place of the inputs, and their gradients
        (N, C, h, w)."""
        parts = in_batches(len(self), lambda at: self[at]._climb(images[at]))
        margins, gradients = zip(*parts, strict=True)
        return torch.cat(margins), torch.cat(gradients)

    def rivals(self, classes: int) -> tuple[Tensor, Tensor]:
        """The strongest other classes than the label: how far each is ahead of it, (N, K), and the
        gradients of that, (N, K, C, h, w), at the inputs."""
        parts = in_batches(len(self), lambda at: self[at]._rivals(classes))
        leads, gradients = zip(*parts, strict=True)
        return torch.cat(leads), torch.cat(gradients)

    def _climb(self, images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad(), self.net.numerics():
            leaf = images.detach().requires_grad_()
            margins = self.measure(leaf)
            return margins.detach(), _gradient(margins, leaf)

    def _rivals(self, classes: int) -> tuple[Tensor, Tensor]:
        with torch.enable_grad(), self.net.numerics():
            leaf = self.inputs.detach().requires_grad_()
            scores = self._logits(self.scores(leaf))
            own = self.labels[:, None]
            others = scores.scatter(1, own, -torch.inf).topk(min(classes, scores.shape[1] - 1), 1)
            leads = others.values - scores.gather(1, own)
            gradients = [_gradient(one, leaf, again=True) for one in leads.unbind(1)]
        return leads.detach(), torch.stack(gradients, 1)

    def _logits(self, scores: Tensor) -> Tensor:
        """Logits, also of a network that gives probabilities."""
        output = self.net.output
        # Logarithms of a softmax are logits, but for a number that is added to all of them.
        return scores if output.probability else output.log_probabilities(scores)


def _gradient(values: Tensor, leaf: Tensor, again: bool = False) -> Tensor:
    """The gradient of each value (N,) by its image; zero where the network cuts it off, which
    `doubts` tells."""
    gradient = None
    if values.requires_grad:
        (gradient,) = torch.autograd.grad(values.sum(), leaf, retain_graph=again, allow_unused=True)
    return torch.zeros_like(leaf) if gradient is None else gradient


def aim_at(net: Network, image: Tensor, label: Classes, target: Classes) -> Aim:
    """The aim for photographs.

    Args:
        net: the network.
        image: (N, 3, H, W) in [0, 1], of any size.
        label: the right class of all images, or of each; the top class if not given.
        target: the class to reach, for all images or for each; any other class if not given.

    Raises:
        ConvscopeError: the network has fewer than two classes, a class is unknown, the target is
            the label, or the network says the target already.
    """
    _check_classes(net)
    inputs = net.preprocess(image.detach())
    tops = torch.cat(in_batches(len(inputs), lambda at: net.logits(inputs[at]))).argmax(1)
    labels = tops if label is None else _numbers(net, label, tops, "label")
    if target is None:
        return Aim(net, inputs, labels, None)
    targets = _numbers(net, target, tops, "target")
    for at, (goal, own, top) in enumerate(
        zip(targets.tolist(), labels.tolist(), tops.tolist(), strict=True)
    ):
        which = f"image {at + 1}" if len(inputs) > 1 else "the image"
        if label is not None and goal == own:
            raise ConvscopeError(
                f"the target {net.label(goal)!r} is the label of {which}; choose another target"
            )
        if goal == top:
            raise ConvscopeError(
                f"{net.name} already says {net.label(goal)!r} of {which}; choose another target"
            )
    return Aim(net, inputs, labels, targets)


def _check_classes(net: Network) -> None:
    output = net.outputs.classes()
    if not output.largest_is_top:
        raise ConvscopeError(
            f"an attack needs one score for each class of an image, and {net.name} gives"
            f" {output.description}"
        )
    if output.shape[0] < 2:
        raise ConvscopeError(
            f"an attack needs at least two classes, and {net.name} has one; there is no other class"
            " to reach"
        )


def _numbers(net: Network, classes: Classes, like: Tensor, kind: str) -> Tensor:
    """The numbers (N,) of classes."""
    named = [classes] * len(like) if isinstance(classes, TargetLike) else list(classes or ())
    if len(named) != len(like):
        raise ConvscopeError(f"{len(named)} {kind}s for {len(like)} images: give one each, or one")
    found = []
    for name in named:
        target = net.target(name)
        if not target.is_class or target.layer or target.place or target.channel is None:
            raise ConvscopeError(f"the {kind} {target} is not a class of {net.name}")
        found.append(target.channel)
    return torch.tensor(found, device=like.device)
