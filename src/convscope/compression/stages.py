"""The stages of a compression: each is a file on disk, and is measured as it comes out of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convscope import __version__
from convscope.compression.judging import Judge, Score
from convscope.compression.weights import fractional
from convscope.errors import ConvscopeError
from convscope.network import (
    Network,
    Shared,
    Sizes,
    Stored,
    WrittenAs,
    open_weights,
    save_compressed,
)


@dataclass(frozen=True)
class Stage:
    """A stage of a compression.

    Attributes:
        name: what has been done.
        file: where it is.
        sizes: the bytes of the file's parts, as it was written.
        size: the bytes of the file on disk.
        score: what the network gives that comes out of it.
    """

    name: str
    file: Path
    sizes: Sizes
    size: int
    score: Score


class Stages:
    """Writes stages, and measures what comes out of the files.

    Args:
        net: the uncompressed network.
        judge: what measures.
        folder: where the files are written.
        made: how the compression is made, for the files.
    """

    def __init__(
        self, net: Network, judge: Judge, folder: Path, made: Mapping[str, object]
    ) -> None:
        self.net, self.judge, self.folder = net, judge, folder
        self.made = {"convscope": __version__, **made}
        self.done: list[Stage] = []
        self._last: dict[str, Tensor] = {}

    def add(
        self, name: str, module: nn.Module, weights: Mapping[str, Tensor | Shared], form: WrittenAs
    ) -> nn.Module:
        """Write a stage, and measure what comes out.

        Args:
            name: what has been done.
            module: gives all other tensors.
            weights: those that are compressed, by name.
            form: how they are written.

        Returns:
            The module that comes out.
        """
        file = self.folder / f"{len(self.done) + 1} {name}.safetensors"
        sizes = self.write(file, module, weights, form)
        found = decoded(file)
        same = found.keys() == self._last.keys() and all(
            torch.equal(value, self._last[name]) for name, value in found.items()
        )
        made = copy.deepcopy(module)
        made.load_state_dict(found, strict=False)
        score = self.done[-1].score if same else self.judge(made)
        self._last = found
        self.done.append(Stage(name, file, sizes, file.stat().st_size, score))
        return made

    def write(
        self,
        file: Path,
        module: nn.Module,
        weights: Mapping[str, Tensor | Shared],
        form: WrittenAs,
    ) -> Sizes:
        """Write a module's tensors, some of them in a form of their own."""
        others: WrittenAs = "float32" if form == "float32" else "float16"
        tensors: dict[str, tuple[Tensor | Shared, WrittenAs]] = {
            name: (weights[name], form) if name in weights else (value, others)
            for name, value in fractional(module).items()
        }
        return save_compressed(file, tensors, self._source(), self.made)

    def _source(self) -> Mapping[str, Any] | None:
        """How the network is loaded, without the weights that it had."""
        source = self.net.source
        return source and {k: v for k, v in source.items() if not k.startswith("checkpoint")}


def decoded(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Raises:
        ConvscopeError: it is damaged.
    """
    opened = open_weights(file)
    stored = {n: v for n, v in opened.values.items() if isinstance(v, Stored)}
    names = {one.storage: name for name, one in stored.items()}
    return {names[s]: stored[names[s]].read(data) for s, data in opened.read(list(names))}


def check_room(ratio: float, whole: int, header: int) -> None:
    """Fail if a ratio leaves no byte for weights."""
    if whole / ratio <= header:
        raise ConvscopeError(
            f"compress: a file {ratio:g} times smaller has no room for weights; give a lower ratio"
        )
