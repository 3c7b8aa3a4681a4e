"""The picture of the page on the explorer: the lab with a checked map, in Chromium.

convscope explore sample:chelsea     # prints the address
python docs/explorer_picture.py ADDRESS docs/explorer.webp
"""

from __future__ import annotations

import io
import shutil
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

PAGE = "/lab?technique=gradcam&check=1&go=1"
WIDTH, HEIGHT, SHOWN = 1280, 1000, 1100
PATIENCE = 120_000  # milliseconds for the check


def photograph(address: str) -> Image.Image:
    """The lab, when its run is done."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        tab = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=2
        )
        tab.goto(address)
        tab.goto(address.partition("/?")[0] + PAGE)
        tab.locator(".verdict").wait_for(timeout=PATIENCE)
        tab.locator(".snippet").first.wait_for()
        return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


if __name__ == "__main__":
    picture = photograph(sys.argv[1])
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    picture.save(sys.argv[2], quality=85)
