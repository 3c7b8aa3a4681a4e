"""TODO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from convscope.errors import ConvscopeError
from convscope.runs import Run, Technique, registry

Quote = Callable[[Mapping[str, Any]], Mapping[str, object]]


@dataclass
class Chapter:
    """One step of the tour: what is shown, and how to read it.

    `quote` chooses what of a result's figures is put below the picture, `check` follows the
    technique with the checks of its map, `grows` tells that its frames are an image that changes.
    """

    title: str
    technique: Technique
    reading: str
    options: Mapping[str, Any]
    quote: Quote = field(default=lambda _: {})
    check: bool = False
    grows: bool = False
    run: Run | None = None
    refusal: str = ""
    command: str = ""
    picture: str = ""
    alt: str = ""
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    summary: list[tuple[str, object]] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-").replace("?", "").replace(",", "")

    @property
    def wide(self) -> bool:
        return self.width > 1.6 * self.height


def chapter(
    title: str,
    name: str,
    reading: str,
    options: Mapping[str, Any] | None = None,
    quote: Quote = lambda _: {},
    check: bool = False,
    grows: bool = False,
) -> Chapter:
    return Chapter(title, registry.get(name), reading, options or {}, quote, check, grows)


def layer_name(choose: Callable[..., Any], *words: Any) -> str:
    """The name of the layer that a default chooses, or "" where there is none."""
    try:
        name: str = choose(*words).name
    except ConvscopeError:
        return ""
    return name


def percent(value: float) -> str:
    return f"{value:.1%}"


def quote_predictions(summary: Mapping[str, Any]) -> Mapping[str, object]:
    return {p["label"]: percent(p["probability"]) for p in summary["predictions"]}


def quote_layer(summary: Mapping[str, Any]) -> Mapping[str, object]:
    return {
        "channels": f"{summary['channels']}, of which {summary['dead']} dead on this photograph",
        "values that are zero": percent(summary["silent"]),
    }


def quote_target(summary: Mapping[str, Any]) -> Mapping[str, object]:
    steepest = {"steepest pixel": f"{summary['steepest']:.3g}"} if "steepest" in summary else {}
    return {f"score of {summary['target']}": f"{summary['score']:.2f}", **steepest}


def quote_sheet(summary: Mapping[str, Any]) -> Mapping[str, object]:
    return {"layer": summary["target"], "channels": ", ".join(map(str, summary["channels"]))}


def quote_errors(summary: Mapping[str, Any]) -> Mapping[str, object]:
    pairs = zip(summary["layers"], summary["root_errors"], strict=True)
    return {layer: f"root relative error {errors[0]:.3f}" for layer, errors in pairs}


def quote_check(summary: Mapping[str, Any]) -> Mapping[str, object]:
    words: Mapping[str, object] = summary["check"]["words"]
    return words
