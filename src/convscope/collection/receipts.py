"""What the JSON files of an index must hold; anything else is damage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from convscope.collection.settings import Settings
from convscope.errors import ConvscopeError
from convscope.network import ReaderName

MERGED = ("images.parquet", "channels.parquet", "embeddings.npy", "pixels.npy")

PEAKS = ("peaks.npy", "places.npy")  # merged, too, where all shards have them

Count = Annotated[int, Field(ge=0, lt=2**31)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Numbers = Annotated[list[float], Field(max_length=64)]


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Maker(Part):
    name: str
    digest: Digest


class _Preprocessing(Part):
    mean: Numbers
    std: Numbers
    input_size: Annotated[list[Count], Field(min_length=2, max_length=2)]
    crop: float
    interpolation: str


class _Settings(Part):
    layers: list[str]
    embedding: str
    threads: int
    top: int
    batch_size: int
    shard: int
    thumbnail: int
    reader: ReaderName = "torch"


class _Classes(Part):
    count: Annotated[int, Field(ge=1, lt=2**31)]
    map: bool
    names: list[Annotated[list[str], Field(min_length=1)]]

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len(self.names) not in (0, self.count):
            raise ValueError("some classes have no names")
        return self


class Identity(Part):
    """index.json: what an index is of."""

    format: int
    convscope: str
    folder: str
    follow_links: bool
    preprocessing: _Preprocessing
    network: _Maker
    settings: _Settings
    classes: _Classes | None
    source: dict[str, Any] | None


class Planned(Part):
    """manifest.json: what the manifest is a manifest of, with a copy of index.json.

    Args:
        index: what index.json holds.
        sha256: the checksum of manifest.parquet, and before that is replaced the new one too.
    """

    index: dict[str, Any]
    sha256: Annotated[list[Digest], Field(min_length=1, max_length=2)]


class Sums(Part):
    """The checksums of the tables of a shard. An index from before there were peaks has none."""

    images: Digest
    channels: Digest
    peaks: Digest | None = None

    def tables(self) -> dict[str, str]:
        """The checksum of each table that there is."""
        found: dict[str, str] = self.model_dump(exclude_none=True)
        return found


class Receipt(Part):
    """shards/000000.json: what a shard is of, and what it holds."""

    key: Digest
    images: Count
    unreadable: Count
    sha256: Sums


_MERGED = (set(MERGED), {*MERGED, *PEAKS})


class Done(Part):
    """done.json: all that a finished index consists of.

    Args:
        index: the checksum of what index.json holds.
        manifest: the checksum of manifest.parquet.
        parts: the checksum of all receipts.
        shards: the numbers of the shards.
        images: how many images of each shard could be read.
        tables: the checksum of each shard's table of images.
        sha256, sizes: checksum and bytes of each merged file.
    """

    index: Digest
    manifest: Digest
    parts: Digest
    shards: list[Count]
    images: list[Count]
    tables: list[Digest]
    sha256: dict[str, Digest]
    sizes: dict[str, Annotated[int, Field(ge=0)]]

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if not len(self.shards) == len(self.images) == len(self.tables):
            raise ValueError("several numbers of shards")
        if self.sha256.keys() != self.sizes.keys() or set(self.sha256) not in _MERGED:
            raise ValueError("other files")
        return self


Kind = TypeVar("Kind", bound=Part)


def as_receipt(kind: type[Kind], values: Mapping[str, Any] | None) -> Kind | None:
    """The values as a receipt of a kind; None if they are not."""
    try:
        return None if values is None else kind.model_validate(values)
    except ValidationError:
        return None


def is_identity(values: Mapping[str, Any] | None) -> bool:
    """Whether values are what an index can be of."""
    found = as_receipt(Identity, values)
    try:
        return found is not None and bool(Settings.from_json(found.settings.model_dump()))
    except ConvscopeError:
        return False
