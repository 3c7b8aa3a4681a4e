"""The grammar of targets: what a text or a number stands for in a network.

"tabby" or 281 (a class), "tabby@7,7" (at a place of a map of class scores: row, column),
"tabby@2,3,5,6" (over a region of it: top, left, bottom, right), "color=red" or "color=2" (a class
of one of several outputs), "blocks.4" (a layer), "blocks.4:12" (a channel), "blocks.4:12@7,7" (a
neuron). A text is a label if there is such a label, and a number of a class otherwise; "class:281"
is always the number. "like:cat.jpg" is the similarity to another image.
"""

from __future__ import annotations

import operator
import re
from dataclasses import replace
from functools import lru_cache
from typing import SupportsIndex

from convscope.errors import ConvscopeError, short, unknown
from convscope.network.heads.outputs import Output
from convscope.network.names import Names
from convscope.types import CLASS_NUMBER, LIKE, Target, TargetLike

_PLACE = re.compile(r"(?P<name>.*?)(?:@(?P<place>\d+,\d+(?:,\d+,\d+)?))?", re.DOTALL)
_CHANNEL = re.compile(r"(?P<layer>[^:@]*):(?P<channel>\d+)")


def as_target(names: Names, target: TargetLike) -> Target:
    """The target that a name, a class number or a target stands for.

    Raises:
        ConvscopeError: nothing has that name.
    """
    if isinstance(target, Target):
        return _checked(names, target)
    if not isinstance(target, str):
        return _numbered(names, _integer(target))
    if target.startswith(LIKE) and LIKE[:-1] not in names.layers:
        return Target("", like=target.removeprefix(LIKE))
    found = _class(names, target)
    if found is None:
        match = _PLACE.fullmatch(target)
        assert match is not None
        text, place = match["name"], match["place"]
        found = (_class(names, text) if place else None) or _unit(names, text, target)
        if place:
            found = _placed(found, tuple(map(int, place.split(","))))
    return _checked(names, found)


# -------------------------------------------------------------------------- classes


def _class(names: Names, text: str) -> Target | None:
    """The class that a text without a place stands for, if it stands for one."""
    called = _called(names, "", text)
    if called is not None:
        return called
    head, equals, rest = text.partition("=")
    while equals:
        if f"{head}=" in names.outputs:
            found = _called(names, f"{head}=", rest)
            if found is None:
                known = [name for one in names.outputs[f"{head}="].synonyms for name in one]
                raise unknown(f"class of {head}", rest, known)
            return found
        more, equals, rest = rest.partition("=")
        head = f"{head}={more}"
    return None


def _called(names: Names, output: str, text: str) -> Target | None:
    """The class of an output with this label or synonym or, if there is none, of this number."""
    known = names.outputs.get(output)
    classes = [] if known is None else _labeled(known, text)
    if len(classes) > 1:
        numbers = ", ".join(map(str, classes))
        raise ConvscopeError(
            f"several classes are called {text!r}: give one of the numbers {numbers}"
        )
    if classes:
        return _numbered(names, classes[0], output)
    number = text.strip().removeprefix(CLASS_NUMBER)
    if not number.isdecimal() or (number != text.strip() and CLASS_NUMBER[:-1] in names.layers):
        return None
    found = _numbered(names, int(number), output)
    if number == text.strip() and known and any(label.isdecimal() for label in known.labels):
        raise ConvscopeError(
            f"no label is {number!r}, and class number {int(number)} is labeled"
            f" {known.labels[int(number)]!r}: give the label, or {CLASS_NUMBER}{number}"
        )
    return found


def class_number(output: Output, text: str) -> int | None:
    """The class that a label, a synonym or a number stands for; None if not exactly one does."""
    classes = _labeled(output, text)
    if classes:
        return classes[0] if len(classes) == 1 else None
    number = text.strip().removeprefix(CLASS_NUMBER)
    if not number.isdecimal() or len(number) > 9:
        return None
    bare = number == text.strip() and any(label.isdecimal() for label in output.labels)
    return int(number) if int(number) < (output.num_classes or 0) and not bare else None


def _labeled(output: Output, text: str) -> list[int]:
    """The classes with this label or, if there are none, those with this synonym."""
    labels, synonyms = _by_name(tuple(map(tuple, output.synonyms)))
    wanted = _plain(text)
    return labels.get(wanted) or synonyms.get(wanted, [])


