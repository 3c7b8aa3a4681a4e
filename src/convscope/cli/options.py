"""Options that several commands share, each declared once.

A command takes a group as one keyword argument; its fields are options beside the command's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from convscope.network import Network

DEFAULT_MODEL = "efficientnet_lite0"  # that of the zoo, which imports torch

SAMPLES = "sample:chelsea, sample:coffee, sample:rocket or sample:astronaut"

ImagePath = Annotated[str, Parameter(help=f"path of a photograph, or {SAMPLES}")]

ImagePaths = Annotated[
    str, Parameter(help=f"path of a photograph or of a folder of photographs, or {SAMPLES}")
]

Contains = Annotated[str, Parameter(help="list only names that contain this text")]

Model = Annotated[
    str,
    Parameter(
        help="name of the network: efficientnet_lite0, efficientnet_lite1, timm/NAME,"
        " torchvision/NAME, or a name that a plug-in adds"
    ),
]

Json = Annotated[bool, Parameter(help="print the result as JSON")]

Seed = Annotated[int, Parameter(help="random seed")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class WeightOptions:
    """Which network a command works on."""

    model: Model = DEFAULT_MODEL
    checkpoint: Annotated[
        Path | None, Parameter(help="file of your own weights for the network, .safetensors or .pt")
    ] = None
    random_weights: Annotated[
        bool, Parameter(help="use random weights instead of trained ones")
    ] = False

    def load(self, device: str | None) -> Network:
        """The network, on `device` or, for None, on a GPU where there is one."""
        from convscope.network import load

        return load(
            self.model,
            pretrained=not self.random_weights,
            checkpoint=self.checkpoint,
            device=device,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class NetworkOptions(WeightOptions):
    """Which network a command works on, and where that runs."""

    device: Annotated[
        str | None,
        Parameter(help="device that the network runs on: cpu, cuda, cuda:1; by default a GPU,"
        " if there is one"),
    ] = None  # fmt: skip

    def open(self, index: Path | str | None = None) -> Network:
        """The network; for an index, where no other is asked for, the one that made the index."""
        own = self.checkpoint or self.random_weights or self.model != DEFAULT_MODEL
        return self.load(self.device) if index is None or own else self._maker(Path(index))

    def _maker(self, index: Path) -> Network:
        from convscope.collection import Store  # imports pyarrow
        from convscope.network import load

        identity = Store(index).identity()
        source = identity and identity["source"]
        if not source:
            return self.load(self.device)
        return load(
            source["name"],
            pretrained=source["pretrained"],
            checkpoint=source["checkpoint"],
            device=self.device,
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Where a command writes its picture, and what it prints."""

    output: Annotated[
        Path | None,
        Parameter(
            ["--output", "-o"],
            help="picture to write; .gif, .webp and .mp4 hold all steps of the run; a folder, if"
            " the input is a folder of photographs; by default it is named after the command",
        ),
    ] = None
    resume: Annotated[
        bool,
        Parameter(help="continue a stopped optimization from its resume file, if there is one"),
    ] = False
    json: Json = False
