"""The lab in a browser: techniques from their forms to what they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.conftest import MARKUP, Explorer
from tests.helpers.processes import descendants

Open = Callable[..., Any]

HEATMAP = ".panel-heatmap .map"


def lab(technique: str, **options: Any) -> str:
    """The address of the lab that runs a technique at once."""
    values = {"technique": technique, "go": "1", "options": json.dumps(options)}
    return "/lab?" + urllib.parse.urlencode(values)


def done(page: Any) -> Any:
    """The page, when its run is done."""
    page.locator(".transport-state", has_text="Done").wait_for()
    return page


def slider(page: Any, name: str) -> Any:
    return page.get_by_role("slider", name=name).first


def path(page: Any) -> str:
    """The address of a page, without the server's."""
    return "/" + str(page.url).split("/", 3)[3]


def parameters(page: Any) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)


@pytest.fixture(scope="module")
def explained(explorer: Explorer) -> str:
    """The address of a run that is done."""
    page = done(explorer.open(lab("gradcam", target="1")))
    page.wait_for_url(lambda url: "go=" not in url)
    found = path(page)
    page.close()
    return found


def test_the_sample_photograph_is_explained_from_the_first_page(opened: Open) -> None:
    page = opened("/")
    page.get_by_text("Try it with the sample photograph").click()
    done(page)
    box = page.get_by_role("button", name="Run", exact=True).bounding_box()
    assert box and box["y"] + box["height"] <= 900
    assert re.search("Grad-CAM.*score", page.locator(HEATMAP).get_attribute("aria-label"))
    again = opened(path(page))
    assert done(again).locator(HEATMAP).is_visible()


def test_a_map_is_read_picked_from_and_made_transparent(opened: Open, explained: str) -> None:
    page = done(opened(explained))
    page.locator(HEATMAP).hover(position={"x": 1, "y": 1})
    page.locator(".reading", has_text="row 0, column 0").wait_for()
    slider(page, "Map over the photograph").focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        "map => getComputedStyle(document.querySelector(map)).opacity === '0'", arg=HEATMAP
    )
    page.locator(HEATMAP).click()
    page.get_by_role("button", name="Pick").last.click()
    page.wait_for_url("**target**%40**")
    target = page.get_by_role("combobox", name="Target").input_value()
    assert "@" in target and ":" in target


def test_a_press_on_a_tile_picks_that_neuron(opened: Open) -> None:
    page = done(opened(lab("activations", layer="blocks.2", limit=4)))
    page.locator(".grid").click(position={"x": 30, "y": 30})
    picked = page.locator(".picked")
    assert "blocks.2:" in picked.inner_text()
    assert picked.get_by_text("Make its image").is_visible()


def test_frames_stream_and_can_be_paused_stopped_and_scrubbed(opened: Open) -> None:
    page = opened(lab("deepdream", octaves=1, steps=2000, size=96))
    slider(page, "Frame").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.locator(".transport-state", has_text="Paused").wait_for()
    page.keyboard.press("Space")
    page.locator(".transport-state", has_text="Running").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator(".transport-state", has_text="Canceled").wait_for()
    slider(page, "Frame").focus()
    page.keyboard.press("Home")
    page.wait_for_url("**frame=0**")
    assert page.locator(".panel-picture img").is_visible()


