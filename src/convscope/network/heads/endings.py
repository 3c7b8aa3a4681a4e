"""What goes into the softmax or sigmoid that a module ends in, however the call is written.

`Endings` is a `TorchFunctionMode`. It runs every call as usual. Beside the output of a softmax it
carries the softmax's input through all that only moves or reshapes values, so that at the end both
have the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_NAMES: Mapping[str, str] = {
    "softmax": "softmax",
    "special_softmax": "softmax",
    "log_softmax": "log_softmax",
    "special_log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "special_expit": "sigmoid",
    "logsigmoid": "logsigmoid",
    "log_sigmoid": "logsigmoid",
}

# Calls after which a tensor holds the same values, or some of them.
_MOVES = frozenset(
    ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as")
    + ("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t")
    + ("contiguous", "clone", "detach", "alias", "positive")
    + ("float", "double", "to", "type", "type_as", "cpu", "cuda")
    + ("select", "narrow", "slice", "__getitem__")
)


class Ending(NamedTuple):
    """An activation that an output comes from.

    Attributes:
        name: "softmax", "log_softmax", "sigmoid" or "logsigmoid".
        number: the number of the call, among all calls of these four.
        before: the input of the activation, in the shape of the output.
        values: how many values the activation gave; 0 if its input is not known.
    """

    name: str
    number: int
    before: Tensor
    values: int

    @property
    def whole(self) -> bool:
        """Whether the output holds all values that the activation gave."""
        return self.before.numel() == self.values


class Endings(TorchFunctionMode):
    """Inside it, the inputs of softmax and sigmoid calls are followed to the output.

    Args:
        numbers: the calls that are followed; None for all.
    """

    def __init__(self, numbers: Collection[int] | None = None) -> None:
        super().__init__()
        self.numbers = numbers
        self._count = 0
        # From the id of a tensor to the tensor itself, which keeps the id in use, and its ending.
        self._found: dict[int, tuple[Tensor, Ending]] = {}
        self._exponentials: dict[int, Tensor] = {}

    def of(self, output: Tensor) -> Ending | None:
        """The activation that a tensor comes from, if nothing but moves lies between."""
        found = self._found.get(id(output))
        return None if found is None else found[1]

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = _name(func)
        source = args[0] if args else kwargs.get("input")
        if not isinstance(source, Tensor):
            output = func(*args, **kwargs)
            if name in _JOINS and isinstance(source, list | tuple) and isinstance(output, Tensor):
                self._join(source, output)
            return output
        if name.rstrip("_") in _NAMES:
            return self._activation(name, source, lambda: func(*args, **kwargs))
        known = self.of(source)
        output = func(*args, **kwargs)
        if known is not None and isinstance(output, Tensor):
            if name in _MOVES:
                rest = {key: value for key, value in kwargs.items() if key != "input"}
                self._keep(output, known._replace(before=func(known.before, *args[1:], **rest)))
            elif name in _COMPLEMENTS and known.name in _LOGARITHMS:  # 1 - p
                self._keep(output, Ending(known.name, known.number, output, values=0))
            elif name == "log" and known.name in _LOGARITHMS:
                self._keep(output, known._replace(name=_LOGARITHMS[known.name]))
        if isinstance(output, Tensor):
            self._spelled_out(name, source, output)
        return output

    def _join(self, parts: Sequence[object], output: Tensor) -> None:
        """Note that probabilities were put together."""
        known = [self.of(part) if isinstance(part, Tensor) else None for part in parts]
        if all(one is not None and one.name in _LOGARITHMS for one in known):
            first = next(one for one in known if one is not None)
            self._keep(output, Ending(first.name, first.number, output, values=0))

    def _spelled_out(self, name: str, source: Tensor, output: Tensor) -> None:
        """Follow 1 / (1 + exp(-x)), which is a sigmoid."""
        if name == "exp" or (name in _SUMS and id(source) in self._exponentials):
            self._exponentials[id(output)] = output
        elif name in _RECIPROCALS and id(source) in self._exponentials:
            self._keep(output, Ending("sigmoid", -1, output, values=0))

    def _activation(self, name: str, source: Tensor, call: Callable[[], Any]) -> Any:
        number, self._count = self._count, self._count + 1
        if self.numbers is not None and number not in self.numbers:
            return call()
        before = source.clone() if name.endswith("_") else source
        output = call()
        if isinstance(output, Tensor):
            self._keep(output, Ending(_NAMES[name.rstrip("_")], number, before, output.numel()))
        return output

    def _keep(self, output: Tensor, ending: Ending) -> None:
        self._found[id(output)] = output, ending


_JOINS = frozenset(("cat", "concat", "concatenate", "stack", "hstack"))
_SUMS = frozenset(("add", "__add__", "__radd__"))
_RECIPROCALS = frozenset(("reciprocal", "__rtruediv__", "__rdiv__"))
_COMPLEMENTS = frozenset(("rsub", "__rsub__"))
_LOGARITHMS = {"softmax": "log_softmax", "sigmoid": "logsigmoid"}


def _name(func: Any) -> str:
    """The name of a function; "softmax" for the operator "softmax.int"."""
    return str(getattr(func, "__name__", "")).partition(".")[0]


APPLY: Mapping[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda values: values.softmax(1),
    "log_softmax": lambda values: values.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "logsigmoid": torch.nn.functional.logsigmoid,
}
