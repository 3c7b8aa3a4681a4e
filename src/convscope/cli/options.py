"""Options that several commands share, each declared once.

A command takes a group as one keyword argument; its fields are options beside the command's own.
"""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from cyclopts import Group, Parameter

from convscope.errors import ConvscopeError, short

if TYPE_CHECKING:
    from convscope.network import Network

NETWORK = Group("Network", sort_key=1)  # below the options of a command itself

DEFAULT_MODEL = "efficientnet_lite0"  # that of the zoo, which imports torch

SAMPLES = "sample:chelsea, sample:coffee, sample:rocket or sample:astronaut"

if TYPE_CHECKING:
    PathText = str
else:
    PathText = str | Path  # always a text, whose paths shells complete

ImagePath = Annotated[PathText, Parameter(help=f"path of a photograph, or {SAMPLES}")]

ImagePaths = Annotated[
    PathText, Parameter(help=f"path of a photograph or of a folder of photographs, or {SAMPLES}")
]

VideoPaths = Annotated[
    PathText,
    Parameter(help=f"path of a photograph, of a folder of photographs or of a video, or {SAMPLES}"),
]

Contains = Annotated[str, Parameter(help="list only names that contain this text", metavar="TEXT")]

NAMES = (
    "name of the network: efficientnet_lite0, efficientnet_lite1, squeezenet1_1, hog, timm/NAME,"
    " torchvision/NAME, a name that a plug-in adds, a file of `convscope compress`, or your own"
    " code: FILE.py:FUNCTION, PACKAGE.MODULE:FUNCTION or an exported program, FILE.pt2"
)

Model = Annotated[str, Parameter(help=NAMES, metavar="NETWORK")]

Json = Annotated[bool, Parameter(help="print the result as JSON")]

Seed = Annotated[int, Parameter(help="random seed")]


@dataclass(frozen=True, kw_only=True)
class _Named:
    """The name of a network. `default` is that of a command for which none is named."""

    default: ClassVar[str] = DEFAULT_MODEL
    model: Annotated[
        str | None,
        Parameter(
            help=f"{NAMES}; by default {DEFAULT_MODEL}, or the network that made the index",
            metavar="NETWORK",
        ),
    ] = None


@Parameter(name="*", group=NETWORK)
@dataclass(frozen=True, kw_only=True)
class LoadingOptions:
    """How a network is loaded, apart from its name."""

    checkpoint: Annotated[
        Path | None,
        Parameter(
            help="file of your own weights for the network, with any number of classes: .pt, .pth,"
            " .ckpt, .safetensors; FILE:NAME for the weights under a name in it"
        ),
    ] = None
    labels: Annotated[
        Path | None,
        Parameter(help="file with the names of the classes: one a line, .json, .csv or .yaml"),
    ] = None
    mean: Annotated[
        str | None,
        Parameter(
            help="mean of each channel of the training images, for pixels from 0 to 1:"
            " 0.485,0.456,0.406; one for each channel",
            metavar="NUMBERS",
        ),
    ] = None
    std: Annotated[
        str | None,
        Parameter(help="standard deviation of each channel: 0.229,0.224,0.225", metavar="NUMBERS"),
    ] = None
    input_size: Annotated[
        str | None,
        Parameter(
            help="pixels that the network was trained on: 224, or rows and columns: 224,320",
            metavar="PIXELS",
        ),
    ] = None
    crop: Annotated[
        float | None, Parameter(help="fraction of the photograph's shorter side that is kept")
    ] = None
    interpolation: Annotated[
        Literal["bicubic", "bilinear"] | None, Parameter(help="how photographs are resized")
    ] = None
    random_weights: Annotated[
        bool, Parameter(help="use random weights instead of trained ones")
    ] = False

    @property
    def given(self) -> dict[str, Any]:
        """The options that are given, as arguments of `load`."""
        found = {
            "checkpoint": self.checkpoint,
            "labels": self.labels,
            "mean": _numbers("--mean", self.mean),
            "std": _numbers("--std", self.std),
            "input_size": _size(self.input_size),
            "crop": self.crop,
            "interpolation": self.interpolation,
            "pretrained": False if self.random_weights else None,
        }
        return {word: value for word, value in found.items() if value is not None}


@Parameter(name="*", group=NETWORK)
@dataclass(frozen=True, kw_only=True)
class WeightOptions(LoadingOptions, _Named):
    """Which network a command works on."""

    def load(self, device: str | None) -> Network:
        """The network, on `device` or, for None, on a GPU where there is one."""
        return _load(device, name=self.model or self.default, **self.given)


