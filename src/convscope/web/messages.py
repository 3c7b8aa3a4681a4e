"""What the server and its worker processes say to each other, over a pipe.

The server imports no torch: it starts in a moment, and answers while a network loads. Two workers
do the work: "runs" makes runs, one at a time; "live" answers questions at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convscope.web.models import FrameInfo, NetworkInfo, RunRequest

# Where an image is: a path, or a name like "sample:chelsea".
Source = Path | str


@dataclass(frozen=True)
class Options:
    """What a worker is started with.

    Attributes:
        networks: how to load each network, by its id: arguments of `convscope.network.load`.
        indexes: the folders of indexes, by id.
    """

    networks: Mapping[str, Mapping[str, Any]]
    indexes: Mapping[str, Path]


# ------------------------------------------------------------------ to a worker


@dataclass(frozen=True)
class Begin:
    """Make a run.

    Attributes:
        files: the images that it names, by id: paths, or names like "sample:chelsea".
        folder: the run's own; its resume files are in the folder "resume" in it.
        resume: whether to go on from them.
    """

    run: str
    request: RunRequest
    files: Mapping[str, Source]
    folder: Path
    resume: bool


@dataclass(frozen=True)
class Control:
    """Change how the run goes on, between two of its frames."""

    run: str
    order: Literal["pause", "go_on", "cancel"]


@dataclass(frozen=True)
class Ask:
    """A question: the name of a function of `convscope.web.answers`, and its arguments."""

    id: int
    question: str
    arguments: Mapping[str, Any]


# ------------------------------------------------------------------ from a worker


@dataclass(frozen=True)
class Loaded:
    """What is known of a network, loaded or not."""

    network: NetworkInfo


@dataclass(frozen=True)
class Step:
    """A frame, with its blobs: the media type and the bytes of each."""

    run: str
    frame: FrameInfo
    blobs: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Ended:
    """The run's end; a problem is one line for the user."""

    run: str
    state: Literal["done", "canceled", "failed"]
    problem: str | None = None


@dataclass(frozen=True)
class Answered:
    """The answer to a question: a value, or a problem in one line."""

    id: int
    value: Any = None
    problem: str | None = None


# ------------------------------------------------------------------ answers that stay in the server


@dataclass(frozen=True)
class Picture:
    """An image that was encoded anew; `width` and `height` are those of the whole photograph."""

    width: int
    height: int
    media_type: str
    data: bytes


@dataclass(frozen=True)
class File:
    """A file to download."""

    media_type: str
    data: bytes


@dataclass(frozen=True)
class Described:
    """A run that can be made: its title, how many steps it takes, and whether it climbs."""

    title: str
    steps: int = 0
    climbs: bool = False
