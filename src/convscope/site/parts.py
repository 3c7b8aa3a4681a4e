"""The parts of a site: files that are written together, and what they depend on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from convscope.site import pictures
from convscope.site.contents import Contents, asset
from convscope.site.drawing import Drawn, Task, draw_one

BATCH = 16  # units whose images are made together

PHOTOGRAPHS = 32  # of a part

PAGE = 4  # steps of a page; of a unit's, the last one is for its patches

ICON = "icon.svg"

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Part:
    """Files of a site that are written together.

    Args:
        name: its name.
        told: what a progress bar says of it.
        steps: for how much they count in the progress: `PAGE` for a page.
        make: makes the files by their names.
        depends: what they depend on, apart from what the whole site depends on.
    """

    name: str
    told: str
    steps: int
    make: Callable[[], Files]
    depends: str = ""


@dataclass(frozen=True)
class ImagesPart:
    """The images of some units, which are drawn.

    Args:
        name, told, steps: as those of a `Part`.
        task: what is drawn.
        make: makes the files from it.
    """

    name: str
    told: str
    steps: int
    task: Task
    make: Callable[[Drawn], Files]
    depends: str = ""


@dataclass(frozen=True)
class PagesPart(Part):
    """The pages of some units, which say what was drawn of all of them.

    Their steps are those of looking at their patches, which takes longer.
    """

    units: Sequence[tuple[str, int]] = ()


def units(contents: Contents) -> Iterator[ImagesPart | PagesPart]:
    """The images of all units, and then the pages."""
    tasks = list(_tasks(contents))
    for name, task in tasks:
        files = partial(_images, contents)
        told, steps = f"images of {task.layer}", (PAGE - 1) * len(task.channels)
        yield ImagesPart(f"images-{name}", told, steps, task, files)
    for name, task in tasks:
        own = [(task.layer, channel) for channel in task.channels]
        notes = json.dumps([contents.scope.note(*unit) for unit in own])
        told, make = f"pages of {task.layer}", partial(_pages, contents, task)
        yield PagesPart(f"pages-{name}", told, len(own), make, notes, own)


def _tasks(contents: Contents) -> Iterator[tuple[str, Task]]:
    """What is drawn together, with names."""
    at = contents.at
    for layer, known in at.layers.items():
        dead = contents.shown.facts[layer].dead
        for number, begin in enumerate(range(0, known.channels, BATCH)):
            channels = range(begin, min(begin + BATCH, known.channels))
            living = tuple(channel for channel in channels if not dead[channel])
            yield f"{at.names[layer]}-{number:04}", Task(layer, tuple(channels), living)


def _images(contents: Contents, drawn: Drawn) -> Files:
    contents.drawn[drawn.task] = drawn
    return {
        contents.at.image(one.layer, one.channel, one.number): one.file
        for images in drawn.images.values()
        for one in images
    }


def _pages(contents: Contents, task: Task) -> Files:
    drawn = contents.drawn.pop(task, None) or draw_one(contents.scope, task)
    found: dict[str, bytes] = {}
    for channel in task.channels:
        images, wires = drawn.images.get(channel, ()), drawn.connections[channel]
        page = contents.unit(task.layer, channel, images, wires)
        found |= _page(contents.at.unit(task.layer, channel), page)
    return found


def first(contents: Contents) -> Iterator[Part]:
    """What does not depend on units."""
    texts = {name: asset(name).encode() for name in ("style.css", "site.js", ICON)}
    texts[".nojekyll"] = b""  # GitHub Pages then leaves out no folder
    yield Part("style", "style", 0, lambda: texts)
    yield _part(contents.at.home, contents.home)
    for number, some in enumerate(_photograph_batches(contents)):
        yield Part(f"pictures-{number:04}", "photographs", 0, partial(_pictures, contents, some))


def others(contents: Contents) -> Iterator[Part]:
    """What is known once all units are done."""
    at = contents.at
    for layer in at.layers:
        yield _part(at.layer(layer), partial(contents.layer, layer), f"page of {layer}")
    for number, some in enumerate(_photograph_batches(contents)):
        make, steps = partial(_photographs, contents, some), PAGE * len(some)
        yield Part(f"photographs-{number:04}", "pages of photographs", steps, make)
    yield _part(at.photograph_list, contents.photographs)
    yield _part(at.map, contents.map)
    if contents.confusions:
        yield _part(at.confusions, contents.confusion_list)
    yield Part("names", "search", 0, lambda: {"names.js": contents.names().encode()})


def _photograph_batches(contents: Contents) -> Iterator[Sequence[int]]:
    rows = list(contents.at.photographs)
    yield from (rows[begin : begin + PHOTOGRAPHS] for begin in range(0, len(rows), PHOTOGRAPHS))


def _pictures(contents: Contents, rows: Sequence[int]) -> Files:
    scope = contents.scope
    return {
        f"{contents.at.photograph(row)}.webp": pictures.photograph(scope.net, scope.index, row)
        for row in rows
    }


def _photographs(contents: Contents, rows: Sequence[int]) -> Files:
    pages = [_page(contents.at.photograph(row), contents.photograph(row)) for row in rows]
    return {name: file for page in pages for name, file in page.items()}


def _part(address: str, page: Callable[[], str], told: str = "") -> Part:
    """A part of one page."""
    name = address.replace("/", "-")
    return Part(name, told or name, PAGE, lambda: _page(address, page()))


def _page(address: str, text: str) -> Files:
    return {f"{address}.html": text.encode()}
