"""The explorer as users start it, and a Chromium that opens its pages."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

import convscope

STATIC = Path(convscope.__file__).parent / "web" / "static"

# A name that would do harm if a page took it for markup.
MARKUP = "<img src=x onerror=document.title='harmed'>"

INDEX = "six.index"

# The photographs of the index: each is there twice, the second time mirrored, under two labels.
CLASSES = {"chelsea": (281, 285), "coffee": (967, 504), "rocket": (657, 812)}

WAIT = 60_000  # milliseconds that a page may take on a slow machine


@dataclass
class Explorer:
    """A running explorer.

    Attributes:
        address: what the command printed, with the token.
        browser: a Chromium.
        process: the server's number.
    """

    address: str
    browser: Any
    process: int

    def __post_init__(self) -> None:
        self._usual = self._context()

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    def open(self, path: str, **settings: Any) -> Any:
        """A page at this path. With settings, it has a browser of its own."""
        page = (self._context(**settings) if settings else self._usual).new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: _note(page.problems, message))
        page.goto(self.origin + path)
        return page

    def _context(self, **settings: Any) -> Any:
        """A browser that has opened the address, and so has the cookie."""
        settings = {"viewport": {"width": 1280, "height": 900}} | settings
        context = self.browser.new_context(reduced_motion="reduce", **settings)
        context.set_default_timeout(WAIT)
        context.request.get(self.address)
        return context


def _note(problems: list[str], message: Any) -> None:
    if message.type == "error" and "status of 4" not in message.text:
        problems.append(message.text)


@dataclass
class Server:
    """What `convscope explore` has started: the address that it printed, and its process."""

    address: str
    process: int
    ready: bool = False


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, whose classes and photograph have names with markup."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the explorer's pages are not built (pip install -e . builds them)")
    folder = tmp_path_factory.mktemp("explorer")
    photograph = folder / f"{MARKUP}.png"
    Image.fromarray(data.coffee()).reduce(2).save(photograph)
    command = [sys.executable, "-m", "convscope.cli", "explore", "--no-browser"]
    names = _names(folder)
    command += ["--runs", str(folder / "runs"), "--port", "0", "--labels", str(names)]
    command += ["--model", "efficientnet_lite0", "--index", str(_index(folder, names))]
    command += ["sample:chelsea", str(photograph)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r"http\S+", process.stdout.readline())
        assert address
        yield Server(address[0], process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


@pytest.fixture(scope="module")
def explorer(browser: Any, server: Server) -> Explorer:
    """The server with a browser, which lives no longer than a module."""
    running = Explorer(server.address, browser, server.process)
    if not server.ready:
        _wait_for_workers(running)
        server.ready = True
    return running


def _names(folder: Path) -> Path:
    names = folder / "labels.txt"
    names.write_text("\n".join(f"{MARKUP} {number}" for number in range(1000)))
    return names


def indexed(number: int) -> Image.Image:
    """The photograph of the index whose label has that number."""
    name, numbers = next(one for one in CLASSES.items() if number in one[1])
    pixels = getattr(data, name)()
    return Image.fromarray(pixels if number == numbers[0] else pixels[:, ::-1]).reduce(2)


def _index(folder: Path, names: Path) -> Path:
    """An index of six photographs."""
    for name, numbers in CLASSES.items():
        for number in numbers:
            place = folder / "photographs" / f"{MARKUP} {number}"
            place.mkdir(parents=True)
            indexed(number).save(place / f"{name}_{MARKUP}.png")
    net = convscope.load("efficientnet_lite0", labels=names)
    layers = ["blocks.0", "blocks.4", "bn2.pre", "global_pool"]
    made = convscope.index(net, folder / "photographs", folder / INDEX, layers=layers, workers=0)
    return made.result().path


def _wait_for_workers(running: Explorer) -> None:
    """Wait until both have their network: the first run is made as soon as the second one has."""
    page = running.open("/")
    page.get_by_text("million parameters").wait_for(timeout=3 * WAIT)
    page.goto(f"{running.origin}/lab?technique=gradcam&go=1")
    page.locator(".transport-state", has_text="Done").wait_for(timeout=3 * WAIT)
    page.close()


@pytest.fixture
def opened(explorer: Explorer) -> Iterator[Any]:
    """A function that opens a page; no page may have met an error."""
    pages: list[Any] = []

    def open_page(path: str, **settings: Any) -> Any:
        pages.append(explorer.open(path, **settings))
        return pages[-1]

    yield open_page
    for page in pages:
        title, problems = page.title(), page.problems
        page.close()
        assert not problems, json.dumps(problems, indent=1)
        assert title != "harmed"
