"""How far an attribution can be trusted: four questions to its map, asked by the numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from convscope.attribution import Question, ask
from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.runs import Run, registry
from convscope.trust import methods
from convscope.trust.curves import area, curves, moved_at_random
from convscope.types import Bars, Box, Curves, Frame, HeatMap, Panel, Sheet, Target

# How much of the network is random, from the output down: the classifier alone, then more.
CASCADE: Mapping[str, float] = {
    "classifier random": 0.0,
    "a quarter random": 0.25,
    "half random": 0.5,
    "all random": 1.0,
}


# Quick methods that rest on different ideas.
OTHERS = ("saliency", "smoothgrad", "guided_backprop", "integrated_gradients", "gradcam")


MOVED = 2  # copies of the map elsewhere, for the control


STEPS = 1 + len(CASCADE) + 2


# A rank correlation above this reads as "much the same map".
ALIKE = 0.5


def check(run: Run, *, seed: int = 0) -> Run:
    """The run of an attribution, followed by checks of its map; its last frame shows both.

    - Deletion and insertion (Petsiuk et al. 2018): does the score fall fast as the pixels that the
      map ranks first are hidden, and rise fast as they are shown? The control is the same map
      moved at random, which is as fine or coarse but points elsewhere.
    - Randomization (Adebayo et al. 2018): does the map change as the network forgets what it
      learned, layer by layer from the output down? A map that does not shows the photo's edges.
    - Target: does the map change with what it explains?
    - Agreement: do other methods point to the same places?

    `summary["check"]` has the numbers and, in "words", what they mean, by question.

    Raises:
        ConvscopeError: the run is of no attribution, or is about several images or whole layers.
    """
    entry = registry.get(run.technique)
    if not entry.attribution:
        raise ConvscopeError(
            f"check judges attributions, and {run.technique} is none; it judges"
            f" {', '.join(methods.names())}"
        )
    image = run.image
    if image is None or len(image) != 1:
        raise ConvscopeError("check judges the map of one image at a time")
    word = _one_target(run)
    if word is not None and run.net.target(word).channel is None:
        raise ConvscopeError(f"check judges no map of a whole layer: name a channel of {word}")

    def frames() -> Iterator[Frame]:
        for frame in run.frames():
            yield replace(frame, steps=frame.steps + STEPS)
        done = frame.steps
        for step, found in enumerate(_checks(run, frame, seed), done + 1):
            yield replace(found, step=step, steps=done + STEPS)

    return Run(run.technique, frames, run.net, image, run.parameters, checked=seed)


def _checks(run: Run, last: Frame, seed: int) -> Iterator[Frame]:
    net, frame = run.net, methods.mapped(last)
    assert run.image is not None and frame.heatmap is not None
    if len(frame.heatmap) != 1:
        raise ConvscopeError("check judges one map: name a class, a channel or a neuron")
    question = ask(net, run.image, _one_target(run)).settled()
    (unit,), (name,), heatmap = question.units, question.names({}), frame.heatmap[0]
    assert unit is not None
    photo, box = question.photo[0], net.box(question.photo)
    summary: dict[str, Any] = {}
    panels: list[Panel] = list(last.panels)

    def shown() -> Frame:
        found = copy.deepcopy(summary)
        return replace(last, panels=tuple(panels), summary={**last.summary, "check": found})

    # Does the order of the map hide and show what matters first?
    falls, rises = curves(question, heatmap)
    moved = [curves(question, other) for other in moved_at_random(heatmap, MOVED, seed)]
    chance_falls, chance_rises = (
        torch.tensor(lines).mean(0).tolist() for lines in zip(*moved, strict=True)
    )
    summary |= {
        "deletion": area(falls),
        "insertion": area(rises),
        "deletion_moved": area(chance_falls),
        "insertion_moved": area(chance_rises),
    }
    of = "probability" if unit.label is not None else "score, in parts of the photo's,"
    parts = tuple(torch.linspace(0, 1, len(falls)).tolist())
    for title, line, chance, verb in (
        ("insertion", rises, chance_rises, "shown"),
        ("deletion", falls, chance_falls, "hidden"),
    ):
        caption = f"{title}: area {area(line):.2f}, of the map moved {area(chance):.2f}"
        lines = {"by the map": tuple(line), "map moved": tuple(chance)}
        label = f"part of the pixels {verb}, highest first"
        panels.append(
            Curves(parts, lines, label, f"{of} of {name}", caption, frozenset({"map moved"}))
        )
    yield shown()

    # Does it change as the network forgets?
    tiles = [_tile(frame, photo, box, "as trained")]
    forgot: dict[str, float] = {}
    summary["randomized"] = forgot
    for what, part in CASCADE.items():
        other = _again(run, net.randomized(part, seed), unit)
        assert other.heatmap is not None
        forgot[what] = methods.similarity(heatmap, other.heatmap[0])
        tiles.append(_tile(other, photo, box, f"{what}: {forgot[what]:.2f}"))
        yield shown()
    sheet = Sheet(tuple(tiles), _of_forgetting(forgot["half random"]), columns=len(tiles))

    # Does it change with the target, and do others agree?
    rival = _rival(net, question)
    other = _again(run, net, rival)
    assert other.heatmap is not None
    summary["other_target"] = {str(rival): methods.similarity(heatmap, other.heatmap[0])}
    yield shown()
    agreement: dict[str, float] = {}
    summary["agreement"] = agreement
    for method in OTHERS:
        if method != run.technique:
            try:
                found = methods.attribute(net, run.image, method, unit.spec)
            except ConvscopeError:  # on this network there is no such map to agree with
                continue
            assert found.heatmap is not None
            agreement[method] = methods.similarity(heatmap, found.heatmap[0])
    bars = {f"the same for {rival}": summary["other_target"][str(rival)]}
    bars |= {registry.get(method).title: value for method, value in agreement.items()}
    summary["words"] = _words(summary, str(rival))
    caption = "how alike other maps are"
    names, values = tuple(bars), tuple(bars.values())
    panels += [Bars(names, values, "rank correlation", caption, ".2f"), sheet]
    yield shown()


def _one_target(run: Run) -> Any:
    target = run.parameters.get("target")
    return target[0] if isinstance(target, tuple) else target


def _again(run: Run, net: Network, unit: Target) -> Frame:
    """The run's technique and options with another network or target."""
    words = {word: value for word, value in run.parameters.items() if word != "target"}
    assert run.image is not None
    return methods.attribute(net, run.image, run.technique, unit.spec, **words)


