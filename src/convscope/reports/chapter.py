"""A chapter of a tour, and what the descriptions of chapters share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.reports.page_picture import PagePicture
from convscope.runs import Run, Technique, registry
from convscope.types import CLASS_NUMBER, Prediction

Quote = Callable[[Mapping[str, Any]], Mapping[str, object]]


@dataclass
class Chapter:
    """One technique on the page: its picture, and how to read it.

    Attributes:
        title: heading of the chapter.
        technique: makes the picture.
        reading: how to read the picture.
        options: parameters of the technique.
        quote: chooses what the page quotes from the summary of the result, by what it is called.
        check: whether the technique is followed by the checks of its heatmap.
        grows: whether the page shows the image at several steps.
        net: the network that makes the picture; None for that of the tour.
        run: the technique ready to run; None where this network refuses it.
        refusal: why it does; "" where it does not.
        command: what makes the same picture, on the command line or in Python.
        picture: its picture, once it is made.
        seconds: how long the run took.
        summary: what is quoted, with the names of `quote`.
    """

    title: str
    technique: Technique
    reading: str
    options: Mapping[str, Any]
    quote: Quote
    check: bool = False
    grows: bool = False
    net: Network | None = None
    run: Run | None = None
    refusal: str = ""
    command: str = ""
    picture: PagePicture | None = None
    seconds: float = 0.0
    summary: list[tuple[str, object]] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The fragment of the chapter's address on the page."""
        return self.title.lower().replace(" ", "-").replace("?", "").replace(",", "")

    @property
    def done(self) -> bool:
        """Whether it has its picture, or the reason why there is none."""
        return self.picture is not None or bool(self.refusal)


def chapter(
    title: str,
    name: str,
    reading: str,
    options: Mapping[str, Any] | None = None,
    quote: Quote = lambda _: {},
    *,
    check: bool = False,
    grows: bool = False,
) -> Chapter:
    """A chapter about the technique of that name; the arguments are described at `Chapter`."""
    return Chapter(title, registry.get(name), reading, options or {}, quote, check, grows)


@dataclass(frozen=True)
class ClassName:
    """A class as the page calls it, and as the options of a technique name it."""

    label: str
    target: str

    def __str__(self) -> str:
        return self.label


def class_name(net: Network, prediction: Prediction) -> ClassName:
    """The class of a prediction: a target by its label, or by its number where that is not clear.

    There may be no labels, or several classes with one label.
    """
    try:
        clear = net.target(prediction.label).channel == prediction.index
    except ConvscopeError:
        clear = False
    target = prediction.label if clear else f"{CLASS_NUMBER}{prediction.index}"
    return ClassName(prediction.label, target)


def layer_name(choose: Callable[..., Any], *arguments: Any) -> str:
    """The name of the layer that a default chooses, or "" where there is none."""
    try:
        name: str = choose(*arguments).name
    except ConvscopeError:
        return ""
    return name


def percent(value: float) -> str:
    """A fraction as a percentage."""
    return f"{value:.1%}"
