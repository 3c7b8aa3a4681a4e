"""What the explorer's server and its pages say to each other.

The OpenAPI schema is made of these, and the types of the front end are made of that. Ids are
opaque: no path of the user's machine crosses the wire.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from convscope.web.panel_models import Message, PanelInfo

State = Literal["waiting", "running", "paused", "done", "canceled", "failed", "crashed"]

OVER: tuple[State, ...] = ("done", "canceled", "failed", "crashed")


class Problem(Message):
    """What is wrong, and what to do, in one line."""

    detail: str


DEEPEST = 32  # lists in lists


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values that can be written as JSON again: no NaN, no half of a letter, not too deep."""
    _check_depth(values, DEEPEST)
    json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    return values


def _check_depth(value: object, left: int) -> None:
    if left < 0:
        raise ValueError("its lists are too deep")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


# Values of any kind, by name.
Arguments = Annotated[dict[str, Any], AfterValidator(_plain)]


# ------------------------------------------------------------------ what there is to work with


class NetworkInfo(Message):
    """A network of the command line. What is not known before it is loaded is None."""

    id: str
    name: str
    state: Literal["loading", "ready", "failed"]
    problem: str | None = None
    input_size: tuple[int, int] | None = None
    num_classes: int | None = None
    num_parameters: int | None = None
    layers: list[str] = []
    default_layer: str | None = None


class IndexInfo(Message):
    """An index of the command line.

    Attributes:
        version: changes with what is in it; addresses of pictures have it.
    """

    id: str
    name: str
    network: str
    photographs: int
    version: str


class Session(Message):
    """What the command line gave."""

    version: str
    networks: list[NetworkInfo]
    indexes: list[IndexInfo]


class ImageInfo(Message):
    """A photograph: a sample, one of the command line, or an upload.

    Attributes:
        problem: why it cannot be opened; its width and height are 0 then.
    """

    id: str
    name: str
    width: int
    height: int
    kind: Literal["sample", "file", "upload"]
    problem: str | None = None


class TechniqueInfo(Message):
    """A registered technique.

    Attributes:
        options: the JSON schema of its options. `format` says what a string means where it is no
            free text: "target" (a class, layer, channel or neuron), "layer", "image" (the id of an
            image), "index" (the id of an index).
        unavailable: why the browser cannot run it, None where it can.
    """

    name: str
    title: str
    summary: str
    description: str
    paper: str
    url: str
    chapter: str
    command: str
    takes_image: bool
    needs_image: bool
    takes_network: bool
    attribution: bool
    climbs: bool
    network: str
    package: str | None = None
    options: dict[str, Any]
    unavailable: str | None = None


class ClassInfo(Message):
    """A class of a network."""

    index: int
    name: str


class Prediction(Message):
    """A class with its probability."""

    index: int
    name: str
    probability: float


class Node(Message):
    """A layer of the network's graph, or a place where branches meet.

    Attributes:
        shape: that of its output, without the batch.
        layer: whether it is a layer, so that its features can be asked for.
        joint: whether branches meet in it.
    """

    name: str
    kind: str
    shape: list[int]
    parameters: int
    stride: int | None = None
    receptive_field: int | None = None
    layer: bool = True
    joint: bool = False


class Graph(Message):
    """The network's layers, where branches meet, and which feeds which, as pairs of names."""

    nodes: list[Node]
    edges: list[tuple[str, str]]


# ------------------------------------------------------------------ runs


class Call(Message):
    """A word of the vocabulary with its arguments.

    An argument is a number, a text, a call, or a list of these. A photograph is the text "image",
    or "net.preprocess(image)" for the image as the network gets it.
    """

    word: str
    arguments: Arguments = {}


class Term(Message):
    """A weighted term of an objective."""

    weight: float
    call: Call


class RecipeParts(Message):
    """A recipe, word by word."""

    start: Call
    objective: list[Term]
    rule: Call | None = None
    priors: list[Call] = []
    optimizer: Call
    steps: int = Field(ge=1)
    tile: int | None = Field(default=None, ge=1)


class RecipeTexts(Message):
    """A recipe as texts, part by part, and as the file that Python and the command line run."""

    texts: dict[str, Any]
    toml: str


class RecipeExample(Message):
    """A recipe that is a paper."""

    name: str
    title: str
    paper: str
    url: str
    summary: str
    recipe: RecipeParts


class Word(Message):
    """A word of the vocabulary; `arguments` is the JSON schema of its fields."""

    name: str
    summary: str
    arguments: dict[str, Any]
    package: str | None = None


class Vocabulary(Message):
    """The words that a recipe is made of, part by part."""

    starts: list[Word]
    objectives: list[Word]
    rules: list[Word]
    priors: list[Word]
    optimizers: list[Word]


class RunRequest(Message):
    """What to run. A recipe goes with the technique "ascend", and with no other."""

    technique: str
    network: str | None = None
    image: str | None = None
    options: Arguments = {}
    check: bool = False
    recipe: RecipeParts | None = None


class RunInfo(Message):
    """A run, as the list of runs shows it.

    Attributes:
        frames: how many frames there are so far; they are numbered from 0.
        problem: one line that says what went wrong, and what to do.
        seconds_left: an estimate while it runs.
        loading: whether it waits for the process that makes runs to load its network.
    """

    id: str
    request: RunRequest
    title: str
    state: State
    created: float
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    frames: int = 0
    problem: str | None = None
    loading: bool = False


class Deleted(Message):
    """A run that is no more."""

    id: str


class Answer(Message):
    """A check's question, the answer in words, and whether the map passed."""

    question: str
    answer: str
    passed: bool | None


class FrameInfo(Message):
    """A frame of a run: numbers, and panels whose pictures are blobs.

    There are no scores where some of them are not known yet.
    """

    number: int
    step: int
    steps: int
    score: list[float] = []
    summary: dict[str, Any] = {}
    panels: list[PanelInfo]
    check: list[Answer] = []


class Skipped(Message):
    """Frames that a slow client did not get; each can still be asked for by its number."""

    first: int
    last: int


class RecipeFile(Message):
    """A recipe file."""

    toml: str


class CallTexts(Message):
    """What to type to make a run's result again; no command where only Python can."""

    python: str
    command: str | None


# ------------------------------------------------------------------ live


class LiveRequest(Message):
    """A frame of the camera: JPEG, WebP or PNG in base64."""

    network: str
    image: str
    layer: str | None = None
    unit: int | None = None
    overlay: Literal["none", "gradcam", "unit"] = "none"
    target: str | None = None


class LiveFrame(Message):
    """What the network makes of a frame.

    Attributes:
        sheet: the layer's activations in one picture (base64), by channel, row by row.
        strongest: the channels with the highest activations, the strongest first.
        overlay: the colored map over the part of the frame that the network saw (base64 PNG).
        box: that part: left, top, right, bottom, as fractions.
        milliseconds: how long it took.
    """

    predictions: list[Prediction]
    layer: str | None = None
    channels: int = 0
    columns: int = 0
    sheet: str | None = None
    strongest: list[int] = []
    overlay: str | None = None
    box: tuple[float, float, float, float] | None = None
    milliseconds: float


class StyleInfo(Message):
    """A style of the network that ships with the package."""

    name: str
    title: str


class StylizeRequest(Message):
    """A frame (base64), or the id of an image, and the weights of the styles."""

    frame: str | None = None
    image: str | None = None
    styles: dict[str, float]
    size: int = Field(default=320, ge=32, le=1024)


class StylizedFrame(Message):
    """The stylized picture, JPEG in base64."""

    picture: str
    milliseconds: float
