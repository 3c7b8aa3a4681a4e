"""The README's picture: some chapters of the tour's page, photographed in Chromium, in two columns.

python docs/poster.py report.html docs/tour.webp
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

CHAPTERS = (1, 9, 10, 20, 23, 26, 27)
WIDTH, MARGIN, SHOWN, GROUND = 1180, 44, 1700, "#fbfaf8"
PLAIN = "section { border: 0 } pre, table, .paper, figure + table { display: none }"


def photograph(page: Path) -> list[Image.Image]:
    """The chosen chapters, one picture each: title, words and figure."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.add_style_tag(content=PLAIN)
        tab.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        sections = tab.query_selector_all("section")
        shots = [sections[chapter - 1].screenshot() for chapter in CHAPTERS]
    return [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]


def in_columns(parts: list[Image.Image]) -> Image.Image:
    """The parts in reading order, the second column begun where the two come out most even."""

    def height(column: list[Image.Image]) -> int:
        return sum(part.height for part in column)

    cut = min(range(len(parts)), key=lambda i: max(height(parts[:i]), height(parts[i:])))
    columns = parts[:cut], parts[cut:]
    wide = max(part.width for part in parts)
    size = 2 * wide + 3 * MARGIN, max(map(height, columns)) + 2 * MARGIN
    poster = Image.new("RGB", size, GROUND)
    for i, column in enumerate(columns):
        top = MARGIN
        for part in column:
            poster.paste(part, (MARGIN + i * (wide + MARGIN), top))
            top += part.height
    poster.thumbnail((SHOWN, 2 * SHOWN), Image.Resampling.LANCZOS)
    return poster


if __name__ == "__main__":
    in_columns(photograph(Path(sys.argv[1]))).save(sys.argv[2], quality=85)
