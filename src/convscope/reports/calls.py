"""What to type to get a picture: on the command line, or in Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from convscope.runs import Technique


def command(
    technique: Technique,
    options: Mapping[str, Any],
    photo: str | None,
    source: Mapping[str, Any] | None,
    *,
    check: bool = False,
) -> str:
    """The words on the command line.

    Args:
        technique: what makes the picture.
        options: those that are given.
        photo: the path of the photograph.
        source: how the network was loaded; None where none is needed.
        check: whether the technique is followed by the checks of its heatmap.
    """
    words = ["convscope", technique.command]
    if technique.takes_image and photo is not None:
        words.append(photo)
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += _option(name, one)
    if check:
        words.append("--check")
    if technique.takes_network and source is not None:
        words += network_words(source, technique.network)
    return shlex.join([*words, "-o", f"{technique.command}.png"])


def _option(name: str, value: object) -> list[str]:
    """An option with its value; a flag has none."""
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]


def on_command_line(source: Mapping[str, Any]) -> bool:
    """Whether options can choose a network: not where labels were given, whose file is unknown."""
    return "labels" not in source


def network_words(source: Mapping[str, Any], default: str) -> list[str]:
    """The options of the command line that choose a network, where `default` is that of none."""
    words = [] if source["name"] == default else ["--model", str(source["name"])]
    if source["checkpoint"]:
        words += ["--checkpoint", str(source["checkpoint"])]
    for name in ("mean", "std", "input_size", "crop", "interpolation"):
        if name in source:
            value = source[name]
            text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    if not source["pretrained"]:
        words.append("--random-weights")
    return words


def python(
    technique: Technique,
    options: Mapping[str, Any],
    *,
    net: str | None = "net",
    image: str | None = "image",
    check: bool = False,
) -> str:
    """The call in Python.

    Args:
        technique: what makes the picture.
        options: those that are given.
        net: the network, as Python; None where none is needed.
        image: the photograph, as Python.
        check: whether the technique is followed by the checks of its heatmap.
    """
    inputs = technique.inputs(net, image)
    arguments = [one for one in inputs.values() if one is not None]
    if list(inputs.values())[:1] == [None] and arguments:
        arguments.insert(0, "None")  # the image is the second argument
    arguments += [f"{name}={value!r}" for name, value in options.items()]
    call = f"cs.{technique.name}({', '.join(arguments)})"
    call = f"cs.check({call})" if check else call
    return f'{call}.save("{technique.command}.png")'
