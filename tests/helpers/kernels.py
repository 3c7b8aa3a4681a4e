"""A notebook's kernel in a process of its own, and what stands below the cells that it runs."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

SECONDS = 120.0  # a cell in a test never takes so long


@dataclass
class Cell:
    """What came of a cell.

    Attributes:
        status: "ok" or "error".
        places: what stands below the cell at the end, each by its media types.
        states: everything that stood there at any time, in this order.
        error: the lines of each error that was shown.
        printed: what was printed.
    """

    status: str = ""
    places: list[dict[str, str]] = field(default_factory=list)
    states: list[dict[str, str]] = field(default_factory=list)
    errors: list[list[str]] = field(default_factory=list)
    printed: str = ""

    @property
    def text(self) -> list[str]:
        """The plain text of what stands below the cell."""
        return [place["text/plain"] for place in self.places]


def picture(place: dict[str, str]) -> Image.Image:
    """The picture among the media types of a place."""
    kind = next(kind for kind in place if kind.startswith("image/"))
    return Image.open(io.BytesIO(base64.b64decode(place[kind])))


class Kernel:
    """Runs cells, as a notebook does."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager, self._client = manager, client

    def run(self, code: str, *, stop_at: str | None = None) -> Cell:
        """Run a cell; press the stop button once something with the words `stop_at` stands below.

        An update replaces what it updates, wherever that is.
        """
        request = self._client.execute(code)
        cell, numbers = Cell(), dict[str, int]()
        ends = time.monotonic() + SECONDS
        while True:
            message = self._client.get_iopub_msg(timeout=max(1.0, ends - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            _note(cell, numbers, kind, content)
            if stop_at and cell.states and stop_at in cell.states[-1].get("text/plain", ""):
                stop_at = None
                self._manager.interrupt_kernel()
        reply = self._client.get_shell_msg(timeout=SECONDS)
        while reply["parent_header"].get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=SECONDS)
        cell.status = reply["content"]["status"]
        return cell


def _note(cell: Cell, numbers: dict[str, int], kind: str, content: dict[str, Any]) -> None:
    if kind == "stream":
        cell.printed += content["text"]
    elif kind == "error":
        cell.errors.append(content["traceback"])
    elif kind in ("display_data", "execute_result", "update_display_data"):
        cell.states.append(content["data"])
        name = content.get("transient", {}).get("display_id")
        if kind == "update_display_data":
            cell.places[numbers[name]] = content["data"]
        else:
            numbers |= {name: len(cell.places)} if name else {}
            cell.places.append(content["data"])


@contextmanager
def kernel() -> Iterator[Kernel]:
    """A kernel of this Python; tests skip where the packages of the extra `test` are missing."""
    reason = "no ipykernel, which convscope[test] installs"
    pytest.importorskip("ipykernel", reason=reason)
    from jupyter_client.manager import start_new_kernel

    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    manager, client = start_new_kernel(startup_timeout=SECONDS, env=quiet)
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