def _rival(net: Network, question: Question) -> Target:
    """What else could be explained: the runner-up class, or the next channel of the layer."""
    (unit,) = question.units
    assert unit is not None and unit.channel is not None
    if unit.label is None:
        return replace(unit, channel=(unit.channel + 1) % net.shape(unit.layer)[0])
    logits = net.logits(question.inputs)[0].clone()
    logits[unit.channel] = -torch.inf
    return net.target(int(logits.argmax()))


def _tile(frame: Frame, photo: Tensor, box: Box, caption: str) -> HeatMap:
    return replace(methods.over_photo(frame, photo, box), caption=caption)


def _of_forgetting(similarity: float) -> str:
    if similarity > ALIKE:
        how, what = "much the same", "the photo more than what was learned"
    else:
        how, what = "another one", "something of what was learned"
    return f"with half of the layers random the map is {how} ({similarity:.2f}): it shows {what}"


def _words(summary: Mapping[str, Any], rival: str) -> dict[str, str]:
    """What the numbers mean, a sentence for each question."""
    shown, shown_moved = summary["insertion"], summary["insertion_moved"]
    hidden, hidden_moved = summary["deletion"], summary["deletion_moved"]
    up = "sooner" if shown > shown_moved else "no sooner"
    down = "sooner" if hidden < hidden_moved else "no sooner"
    other = summary["other_target"][rival]
    changed = "another one"
    if other > ALIKE:
        changed = "much the same: it shows where, and not why the one and not the other"
    return {
        "insertion": f"its highest pixels, shown, bring the score up {up} than those of the same"
        f" map moved elsewhere ({shown:.2f} against {shown_moved:.2f})",
        "deletion": f"hidden, they bring it down {down} ({hidden:.2f} against {hidden_moved:.2f})",
        "random weights": _of_forgetting(summary["randomized"]["half random"]),
        "another target": f"for {rival} the map is {changed} ({other:.2f})",
    }
