"""How the names and shapes of a state dict fit those of a module."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from convscope.network.checkpoints.states import State
from convscope.network.checkpoints.stored import Stored, Unusable

# Not of any network: what thop and torch's averages count.
_COUNTERS = {"total_ops", "total_params", "n_averaged", "num_batches_tracked"}
# Nothing that the output depends on: constants that timm's windows of attention compute themselves
# since 2023, and heads of torchvision that are for training only.
_CONSTANTS = {"relative_position_index", "attn_mask", "relative_coords_table"}
_AUXILIARY = ("aux_classifier.", "AuxLogits.")
_AVERAGES = re.compile(r"(^|[._])(ema|swa|averaged?|avg)([._]|$)", re.IGNORECASE)
_OF_TRAINING = re.compile(r"(criterion|loss|metric|acc)[a-z0-9_]*", re.IGNORECASE)

MOST_PREFIXES, MOST_STATES = 16, 32

Wanted = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Fit:
    """How the names of a state dict that begin with a prefix fit a module.

    Attributes:
        state: the state dict.
        prefix: what stands before the module's names in it, "model." for instance.
        wanted: the module's own state dict.
    """

    state: State
    prefix: str
    wanted: Wanted

    @cached_property
    def found(self) -> Mapping[str, Stored | Unusable]:
        """What there is for the module, by the module's names."""
        pairs = ((name, self.state.tensors.get(f"{self.prefix}{name}")) for name in self.wanted)
        return {name: one for name, one in pairs if one is not None}

    @cached_property
    def missing(self) -> list[str]:
        """Names of the module that are not there. A counter of batches is for training only."""
        return [
            name
            for name in self.wanted
            if name not in self.found and _last(name) != "num_batches_tracked"
        ]

    @cached_property
    def other_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes that are not those of the module."""
        return {
            name: one.shape
            for name, one in self.found.items()
            if isinstance(one, Stored) and one.shape != tuple(self.wanted[name].shape)
        }

    @property
    def complete(self) -> bool:
        """Whether the module gets all its weights."""
        return not (self.missing or self.other_shapes)

    @property
    def place(self) -> str:
        """Where in the file this is, as a user names it."""
        return f"{self.state.place}.{self.prefix}".strip(".")

    @property
    def averaged(self) -> bool:
        """Whether these are averages of the weights, by their name."""
        return _AVERAGES.search(self.place) is not None

    def others(self, complete: Collection[Fit] = ()) -> list[str]:
        """Names of the state dict that the module does not have.

        Args:
            complete: fits whose names are left out: copies of the network (averages, a teacher).
        """
        here = [fit for fit in complete if fit.state is self.state and fit is not self]
        copies = tuple(fit.prefix for fit in here if fit.prefix)
        own = {f"{self.prefix}{name}" for name in self.found}
        return [
            name
            for name in self.state.tensors
            if name not in own
            and _last(name) not in _COUNTERS
            and not (copies and name.startswith(copies))
        ]

    def may_be_layers(self, others: Collection[str]) -> list[str]:
        """Those of such names that may be of layers that the network had when it was trained.

        Beside the network, the class weights of a loss are none.
        """
        return [
            name
            for name in others
            if _last(name) not in _CONSTANTS
            and not name.removeprefix(self.prefix).startswith(_AUXILIARY)
            and (name.startswith(self.prefix) or self._is_layer(name))
        ]

    def _is_layer(self, name: str) -> bool:
        one = self.state.tensors[name]
        many = isinstance(one, Unusable) or len(one.shape) > 1
        return many and _OF_TRAINING.fullmatch(name.partition(".")[0]) is None


def fits(found: Collection[State], module: nn.Module) -> list[Fit]:
    """How each state dict fits a module, by each prefix that its names may have; the best first."""
    wanted = {
        name: value
        for name, value in module.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    # An optimizer has a small dict for each parameter, which is no network.
    largest = sorted(found, key=lambda state: len(state.tensors), reverse=True)[:MOST_STATES]
    made = [
        Fit(state, prefix, wanted) for state in largest for prefix in _prefixes(state, list(wanted))
    ]
    return sorted(made, key=lambda fit: (not fit.complete, -len(fit.found), len(fit.prefix)))


def _prefixes(state: State, wanted: list[str]) -> list[str]:
    """What may stand before the module's names; a few of these are looked for."""
    sought = [*wanted[:: max(1, len(wanted) // 8)], *wanted[-2:]]
    found: Counter[str] = Counter()
    for name in sought:
        ending = f".{name}"
        found.update(one.removesuffix(name) for one in state.tensors if one.endswith(ending))
    return ["", *(prefix for prefix, _ in found.most_common(MOST_PREFIXES))]


def _last(name: str) -> str:
    return name.rpartition(".")[2]
