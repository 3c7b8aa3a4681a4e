"""What an index collects, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from convscope.errors import ConvscopeError
from convscope.network import ReaderName

_BOUNDS = {
    "top": (1, 1000),
    "batch_size": (1, 4096),
    "threads": (1, 1024),
    "shard": (1, 100_000),
    "thumbnail": (8, 1024),
}


@dataclass(frozen=True)
class Settings:
    """What an index collects, and how; other settings make another index.

    Args:
        layers: layers whose channels are collected.
        embedding: layer whose output, averaged over its positions, is the embedding of an image.
        threads: number of threads the network runs in. The last bits of its answers depend on it.
        top: number of images kept at either end of each channel.
        batch_size: number of images the network takes at once. The last bits of its answers depend
            on it, so the last image fills up batches that are too small. If there is not enough
            memory for so many, the last bits may differ from one index to the next.
        shard: largest number of files in a shard; a crash loses at most one shard.
        thumbnail: longer side of the thumbnails, in pixels.
        reader: what runs the network. The last bits of its answers depend on it.

    Raises:
        ConvscopeError: a number is out of its bounds.
    """

    layers: tuple[str, ...]
    embedding: str
    threads: int
    top: int = 9
    batch_size: int = 16
    shard: int = 512
    thumbnail: int = 96
    reader: ReaderName = "torch"

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ConvscopeError(
                    f"index: {name} must be from {low} to {high}, not {getattr(self, name)}"
                )

    def changed(self, **options: Any) -> Settings:
        """The same settings but for the options that are not None."""
        return replace(self, **{name: v for name, v in options.items() if v is not None})

    def to_json(self) -> dict[str, Any]:
        """As JSON; without the reader where it is torch, as it always was in earlier versions."""
        values = asdict(self) | {"layers": list(self.layers)}
        if self.reader == "torch":
            del values["reader"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        return cls(**{**values, "layers": tuple(values["layers"])})
