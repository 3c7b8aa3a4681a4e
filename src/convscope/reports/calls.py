"""What to type to get a chapter's picture: on the command line, or in Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from convscope.reports.chapter import Chapter


def command(chapter: Chapter, photo: str, source: Mapping[str, Any]) -> str:
    """The words on the command line.

    Args:
        chapter: what makes the picture.
        photo: the path of the photograph.
        source: how the network was loaded.
    """
    words = ["convscope", chapter.technique.command]
    if chapter.technique.takes_image:
        words.append(photo)
    for name, value in chapter.options.items():
        for one in value if isinstance(value, tuple) else (value,):
            words += _option(name, one)
    if chapter.check:
        words.append("--check")
    if chapter.technique.takes_network:
        words += _network_words(source, chapter.technique.network)
    return shlex.join([*words, "-o", f"{chapter.technique.command}.png"])


def _option(name: str, value: object) -> list[str]:
    """An option with its value; a flag has none."""
    option = f"--{name.replace('_', '-')}"
    return [option] if value is True else [option, str(value)]


def on_command_line(source: Mapping[str, Any]) -> bool:
    """Whether options can choose a network: not where labels were given, whose file is unknown."""
    return "labels" not in source


def _network_words(source: Mapping[str, Any], default: str) -> list[str]:
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


def python(chapter: Chapter) -> str:
    """The call in Python, of the tour's network `net` and its photograph `image`."""
    net = "net" if chapter.net is None else f'cs.load("{chapter.net.name}")'
    arguments = list(chapter.technique.inputs(net, "image").values())
    arguments += [f"{name}={value!r}" for name, value in chapter.options.items()]
    call = f"cs.{chapter.technique.name}({', '.join(arguments)})"
    call = f"cs.check({call})" if chapter.check else call
    return f'{call}.save("{chapter.technique.command}.png")'