@lru_cache(maxsize=8)  # a collection of images asks for many labels
def _by_name(
    synonyms: tuple[tuple[str, ...], ...],
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """The classes of each label, and of each synonym."""
    labels: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for number, names in enumerate(synonyms):
        labels.setdefault(_plain(names[0]), []).append(number)
        for name in {_plain(name) for name in names}:
            others.setdefault(name, []).append(number)
    return labels, others


def _plain(text: str) -> str:
    return text.replace("_", " ").replace("-", " ").strip().lower()


def _numbered(names: Names, index: int, name: str = "") -> Target:
    """The class of this number; of an output without classes, the value of this number."""
    output = names.outputs.named(name)
    if output.kind in ("values", "embedding"):
        return Target(name, index)
    output = names.outputs.classes(name)
    assert output.num_classes is not None
    if not 0 <= index < output.num_classes:
        last = output.num_classes - 1
        raise ConvscopeError(f"no class {index}: {names.outputs.network} has classes 0 to {last}")
    return Target(name, index, label=output.label(index))


# --------------------------------------------------------------------------- layers


def _unit(names: Names, text: str, whole: str) -> Target:
    """The layer or channel that a text without a place stands for."""
    if text in names.layers or names.is_pre(text):
        return Target(text)
    match = _CHANNEL.fullmatch(text)
    name = match["layer"] if match else text
    if name in names.ambiguous:
        names.layer(name)
    if match is None or not (name in names.layers or names.is_pre(name)):
        outputs = names.outputs.values()
        known = [name for one in outputs for synonyms in one.synonyms for name in synonyms]
        every = [*names.layers, *known]
        few = 0 < len(known) <= 12 < len(every)  # otherwise all are listed, or too many
        hint = f"the classes are {', '.join(map(short, known))}" if few else ""
        raise unknown("class or layer", name if match else whole, every, hint)
    return Target(name, int(match["channel"]))


def _placed(target: Target, place: tuple[int, ...]) -> Target:
    top, left, *rest = place
    if not rest:
        return replace(target, position=(top, left))
    bottom, right = rest
    return replace(target, region=(top, left, bottom, right))


def _checked(names: Names, target: Target) -> Target:
    """The target, if its layer exists and has such a channel and place."""
    if target.like is not None:
        return target
    name, channel = target.layer, target.channel
    if channel is None and not target.place:
        names.shape(name)
        return target
    shape = names.channel_shape(name)
    if channel is not None and not (shape and 0 <= channel < shape[0]):
        has = f"has channels 0 to {shape[0] - 1}" if shape else "has none"
        raise ConvscopeError(f"no channel {channel}: {name or 'the output'!r} {has}")
    if channel is not None and name in names.outputs:
        target = replace(target, label=_numbered(names, channel, name).label)
    if not target.place:
        return target
    if name in names.outputs and names.outputs[name].boxes:
        return _boxed(target)
    if channel is None or len(shape) != 3:
        raise ConvscopeError(
            f"{str(target)!r}: a position needs a channel of a layer with feature maps, or a class"
            " of a map of class scores"
        )
    _check_place(target, shape[1:])
    return target


def _boxed(target: Target) -> Target:
    """A class of a detector at a box, in pixels of the network's input."""
    top, left, bottom, right = target.region or (0, 0, 0, 0)
    if not (top < bottom and left < right):
        raise ConvscopeError(
            f"{str(target)!r}: the box of a detector is given by its top, left, bottom and right,"
            " in pixels of the network's input"
        )
    return target


def _check_place(target: Target, size: tuple[int, ...]) -> None:
    (rows, columns), maps = size, f"the feature maps of {target.layer!r}"
    maps = f"{maps if target.layer else 'the maps of the output'} are {rows} x {columns}"
    if target.position is not None:
        row, column = target.position
        if not (0 <= row < rows and 0 <= column < columns):
            raise ConvscopeError(f"no position {row},{column}: {maps}")
    if target.region is not None:
        top, left, bottom, right = target.region
        if not (0 <= top < bottom <= rows and 0 <= left < right <= columns):
            raise ConvscopeError(
                f"no region {top},{left},{bottom},{right} (top, left, bottom, right): {maps}"
            )


def _integer(value: SupportsIndex) -> int:
    """An integer of any type, such as NumPy's or a tensor of one."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise ConvscopeError(
            f"a target is a class, a layer or a channel, not {type(value).__name__}"
        ) from error