def _load(device: str | None, **options: Any) -> Network:
    """The network. What was assumed about its checkpoint is told."""
    from convscope.cli.terminal import tell
    from convscope.network import load

    net = load(device=device, **{"pretrained": True, **options})
    for note in net.loading_notes:
        tell(f"convscope: {note}")
    return net


def _numbers(option: str, text: str | None) -> tuple[float, ...] | float | None:
    """Numbers with commas between them; a single number alone."""
    if text is None:
        return None
    try:
        first, *others = [float(number) for number in text.split(",")]
    except ValueError as error:
        raise ConvscopeError(
            f"{option} is a number for each channel, with commas between them, not {short(text)}"
        ) from error
    return (first, *others) if others else first


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.replace("x", ",").split(",")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise ConvscopeError(
            "--input-size is a number of pixels, or rows and columns with a comma between them, not"
            f" {short(text)}"
        )
    return int(sides[0]), int(sides[-1])


class NotKnown(ConvscopeError):
    """An index does not say how its network is loaded, or by code that only its user may name."""


Device = Annotated[
    str | None,
    Parameter(
        help="device that the network runs on: cpu, cuda, cuda:1; by default a GPU, if there is"
        " one",
        metavar="DEVICE",
        group=NETWORK,
    ),
]


@Parameter(name="*", group=NETWORK)
@dataclass(frozen=True, kw_only=True)
class NetworkOptions(WeightOptions):
    """Which network a command works on, and where that runs."""

    device: Device = None

    def open(self, index: Path | str | None = None) -> Network:
        """The network; for an index, where no other is asked for, the one that made the index."""
        return self.load(self.device) if index is None or self._named else self._maker(Path(index))

    def for_use(self, use: str, index: Path | str | None) -> Network | None:
        """The network for a technique that needs it ("needed"), or the use that it has of it.

        None where it takes none ("none"), where all is in the index ("unused"), and where the index
        does not know how its network is loaded and the technique can do without ("useful"), unless
        a network is named.
        """
        if use == "none":
            return None
        if use == "needed" or index is None or self._named or self.given:
            return self.open(index)
        if use == "unused":
            return None
        try:
            return self.open(index)
        except NotKnown:
            return None

    @property
    def _named(self) -> bool:
        """Whether a network is asked for by its name or its weights."""
        return bool(self.checkpoint or self.random_weights or self.model)

    def _maker(self, index: Path) -> Network:
        if (known := maker(index)) is None:
            return self.load(self.device)
        return _load(self.device, **{**known, **self.given})


def maker(index: Path) -> dict[str, Any] | None:
    """How the network that made an index is loaded; None if there is no index yet.

    Raises:
        NotKnown: the index does not say so, or only the user may name the network.
    """
    from convscope.collection import Store  # imports pyarrow
    from convscope.network import arguments, runs_code

    identity = Store(index).identity()
    if identity is None:
        return None
    source = identity["source"]
    if not source:
        raise NotKnown(
            f"{index} was made by a network of your own, {short(identity['network']['name'])};"
            " name it: give --model FILE.py:FUNCTION, and --checkpoint if there is one"
        )
    known = arguments(source)
    if runs_code(known["name"]):
        raise NotKnown(
            f"{index} was made by code ({short(known['name'])}), which runs only if you name"
            " it: give --model, and --checkpoint if there was one"
        )
    return known


@cache
def network_options(default: str) -> type[NetworkOptions]:
    """The options of a command whose network is `default` if none is named."""
    if default == NetworkOptions.default:
        return NetworkOptions
    parameter = Parameter(help=f"{NAMES}; by default {default}", metavar="NETWORK")
    return make_dataclass(
        "NetworkOptions",
        [("model", Annotated[str | None, parameter], None)],
        bases=(NetworkOptions,),
        namespace={"default": default, "__module__": __name__},
        frozen=True,
        kw_only=True,
    )


SEVERAL = "repeat the option to give several"

FORMATS = (
    "its name ends in .png, .jpg or .webp; in .pdf or .svg for a paper; in .npz or .npy for the"
    " arrays; or in .gif, .webp or .mp4 for all steps of the run"
)

Resume = Annotated[
    bool, Parameter(help="continue a stopped optimization from its resume file, if there is one")
]


def output_option(what: str) -> Parameter:
    """The option `-o` of a command that writes `what`."""
    return Parameter(["--output", "-o"], help=what)


@dataclass(frozen=True)
class PictureOptions:
    """Where a command writes its picture, and what it prints."""

    output: Path | None = None
    resume: bool = False
    json: bool = False
