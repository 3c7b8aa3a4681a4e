"""Where branches of a network meet outside of any layer: sums, products, concatenations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

# What a reader calls an operation.
WORDS = {
    "add": "Addition",
    "sub": "Subtraction",
    "mul": "Multiplication",
    "div": "Division",
    "cat": "Concatenation",
    "stack": "Concatenation",
    "mm": "Matrix product",
    "bmm": "Matrix product",
    "maximum": "Maximum",
}


@dataclass(frozen=True)
class Meeting:
    """An operation that reads several calls of layers, or other meetings.

    Attributes:
        word: what a reader calls the operation.
        module: the name of the module that runs it.
        shape: of its output, with the batch.
        tensor: a number that stands for its output.
        sources: what it reads: the numbers of calls, and -1 for the first meeting, -2 and so on.
    """

    word: str
    module: str
    shape: tuple[int, ...]
    tensor: int
    sources: tuple[int, ...]


class Meetings:
    """Follows tensors from layer to layer.

    Attributes:
        found: the meetings, in the order in which they happened.
        nearest: from a tensor's id to the call of a layer or the meeting that it comes from, with
            no other one between them. Tensors that come from none are absent.
    """

    def __init__(self) -> None:
        self.found: list[Meeting] = []
        self.nearest: dict[int, int] = {}

    def note(
        self, operation: str, module: str, inputs: Iterable[Tensor], outputs: Sequence[Tensor]
    ) -> None:
        """An operation has made some tensors of others."""
        known = (self.nearest.get(id(tensor)) for tensor in inputs)
        sources = tuple(dict.fromkeys(one for one in known if one is not None))
        if not sources:
            return
        nearest = sources[0]
        if len(sources) > 1:
            first, word = outputs[0], _word(operation)
            self.found.append(Meeting(word, module, tuple(first.shape), id(first), sources))
            nearest = -len(self.found)
        self.nearest |= {id(tensor): nearest for tensor in outputs}


def _word(operation: str) -> str:
    if "attention" in operation:
        return "Attention"
    name = operation.strip("_")
    return WORDS.get(name, name)
