"""What users wait for in the explorer's pages, in a Chromium.

python -m benchmarks.explorer_pages PHOTOGRAPH [ROUNDS]

Prints seconds on the wall, so that it says something only on a machine that does nothing else. Each
round opens, runs and drops anew; the medians count.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking"
    " --use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
)
BARS = {
    "first page after start": 2.0,
    "first page": 2.0,
    "first frame of a DeepDream": 1.5,
    "saliency of a dropped photograph": 1.0,
}
LIVE = 8.0  # answers a second
COUNTED = 5  # seconds of the camera

# Drops a file on the page, as a hand does; when it was dropped.
DROP = """async ([name, text]) => {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, {type: "image/jpeg"}));
  window.dropped = performance.now();
  const how = {bubbles: true, cancelable: true, dataTransfer: files};
  window.dispatchEvent(new DragEvent("drop", how));
}"""

# Seconds from a moment of the page to the picture that is on the screen now, after its repaint.
SHOWN = """name => new Promise(done => requestAnimationFrame(() =>
  requestAnimationFrame(() => done((performance.now() - window[name]) / 1000))))"""


@contextmanager
def explorer() -> Iterator[tuple[str, float]]:
    """An explorer of the default network: its address, and when it was started."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "convscope.cli", "explore", "--no-browser", "--port", "0"]
        command += ["--model", "efficientnet_lite0", "--runs", f"{runs}/runs", "sample:chelsea"]
        began = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            address = re.search(r"http\S+", process.stderr.readline())
            assert address
            yield address[0], began
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def usable(page: Page, address: str) -> None:
    """Wait until the first page can be pressed."""
    page.goto(address)
    page.get_by_text("Try it with the sample photograph").wait_for()
    page.locator(".picker-image").first.wait_for()


def network(page: Page) -> None:
    page.get_by_text("million parameters").wait_for()


def lab(technique: str, **options: Any) -> str:
    values = {"technique": technique, "options": json.dumps(options)}
    return "/lab?" + urllib.parse.urlencode(values)


def first_page(page: Page, origin: str) -> float:
    """From the address to the first page."""
    began = time.perf_counter()
    usable(page, origin)
    return time.perf_counter() - began


def dream(page: Page, origin: str) -> float:
    """From the press to the first frame of a DeepDream with its usual settings."""
    page.goto(origin + lab("deepdream"))
    run = page.locator(".lab-run .button-main:not([data-disabled])")
    run.wait_for()
    page.evaluate("addEventListener('pointerdown', () => window.pressed = performance.now(), true)")
    run.click()
    page.locator(".panel-picture img").wait_for()
    seconds = float(page.evaluate(SHOWN, "pressed"))
    page.get_by_role("button", name="Stop").click()
    page.locator(".transport-state", has_text="Canceled").wait_for()
    return seconds


def dropped(page: Page, origin: str, photograph: bytes, name: str) -> float:
    """From the drop of a file on the lab to its saliency map."""
    page.goto(origin + lab("saliency"))
    page.locator(".preview .bars").wait_for()
    page.evaluate(DROP, [name, base64.b64encode(photograph).decode()])
    page.locator(".picker-image[data-selected] img[alt='" + name + "']").wait_for()
    page.locator(".lab-run .button-main:not([data-disabled])").click()
    page.locator(".panel-heatmap .map img").first.wait_for()
    return float(page.evaluate(SHOWN, "dropped"))


def live(page: Page, origin: str) -> float:
    """Answers a second of the camera, with Grad-CAM and the activations of a layer."""
    page.goto(origin + "/live")
    page.get_by_role("button", name="Start the camera").click()
    page.locator("video").wait_for()
    page.locator(".live-over").wait_for()
    answers: list[float] = []
    page.on("response", lambda response: counted(answers, response.url))
    page.wait_for_timeout(1000)
    answers.clear()
    page.wait_for_timeout(1000 * COUNTED)
    return len(answers) / COUNTED


def counted(answers: list[float], url: str) -> None:
    if url.endswith("/api/live"):
        answers.append(time.perf_counter())


def main(photograph: Path, rounds: int) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        with explorer() as (address, began):
            measure_all(page, address, began, photograph.read_bytes(), rounds)


def measure_all(page: Page, address: str, began: float, photograph: bytes, rounds: int) -> None:
    """Print what is measured in the pages of an explorer that was started at a moment."""
    usable(page, address)
    told("first page after start", time.perf_counter() - began)
    network(page)
    print(f"the network is ready {time.perf_counter() - began:.2f} s after the start")
    origin = address.partition("/?")[0]
    measured("first page", lambda _: first_page(page, origin), rounds)
    measured("first frame of a DeepDream", lambda _: dream(page, origin), rounds)

    # Bytes behind the end of a JPEG make a new photograph, which has not been seen yet.
    def drop(round: int) -> float:
        return dropped(page, origin, photograph + bytes([round]), f"{round}.jpg")

    measured("saliency of a dropped photograph", drop, rounds)
    rate = live(page, origin)
    print(f"Live: {rate:.1f} answers a second (at least {LIVE:g})")


def measured(what: str, measure: Callable[[int], float], rounds: int) -> None:
    found = [measure(round) for round in range(rounds)]
    told(what, statistics.median(found))
    print(f"  each: {', '.join(f'{seconds:.2f}' for seconds in found)}")


def told(what: str, seconds: float) -> None:
    print(f"{what}: {seconds:.2f} s (at most {BARS[what]:g} s)", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
