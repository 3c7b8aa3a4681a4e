"""Two example images, on which every change to a copy of a module is checked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError, first_line
from convscope.network.nested import difference, mixing
from convscope.network.prepared.normalizing import ScaleAndShift
from convscope.network.traces.tracing import Trace, trace

# The output of a prepared copy may differ by this fraction of the module's largest output.
TOLERANCE = 1e-4


class Examples:
    """Two images and what a module gives for each of them alone.

    Args:
        module: a copy of the user's module.
        images: (2, C, H, W), normalized.

    Attributes:
        images: the two images.
        first, second: the output for each of them.
        calls: for the first image, the calls of parts of the module that return a tensor.
        normalizations: the calls, for the first image, that normalize by fixed statistics.

    Raises:
        ConvscopeError: the module does not run on the first image.
    """

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self.images = images
        with ScaleAndShift() as norms, _counted(module) as self.calls:
            self.first = _run(module, images[:1].clone())
        self.normalizations = norms.count
        try:
            self.second = self.output(module, 1)
        except Exception:  # the module is the user's: it may take no dark image, for instance
            self.images, self.second = images[:1].expand_as(images), self.first

    def output(self, module: nn.Module, which: int) -> object:
        """The output for one image. A module may change its input, so it gets a copy."""
        with torch.no_grad():
            return module(self.images[which : which + 1].clone())

    def same(self, module: nn.Module) -> bool:
        """Whether the module still runs on the first image, and gives the same output."""
        try:
            return difference(self.output(module, 0), self.first) <= TOLERANCE
        except Exception:  # the module is the user's and may raise anything; a change caused it
            return False

    def together(self, module: nn.Module) -> tuple[Trace | None, float]:
        """The trace of both images together, and how far their output is from that alone.

        It is infinitely far where a batch does not run, has another number of rows, or is taken
        apart into its images, for each of which the layers are called.
        """
        try:
            traced = trace(module, self.images.clone())
            if len(traced.calls) != len(self.calls):
                return traced, math.inf
            return traced, mixing(traced.output, self.first, self.second)
        except Exception:  # the module is the user's
            return None, math.inf

    def why_alone(self, traced: Trace | None) -> str:
        """Why images must run one at a time, given the trace of both together."""
        if traced is None:
            return "a batch of two does not run"
        if len(traced.calls) != len(self.calls):
            return "layers are called again for each of a batch"
        return "in a batch they change each other's output"

    def traced_alone(self, module: nn.Module) -> Trace:
        return trace(module, self.images[:1].clone())

    def lay_out(self, module: nn.Module, memory_format: torch.memory_format) -> None:
        """Lay out the images and the weights of the convolutions."""
        self.images = self.images.contiguous(memory_format=memory_format)
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.to(memory_format=memory_format)  # type: ignore[call-overload]

    def unsteady(self, module: nn.Module) -> str:
        """Why two runs of the module do not give the same output."""
        if not math.isfinite(difference(self.first, self.first)):
            return "its output is not finite"
        outputs = []
        for _ in range(2):
            gpus = [self.images.device] if self.images.device.type == "cuda" else []
            with torch.random.fork_rng(devices=gpus):
                torch.manual_seed(0)
                outputs.append(self.output(module, 0))
        if difference(outputs[0], outputs[1]) <= TOLERANCE:
            return "its output is random (dropout that is always on, for instance)"
        return "two runs give outputs that differ or cannot be compared"


@contextmanager
def _counted(module: nn.Module) -> Iterator[list[str]]:
    """The names of the parts that are called inside and return a tensor."""
    calls: list[str] = []

    def count(name: str, output: object) -> None:
        if isinstance(output, Tensor):
            calls.append(name)

    with ExitStack() as stack:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):
                hook = part.register_forward_hook(lambda *args, name=name: count(name, args[2]))
                stack.callback(hook.remove)
        yield calls


def _run(module: nn.Module, image: Tensor) -> object:
    try:
        with torch.no_grad():
            return module(image)
    except Exception as error:  # the module is the user's: it may raise anything
        raise ConvscopeError(_why_not(module, image, error)) from error


def _why_not(module: nn.Module, image: Tensor, error: Exception) -> str:
    """Why a module does not run on an image, and what to do."""
    name, reason = type(module).__name__, first_line(error)
    kinds = {type(part) for part in module.modules()}
    if nn.Conv3d in kinds and nn.Conv2d not in kinds:
        return (
            f"{name} takes clips or volumes, not images ({reason}); wrap it in a module that makes"
            " one of an image: x.unsqueeze(2).expand(-1, -1, FRAMES, -1, -1)"
        )
    if "more than 1 value per channel" in str(error):
        return (
            f"{name} does not run on one image ({reason}): it normalizes by statistics of a batch;"
            " give its BatchNorm running statistics"
        )
    if "type" in reason and "same" in reason:
        return (
            f"{name} converts its input to another precision than that of its weights ({reason});"
            " take the conversion out of its forward: weights in half precision run in float32"
        )
    if isinstance(error, TypeError):
        return (
            f"{name}.forward needs other inputs than one batch of images ({reason}); wrap it in a"
            " module whose forward takes (N, C, H, W)"
        )
    return (
        f"{name} does not run on images of shape {tuple(image.shape)} ({reason}); is input_size"
        " right, and is there one mean for each channel?"
    )
