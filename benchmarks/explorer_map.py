"""The map of a large collection in the explorer, in a Chromium that draws without a graphics card.

python -m benchmarks.explorer_map make FOLDER [COUNT]     a synthetic index of 100,000 photographs
python -m benchmarks.explorer_map FOLDER                  what its map costs

The photographs are squares of one color. Prints seconds on the wall, so that it says something only
on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from playwright.async_api import Page, async_playwright

import convscope as cs
from convscope.collection.decoding import PIXELS, Batch, Decoded
from convscope.collection.extract import Extract, Step
from convscope.collection.layout.cached import cached_layout
from convscope.collection.manifest import Shard
from convscope.collection.settings import Settings
from convscope.testing import small_network

COUNT = 100_000
LABELS = 20  # folders
SIDE = 96  # of the thumbnails

FLAGS = (
    "--headless --no-sandbox --disable-background-networking"
    " --use-angle=swiftshader --enable-unsafe-swiftshader"
)

MOVES = 180  # of the pointer, 60 a second


def make(folder: Path, count: int) -> cs.Index:
    """An index whose pass was never made: a small network answers to squares of random colors."""
    files = folder / "photographs"
    for number in range(count):
        place = files / f"label {number % LABELS:02}"
        if number < LABELS:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:06}.jpg").write_bytes(b"x")
    making = cs.index(small_network(), files, folder / "index", batch_size=256, shard=1024)
    making.engine = engine
    index = making.result(progress=True)
    cached_layout(index, "pca")
    return index


def engine(
    net: cs.Network, settings: Settings, folder: Path, shards: Sequence[Shard]
) -> Iterator[Step]:
    """Answers without decoding a file."""
    del folder
    return Extract(net, settings)(batches(shards, settings.batch_size))


def batches(shards: Sequence[Shard], size: int) -> Iterator[Batch]:
    chance = np.random.default_rng(0)
    for shard in shards:
        for begin in range(0, len(shard.files), size):
            files = shard.files[begin : begin + size]
            colors = chance.integers(0, 256, (len(files), 3), np.uint8)
            inputs = torch.from_numpy(colors).float()[:, :, None, None] / 255
            images = tuple(
                Decoded(file, "0" * 64, SIDE, SIDE, square(color), color.tobytes() * PIXELS**2)
                for file, color in zip(files, colors, strict=True)
            )
            last = begin + size >= len(shard.files)
            yield Batch(shard.number, images, inputs.expand(-1, -1, PIXELS, PIXELS), last)


def square(color: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), tuple(map(int, color))).save(file, "JPEG")
    return file.getvalue()


@contextmanager
def explorer(index: Path) -> Iterator[str]:
    """The address of an explorer of this index."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "convscope.cli", "explore", "--no-browser", "--port", "0"]
        command += ["--model", "convscope.testing:small_network", "--index", str(index)]
        process = subprocess.Popen(
            [*command, "--runs", f"{runs}/runs"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            address = re.search(r"http\S+", process.stderr.readline())
            assert address
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


async def first_draw(page: Page, origin: str) -> float:
    """Seconds from the address to dots on the screen."""
    began = time.perf_counter()
    await page.goto(origin + "/map?index=i0&layout=pca&color=label")
    await page.locator(".map-stage[data-drawn]").wait_for()
    return time.perf_counter() - began


async def pan(page: Page, trace: Path) -> None:
    """Drag the map for three seconds, and print what the trace says."""
    await page.get_by_role("button", name="Show all").click()
    await page.wait_for_timeout(3000)
    box = await page.locator(".map-stage").bounding_box()
    browser = page.context.browser
    assert box and browser
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await browser.start_tracing(
        page=page, path=trace, categories=["devtools.timeline", "benchmark"]
    )
    await page.evaluate(COUNT_MOVES)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as moves:  # a hand does not wait for the frame
        for move in range(1, MOVES + 1):
            to = (x + 200 * np.sin(move / 20), y + 1.5 * (move % 60))
            moves.create_task(page.mouse.move(*to))
            await asyncio.sleep(max(0.0, began + move / 60 - time.perf_counter()))
    counted = await page.evaluate("window.counted")
    seconds = time.perf_counter() - began
    await browser.stop_tracing()
    await page.mouse.up()
    told(trace, counted, seconds)


# Counts what reaches the page, and what it draws.
COUNT_MOVES = """() => {
  const counted = window.counted = {moves: 0, draws: 0, longest: 0};
  const stage = document.querySelector(".map-stage");
  stage.addEventListener("pointermove", event => {
    counted.moves += Math.max(1, event.getCoalescedEvents().length);
  });
  let last = performance.now();
  const frame = now => {
    counted.longest = Math.max(counted.longest, now - last);
    counted.draws += 1;
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def told(trace: Path, counted: dict[str, float], seconds: float) -> None:
    events = json.loads(trace.read_text())["traceEvents"]
    tasks = [one["dur"] / 1000 for one in events if one["name"] == "RunTask" and "dur" in one]
    latency = latencies(events)
    shown = sum(one["name"] == "Graphics.Pipeline.DrawAndSwap" for one in events) / 2
    frames = shown / seconds
    print(f"panned for {seconds:.1f} s: {counted['moves']:.0f} of {MOVES} moves reached the map")
    print(f"{frames:.0f} frames a second, the longest took {counted['longest']:.0f} ms")
    print(f"tasks above 50 ms: {sum(task > 50 for task in tasks)}")
    if latency:
        late = statistics.quantiles(latency, n=20)[-1]
        median = statistics.median(latency)
        print(f"from a move to its frame: median {median:.0f} ms, 95 % within {late:.0f} ms")


def latencies(events: list[dict[str, Any]]) -> list[float]:
    """Milliseconds from each move of the pointer to the frame that shows it."""
    begins: dict[str, float] = {}
    found = []
    for one in events:
        if one["name"] != "EventLatency":
            continue
        kind = one.get("args", {}).get("event_latency", {}).get("event_type", "")
        key = str(one.get("id2", one.get("id")))
        if one["ph"] == "b" and "MOUSE" in kind:
            begins[key] = one["ts"]
        elif one["ph"] == "e" and key in begins:
            found.append((one["ts"] - begins.pop(key)) / 1000)
    return found


async def measure(folder: Path) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with explorer(folder / "index") as address:
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=program, args=FLAGS.split())
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            await page.goto(address)
            await page.get_by_text("photographs,").wait_for()
            origin = address.partition("/?")[0]
            for what in ("first", "second"):
                print(f"{what} visit: dots after {await first_draw(page, origin):.2f} s")
            await pan(page, folder / "trace.json")
            await browser.close()


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0] == "make":
        print(make(Path(words[1]), int(words[2]) if len(words) > 2 else COUNT))
    else:
        asyncio.run(measure(Path(words[0])))
