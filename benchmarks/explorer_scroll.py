"""Frames a second while a layer's tiles scroll, by Chromium's own trace.

python -m benchmarks.explorer_scroll INDEX [LAYER]

Opens the page of a layer (by default the one with most channels) in a headless Chromium and scrolls
through all of its tiles with the wheel: first as their pictures load, then once more. Counts the
frames that were drawn, and those in which the page itself changed. Other programs that run at the
same time slow it down.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from playwright.sync_api import CDPSession, Page, sync_playwright

FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking"
LEAST = 50  # frames a second
SPEED = 2400  # pixels a second
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame"]


@contextmanager
def explorer(index: str) -> Iterator[str]:
    """An explorer of an index: its address."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "convscope.cli", "explore", "--no-browser", "--port", "0"]
        command += ["--index", index, "--runs", f"{runs}/runs"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            address = re.search(r"http\S+", process.stderr.readline())
            assert address
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def largest(page: Page, origin: str) -> str:
    """The layer with most channels."""
    layers = page.request.get(f"{origin}/api/indexes/i0").json()["layers"]
    return str(max(layers, key=lambda one: one["channels"])["name"])


def scrolled(page: Page, session: CDPSession, events: list[Any]) -> None:
    """Scroll from the top to the end; the trace comes into `events`."""
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    far = page.evaluate("document.documentElement.scrollHeight - innerHeight")
    events.clear()
    ended: list[object] = []
    session.once("Tracing.tracingComplete", lambda found: ended.append(found))
    session.send("Tracing.start", {"traceConfig": {"includedCategories": CATEGORIES}})
    gesture = {"x": 640, "y": 600, "yDistance": -far, "speed": SPEED, "gestureSourceType": "mouse"}
    session.send("Input.synthesizeScrollGesture", gesture)
    session.send("Tracing.end")
    while not ended:
        page.wait_for_timeout(100)
    assert page.evaluate("scrollY") > 0.9 * far


def told(what: str, events: Sequence[Any]) -> None:
    """Print frames a second, and the longest time without one."""
    drawn = sorted(one["ts"] / 1e6 for one in events if one["name"] == "DrawFrame")
    changed = sum(one["name"] == "BeginMainThreadFrame" for one in events)
    seconds = drawn[-1] - drawn[0]
    gap = max(after - before for before, after in pairwise(drawn))
    print(
        f"{what}: {(len(drawn) - 1) / seconds:.1f} frames a second (at least {LEAST}),"
        f" {changed / seconds:.1f} of the page itself, the longest gap {1000 * gap:.0f} ms",
        flush=True,
    )


def main(index: str, layer: str | None = None) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with explorer(index) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        origin = address.partition("/?")[0]
        layer = layer or largest(page, origin)
        page.goto(f"{origin}/units/{quote(layer, safe='')}")
        page.locator(".tile .sheet-tile").first.wait_for()
        print(f"{page.locator('.scope-head p').inner_text()} of {layer}")
        session, events = page.context.new_cdp_session(page), list[Any]()
        session.on("Tracing.dataCollected", lambda found: events.extend(found["value"]))
        for what in ("as the pictures load", "once more"):
            scrolled(page, session, events)
            told(what, events)


if __name__ == "__main__":
    main(*sys.argv[1:3])
