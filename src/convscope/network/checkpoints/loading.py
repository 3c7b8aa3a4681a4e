"""Loads the weights of a checkpoint into a module."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, short
from convscope.network.checkpoints.choosing import Classes, choose
from convscope.network.checkpoints.explaining import listed
from convscope.network.checkpoints.files import open_weights
from convscope.network.checkpoints.fitting import Fit
from convscope.network.checkpoints.labels_inside import labels_inside
from convscope.network.checkpoints.settings_inside import settings_inside
from convscope.network.checkpoints.states import State, states, under
from convscope.network.checkpoints.stored import (
    Damaged,
    Foreign,
    Opened,
    Storage,
    Stored,
    Unusable,
    members,
)


@dataclass(frozen=True)
class Loaded:
    """A module with the weights of a checkpoint.

    Attributes:
        module: the module that was given, or one with another number of classes.
        classes: its number of classes, where that is known.
        notes: what was assumed or left out, a sentence each.
    """

    module: nn.Module
    classes: int | None
    notes: tuple[str, ...]


class Checkpoint:
    """A file of weights. What it holds is known at once; its numbers are read when it is loaded.

    Args:
        path: a file of torch.save or of safetensors; FILE:NAME for the weights under a name in it.

    Raises:
        ConvscopeError: there is no such file, or it holds no weights.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.key = _split(Path(path))
        self.file = self.path.name
        self._opened = open_weights(self.path)
        try:
            found = states(self._opened.values)
        except Damaged as error:
            raise ConvscopeError(f"{self.file} is no checkpoint: {error}") from error
        self._states = under(found, self.key)
        if not self._states:
            raise ConvscopeError(self._no_weights(found))

    def load(self, module: nn.Module, classes: Classes | None = None) -> Loaded:
        """Load the weights into a module.

        Args:
            module: gets them.
            classes: how the module is built for another number of classes, if that is known.

        Raises:
            ConvscopeError: they do not fit, or are damaged. The module is unchanged.
        """
        file = self.file
        chosen = choose(file, self._states, module, classes, self.architecture)
        _check_kinds(file, chosen.fit)
        try:
            state = dict(_numbers(self._opened, chosen.fit))
        except Damaged as error:
            raise ConvscopeError(f"{file} cannot be loaded: {error}") from error
        _load(chosen.module, state)
        notes = (*chosen.notes, *_precision(file, chosen.fit))
        return Loaded(chosen.module, chosen.classes, notes)

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """All lists of labels that the checkpoint holds, by the names that lead to them."""
        return labels_inside(self._opened.values)

    @property
    def architecture(self) -> str:
        """What the training program called the network; "" if it does not say."""
        values = members(self._opened.values)
        places = (values, *(members(values.get(name)) for name in ("args", "hyper_parameters")))
        names = (place.get(key) for place in places for key in ("arch", "model", "model_name"))
        return next((name for name in names if isinstance(name, str) and name), "")

    @property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def settings(self) -> Mapping[str, Any]:
        """How the training prepared its images, as arguments of `Network`, where that is there."""
        return settings_inside(self._opened.values)

    def _no_weights(self, found: Sequence[State]) -> str:
        name = self.file
        if self.key:
            places = [state.place for state in found if state.place]
            there = f"; there are {listed(places)}" if places else ""
            return f"{name} holds no weights under {self.key!r}{there}"
        values = self._opened.values
        if isinstance(values, Stored):
            return f"{name} holds a tensor, not a state dict"
        kind = values.kind if isinstance(values, Foreign) else type(values).__name__
        return f"{name} holds no state dict, but {short(kind)} without weights"


def _split(path: Path) -> tuple[Path, str]:
    """The file, and the name of the weights in it."""
    whole, colon, key = str(path).rpartition(":")
    if colon and not path.exists() and Path(whole).is_file():
        return Path(whole), key
    return path, ""


def _check_kinds(file: str, fit: Fit) -> None:
    """Fail if numbers of one kind would silently become those of another.

    Raises:
        ConvscopeError: a tensor holds, say, integers for what are fractions in the module.
    """
    for name, one in fit.found.items():
        ours = fit.wanted[name].dtype
        if isinstance(one, Unusable):
            raise ConvscopeError(
                f"{file} cannot be loaded: {name!r} is {one.kind}; save the weights as plain"
                " tensors"
            )
        if _kind(one.dtype) != _kind(ours):
            raise ConvscopeError(
                f"{file} does not fit the network: {name!r} holds {_text(one.dtype)} numbers, not"
                f" {_text(ours)}"
            )


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_floating_point or dtype.is_complex:
        return "complex" if dtype.is_complex else "float"
    return "bool" if dtype == torch.bool else "int"


def _text(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _precision(file: str, fit: Fit) -> Iterator[str]:
    pairs = {
        (_text(one.dtype), _text(fit.wanted[name].dtype))
        for name, one in fit.found.items()
        if isinstance(one, Stored) and one.dtype.is_floating_point
    }
    for theirs, ours in sorted(pairs):
        if theirs != ours:
            yield f"weights are {theirs} in {file}, and {ours} here"


def _numbers(opened: Opened, fit: Fit) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors by the module's names; each block of the file is read once."""
    parts: dict[Storage, list[tuple[str, Stored]]] = {}
    for name, one in fit.found.items():
        if isinstance(one, Stored):
            parts.setdefault(one.storage, []).append((name, one))
    for storage, data in opened.read(list(parts)):
        for name, one in parts[storage]:
            yield name, one.read(data)


def _load(module: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load a state dict. What is not in it are counters of batches, which keep their values."""
    ours = module.state_dict()
    whole = OrderedDict((name, state.get(name, value)) for name, value in ours.items())
    # The names and shapes are those of the module as it is now, not of a version before.
    whole._metadata = ours._metadata  # type: ignore[attr-defined]
    module.load_state_dict(whole)
