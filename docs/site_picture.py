"""The picture of the page on sites: a unit's page, in Chromium.

convscope export INDEX -o SITE
python docs/site_picture.py SITE/units/LAYER/CHANNEL.html docs/site.webp
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT, SHOWN = 1180, 1080, 1100


def photograph(page: Path) -> Image.Image:
    """The upper part of a page."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        tab = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", device_scale_factor=2
        )
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.querySelector('img.big').decode()")
        return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


if __name__ == "__main__":
    picture = photograph(Path(sys.argv[1]))
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    picture.save(sys.argv[2], quality=85)
