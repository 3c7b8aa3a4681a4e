"""Short training of a compressed network, which learns from the uncompressed one.

The loss is the divergence of its answers from those of the uncompressed network, for random crops
of photographs (Hinton, Vinyals and Dean 2015). So no label is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convscope.ascent import resume_files
from convscope.compression.judging import divergence
from convscope.compression.photographs import normalized
from convscope.errors import ConvscopeError
from convscope.network import Network, Shared
from convscope.stylization import Crops

WARM = 10  # steps in which the learning rate rises

QUICKER = 10.0  # how much faster levels learn: each is that of many weights, which average out


@dataclass(frozen=True)
class Teaching:
    """How a network learns.

    Attributes:
        net: the network that it learns from.
        crops: what both are shown.
        steps: the number of steps.
        batch_size: crops in a step.
        lr: the learning rate of Adam, in root mean squares of a tensor.
    """

    net: Network
    crops: Crops
    steps: int
    batch_size: int
    lr: float


class Learned(Protocol):
    """A tensor that learns: what is trained of it, and how it is made of that."""

    @property
    def trained(self) -> Tensor: ...
    def made(self, trained: Tensor) -> Tensor: ...
    def kept(self, trained: Tensor) -> Tensor | Shared: ...


@dataclass(frozen=True)
class Free:
    """A tensor that learns but for its zeros if it is pruned."""

    trained: Tensor
    mask: Tensor | None = None

    def made(self, trained: Tensor) -> Tensor:
        return trained if self.mask is None else trained * self.mask

    def kept(self, trained: Tensor) -> Tensor:
        return self.made(trained)


@dataclass(frozen=True)
class Levels:
    """The levels of weights, whose gradient is the sum over all weights of a level."""

    shared: Shared

    @property
    def trained(self) -> Tensor:
        return self.shared.levels

    def made(self, trained: Tensor) -> Tensor:
        levels = trained * (self.shared.levels != 0)
        made: Tensor = _Lookup.apply(levels, self.shared.indices)
        return made

    def kept(self, trained: Tensor) -> Shared:
        levels = trained * (self.shared.levels != 0)
        return Shared(levels.half().float(), self.shared.indices)


class _Lookup(torch.autograd.Function):
    """`levels[indices]`, with a backward pass that adds up by counting, which is quick."""

    @staticmethod
    def forward(context: Any, levels: Tensor, indices: Tensor) -> Tensor:
        context.save_for_backward(indices)
        context.count = len(levels)
        return levels[indices]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (indices,) = context.saved_tensors
        sums = torch.bincount(
            indices.flatten(), gradient.flatten().double(), minlength=context.count
        )
        return sums.to(gradient.dtype), None


class Student:
    """A module some of whose tensors learn, all of them in one row of numbers.

    Args:
        module: gives the structure, and all other tensors.
        parts: the tensors that learn, by name.
    """

    def __init__(self, module: nn.Module, parts: Mapping[str, Learned]) -> None:
        self.module, self.parts = module, parts
        self._start = {name: one.trained.detach().clone() for name, one in parts.items()}
        self._scale = {
            name: _size(value) * (QUICKER if isinstance(parts[name], Levels) else 1)
            for name, value in self._start.items()
        }
        count = sum(value.numel() for value in self._start.values())
        device = next(iter(self._start.values())).device
        self.moved = torch.zeros(count, device=device, requires_grad=True)

    def trained(self) -> Iterator[tuple[str, Learned, Tensor]]:
        """Each part with its numbers as they are now."""
        sizes = [value.numel() for value in self._start.values()]
        pieces = self.moved.split(sizes)
        for (name, start), piece in zip(self._start.items(), pieces, strict=True):
            yield name, self.parts[name], start + self._scale[name] * piece.view(start.shape)

    def __call__(self, inputs: Tensor) -> Tensor:
        tensors = {n: part.made(now).to(inputs.dtype) for n, part, now in self.trained()}
        found: Tensor = functional_call(self.module, tensors, inputs)
        return found

    @torch.no_grad()
    def kept(self) -> dict[str, Tensor | Shared]:
        """What each part has become."""
        return {name: part.kept(now.detach()) for name, part, now in self.trained()}


def _size(value: Tensor) -> float:
    """The root mean square; 1 for zeros."""
    return float(value.square().mean().sqrt()) or 1.0


class _Lessons:
    """A student's training: its steps, and the state from which it goes on."""

    def __init__(self, student: Student, teaching: Teaching) -> None:
        self.student, self.teaching = student, teaching
        self.optimizer = torch.optim.Adam([student.moved], lr=teaching.lr)
        self.losses: list[float] = []

    def state_dict(self) -> dict[str, Any]:
        return {
            "moved": self.student.moved.detach(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.student.moved.copy_(state["moved"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses = list(state["losses"])

    def step(self, step: int) -> None:
        teaching = self.teaching
        numbers = range((step - 1) * teaching.batch_size, step * teaching.batch_size)
        images = torch.stack([teaching.crops[number].pixels for number in numbers])
        inputs = normalized(teaching.net, images)
        with torch.no_grad():
            wanted = teaching.net.module(inputs)
        loss = divergence(self.student(inputs), wanted)
        if not loss.isfinite():
            raise ConvscopeError("compress: the training diverged; give a smaller lr")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.param_groups[0]["lr"] = teaching.lr * _rate(step, teaching.steps)
        self.optimizer.step()
        self.losses.append(loss.item())


def distill(student: Student, teaching: Teaching) -> Iterator[tuple[int, float]]:
    """Train; the number of each step and its loss. A stopped run goes on from its resume file."""
    lessons = _Lessons(student, teaching)
    resume_file = resume_files.ResumeFile(lessons)
    first = resume_file.restore()
    yield from enumerate(lessons.losses, 1)
    with resume_file:
        for step in range(first, teaching.steps + 1):
            resume_file.before_step(step, teaching.steps)
            lessons.step(step)
            yield step, lessons.losses[-1]


def _rate(step: int, steps: int) -> float:
    """The learning rate of a step: it rises for a while, and falls like a cosine."""
    return min(1.0, step / WARM) * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))


def side(net: Network, sizes: Sequence[int]) -> int:
    """The side of the crops that a network is shown.

    Raises:
        ConvscopeError: its images are not square.
    """
    rows, columns = sizes
    if rows != columns:
        raise ConvscopeError(
            f"compress trains networks with square images, and {net.name} takes {columns}x{rows}:"
            " give steps=0"
        )
    return rows