def test_what_was_made_can_be_taken_away(opened: Open, explained: str, tmp_path: Path) -> None:
    page = done(opened(explained))
    with page.expect_download() as download:
        page.get_by_role("link", name="Picture").click()
    download.value.save_as(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    page.locator(".snippet pre").nth(1).wait_for()
    texts = " ".join(page.locator(".snippet pre").all_inner_texts())
    assert "cs.gradcam(" in texts and "convscope gradcam" in texts


def test_runs_stand_side_by_side_on_one_scale(opened: Open, explained: str) -> None:
    page = done(opened(lab("gradcam", target="2")))
    both = opened(f"{explained}&beside={parameters(page)['run'][0]}")
    both.locator(".compare canvas").nth(1).wait_for()
    ends = both.locator(".compare .color-bar").all_inner_texts()
    assert len(ends) == 2 and ends[0] == ends[1]


def test_a_run_whose_worker_dies_says_so_and_runs_again(opened: Open, explorer: Explorer) -> None:
    page = opened(lab("deepdream", octaves=1, steps=2000, size=96))
    slider(page, "Frame").wait_for()
    os.kill(maker_of_runs(explorer), signal.SIGKILL)
    page.locator(".transport-state", has_text="Crashed").wait_for()
    assert page.locator(".stage .problem").inner_text()
    page.get_by_role("button", name="Run again").click()
    page.locator(".transport-state", has_text="Running").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator(".transport-state", has_text="Canceled").wait_for()


def maker_of_runs(explorer: Explorer) -> int:
    """The process that makes runs, by its name."""
    if not Path("/proc/self/comm").is_file():
        pytest.skip("this system does not tell the names of processes")
    below = descendants(explorer.process).items()
    return next(number for number, name in below if name == "convscope runs")


def test_photographs_come_from_a_file_a_drop_the_clipboard_and_the_camera(
    opened: Open, tmp_path: Path
) -> None:
    from PIL import Image

    page = opened("/lab")
    images = page.locator(".picker-image")
    images.nth(1).wait_for()
    known = images.count()
    Image.new("RGB", (64, 48), "green").save(tmp_path / "green.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open").click()
    chooser.value.set_files(tmp_path / "green.png")
    images.nth(known).wait_for()
    for kind, color in [("drop", "red"), ("paste", "blue")]:
        page.evaluate(GIVEN, [kind, color])
        images.nth(known + 1 + (kind == "paste")).wait_for()
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the photograph").click()
    images.nth(known + 3).wait_for()
    selected = page.locator(".picker-image[data-selected] img")
    assert selected.get_attribute("alt") == "camera.jpg"


# Gives the page a picture of one color, as a drop or from the clipboard.
GIVEN = """async ([kind, color]) => {
  const canvas = new OffscreenCanvas(40, 30);
  const drawing = canvas.getContext("2d");
  drawing.fillStyle = color;
  drawing.fillRect(0, 0, 40, 30);
  const files = new DataTransfer();
  files.items.add(new File([await canvas.convertToBlob()], color + ".png", {type: "image/png"}));
  const settings = {bubbles: true, cancelable: true};
  window.dispatchEvent(kind === "drop"
    ? new DragEvent("drop", {...settings, dataTransfer: files})
    : new ClipboardEvent("paste", {...settings, clipboardData: files}));
}"""


def test_options_out_of_bounds_are_told_before_anything_runs(opened: Open) -> None:
    page = opened("/lab?technique=deepdream")
    octaves = page.get_by_role("textbox", name="Octaves")
    octaves.fill("99")
    octaves.press("Tab")
    assert octaves.input_value() == "12"


def test_what_the_server_refuses_is_one_line(opened: Open) -> None:
    page = opened("/lab?technique=gradcam")
    target = page.get_by_role("combobox", name="Target")
    target.fill("no such class")
    target.press("Tab")
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator(".lab-run .status, .problem", has_text="no such class").first.wait_for()


@pytest.mark.parametrize("keys, target", [("]]", "blocks"), ("]jj", ":2")])
def test_keys_walk_through_layers_and_units(opened: Open, keys: str, target: str) -> None:
    page = opened("/lab?technique=gradcam")
    page.get_by_role("combobox", name="Target").wait_for()
    page.locator("h1").click(force=True)
    for key in keys:
        page.keyboard.press(key)
    assert target in page.get_by_role("combobox", name="Target").input_value()


def test_names_with_markup_are_text(opened: Open) -> None:
    page = opened("/lab")
    page.locator(".preview .bars li").first.wait_for()
    assert MARKUP in page.locator(".preview .bars").inner_text()
    assert page.locator("img[src=x]").count() == 0


def test_a_cell_of_an_atlas_shows_the_photographs_behind_it(opened: Open) -> None:
    options = {"layer": "blocks.4", "method": "pca", "grid": 2, "least": 1, "steps": 1, "size": 32}
    page = done(opened(lab("activation_atlas", index="i0", **options)))
    cells = page.locator(".mosaic").get_by_role("button")
    assert 0 < cells.count() <= 4
    cells.first.focus()
    page.keyboard.press("Enter")
    behind = page.get_by_role("link", name=re.compile("^Photograph [0-5]$"))
    behind.first.wait_for()
    row = behind.first.get_attribute("aria-label").split()[1]
    behind.first.click()
    page.wait_for_url(f"**/photographs/{row}?index=i0")
