"""Work that engines spread over processes or machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from convscope.network import Network

Task = TypeVar("Task")
Made = TypeVar("Made")
_Task = TypeVar("_Task", contravariant=True)
_Made = TypeVar("_Made", covariant=True)


class Work(Protocol[_Task, _Made]):
    """Begins work with a network, once in each process: a plain value that can be sent there.

    What it returns makes something of a task; both can be sent between processes.
    """

    def __call__(self, net: Network) -> Callable[[_Task], _Made]: ...
