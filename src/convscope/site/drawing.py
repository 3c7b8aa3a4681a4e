"""What takes most of the time: images of units, and what they are connected with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from convscope.collection import TaskEngine
from convscope.errors import ConvscopeError
from convscope.microscope import Connections, Microscope, UnitImage
from convscope.site.work import spread
from convscope.system import in_threads


class Task(NamedTuple):
    """Units of a layer whose images are made together.

    Args:
        layer: the layer.
        channels: all of them.
        living: those that are not dead, of which there are images.
    """

    layer: str
    channels: tuple[int, ...]
    living: tuple[int, ...]


@dataclass(frozen=True)
class Drawn:
    """What was made for the units of a task.

    Args:
        task: the task.
        images: images, by channel.
        connections: what each channel is connected with, or why that is not known.
        error: why there are no images; "" if there are.
    """

    task: Task
    images: Mapping[int, Sequence[UnitImage]]
    connections: Mapping[int, Connections | str]
    error: str = ""


def draw(scope: Microscope, engine: TaskEngine, tasks: Sequence[Task]) -> Iterator[Drawn]:
    """Draw all tasks, in any order; what is drawn is kept in the index.

    Raises:
        ConvscopeError: the network is one of which no images can be made.
    """
    for drawn in spread(scope, engine, _drawn, tasks):
        if drawn.error:
            raise ConvscopeError(drawn.error)
        yield drawn


def draw_one(scope: Microscope, task: Task) -> Drawn:
    """What is drawn for a task; the index has kept most of it if it was drawn before."""
    with in_threads(1):
        return _drawn(scope, task)


def _drawn(scope: Microscope, task: Task) -> Drawn:
    connections = {channel: _connections(scope, task.layer, channel) for channel in task.channels}
    try:
        images = scope.images([(task.layer, channel) for channel in task.living])
    except ConvscopeError as error:  # it would lose its kind on the way from another process
        return Drawn(task, {}, connections, str(error))
    return Drawn(task, {image.channel: [image] for image in images}, connections)


def _connections(scope: Microscope, layer: str, channel: int) -> Connections | str:
    try:
        return scope.connections(layer, channel)
    except ConvscopeError as error:
        return str(error)
