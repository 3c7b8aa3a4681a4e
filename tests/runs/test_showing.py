"""Runs, indexes and errors in a real notebook's kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.collections import paint
from tests.helpers.kernels import Kernel, kernel, picture

# A run whose picture is as gray as it is late, and that tells how often it was begun.
SETUP = """
import time
import torch
import convscope as cs
from convscope.runs.run import Run
from convscope.types.frames import Frame
from convscope.types.panels import Picture
from tests.helpers.networks import own_network

torch.set_num_threads(1)
net, begun = own_network(), []

def counting(steps, pause=0.0, fail_at=0, error=cs.ConvscopeError):
    def begin():
        begun.append(1)
        for step in range(1, steps + 1):
            time.sleep(pause)
            if step == fail_at:
                raise error("enough is\\nenough")
            image = torch.full((1, 3, 40, 60), step / steps)
            yield Frame(panels=(Picture(image[0]),), image=image, step=step, steps=steps)
    return Run("counting", begin, net, None, {})
"""


@pytest.fixture(scope="module")
def notebook() -> Iterator[Kernel]:
    with kernel() as started:
        assert started.run(SETUP).status == "ok"
        yield started


def bars(states: list[dict[str, str]]) -> list[tuple[str | Any, str | Any]]:
    """How far each state with a bar was."""
    pattern = r'<progress (?:value="(\d+)" max="(\d+)")?></progress>'
    found = [re.match(pattern, state.get("text/html", "")) for state in states]
    return [(match[1], match[2]) for match in found if match]


def test_a_cell_that_ends_in_a_run_shows_it_in_one_place(notebook: Kernel) -> None:
    cell = notebook.run("begun.clear(); run = counting(20, 0.1); run")
    assert cell.status == "ok"
    (place,) = cell.places
    assert place.keys() == {"image/png", "text/plain"}
    assert np.asarray(picture(place)).tolist() == np.full((40, 60, 3), 255).tolist()
    assert place["text/plain"] == "<Result of counting, step 20/20: ['image']>"
    done = bars(cell.states)
    assert done[0] == (None, None)  # at once, before the first step
    assert [total for _, total in done[1:]] == ["20"] * len(done[1:])
    steps = [int(step) for step, _ in done[1:]]
    assert steps == sorted(set(steps))
    assert 4 <= len(steps) <= 9  # four a second at most
    pictures = {state.get("text/html", "").partition("base64,")[2] for state in cell.states}
    assert 3 <= len(pictures - {""}) <= 5  # and two of these


def test_a_run_runs_once_however_often_it_is_shown(notebook: Kernel) -> None:
    notebook.run("begun.clear(); run = counting(3); run")
    cell = notebook.run("run.show(); display(run); run")
    assert len(cell.places) == 3
    assert all("image/png" in place for place in cell.places)
    assert bars(cell.states) == []
    assert notebook.run("len(begun), run.result().step").text == ["(1, 3)"]


def test_the_stop_button_leaves_the_last_frame(notebook: Kernel) -> None:
    cell = notebook.run("begun.clear(); run = counting(200, 0.05); run", stop_at="of 200")
    assert (cell.status, cell.errors) == ("ok", [])
    (place,) = cell.places
    stopped = re.fullmatch(r"stopped at step (\d+) of 200", place["text/plain"])
    assert stopped is not None
    assert place["text/html"].startswith(stopped[0] + "<br><img ")
    after = notebook.run("run.result().step, float(run.result().image.max() * 200), len(begun)")
    step = int(stopped[1])
    assert eval(after.text[0]) == (step, pytest.approx(step, abs=1e-3), 1)
    again = notebook.run("run")
    assert len(again.places) == 1
    assert notebook.run("print(repr(run), len(begun))").printed.split("\n")[0] == (
        f"<Run of counting: stopped at step {step} of 200> 1"
    )
    # To follow it again is to do all of it.
    assert notebook.run("[r.step for r in counting(3)], run.result().step").status == "ok"


def test_the_stop_button_before_the_first_step(notebook: Kernel) -> None:
    cell = notebook.run("begun.clear(); counting(2, 60)", stop_at="counting: 0:00")
    assert (cell.status, cell.text) == ("ok", ["stopped before the first step"])
    assert notebook.run("1 + 1").text == ["2"]


def test_an_error_is_one_line(notebook: Kernel) -> None:
    cell = notebook.run("cs.saliency(net, torch.rand(1, 3, 32, 32), target='nothing')")
    assert cell.status == "error"
    ((line,),) = cell.errors
    assert line.startswith("ConvscopeError: unknown ")
    # All other errors keep their tracebacks.
    assert len("\n".join(notebook.run("1 / 0").errors[0]).splitlines()) > 3


def test_an_error_in_a_run_keeps_the_last_frame(notebook: Kernel) -> None:
    cell = notebook.run("begun.clear(); run = counting(9, fail_at=4); run")
    (place,) = cell.places
    assert place["text/plain"] == "failed at step 3 of 9"
    assert place["text/html"].startswith("failed at step 3 of 9<br><img ")
    assert cell.errors == [["ConvscopeError: enough is enough"]]
    assert notebook.run("len(begun)").text == ["1"]
    assert notebook.run("run.result()").status == "error"
    cell = notebook.run("counting(9, fail_at=1, error=ValueError)")
    assert cell.text == ["failed before the first step"]
    assert len("\n".join(cell.errors[0]).splitlines()) > 3


def test_a_bar_for_a_result_and_for_a_file(notebook: Kernel, tmp_path: Path) -> None:
    cell = notebook.run("print(counting(4, 0.3).result(progress=True).step)")
    assert cell.printed == "4\n"
    assert cell.text == ["counting: 4 of 4, 0:01"]
    assert bars(cell.states)[1:]
    cell = notebook.run(f"counting(4, 0.3).save({str(tmp_path / 'a.gif')!r}, progress=True);")
    assert cell.text == ["counting: 4 of 4, 0:01"]
    assert getattr(Image.open(tmp_path / "a.gif"), "n_frames", 1) == 4
    cell = notebook.run("counting(4).result();")
    assert (cell.places, cell.printed) == ([], "")


def test_an_index_is_made_and_shown(notebook: Kernel, tmp_path: Path) -> None:
    for number in range(3):
        paint(tmp_path / "photos" / f"{number}.png", number, (40, 50))
    paths = f"{str(tmp_path / 'photos')!r}, {str(tmp_path / 'index')!r}"
    cell = notebook.run(f"made = cs.index(net, {paths}, workers=0); made")
    assert re.match(r"index: 3 of 3, 0:0\d", cell.text[0])
    assert "<td" in cell.places[1]["text/html"]
    assert cell.text[1].startswith("<Index of 3 images")
    assert notebook.run("len(made.result())").text == ["3"]
    missing = notebook.run(f"cs.index(net, 'nowhere', {str(tmp_path / 'other')!r})")
    assert len(missing.errors) == 1
    assert len(missing.errors[0]) == 1


DOCUMENT = """
import time
from convscope.reports.document import Document

class Pages(Document):
    made = 0
    def __len__(self):
        return 4
    def __iter__(self):
        for number in range(1, 5):
            if number > self.made:
                time.sleep({pause})
                if number == {fail_at}:
                    raise cs.ConvscopeError("no fourth page")
                self.made = number
            yield number
    def _preview(self):
        return f"<b>{{self.made}} pages</b>"
    page = _preview
"""


def test_a_page_is_made_with_a_bar(notebook: Kernel, tmp_path: Path) -> None:
    notebook.run(DOCUMENT.format(pause=0.3, fail_at=0))
    cell = notebook.run("pages = Pages(); pages")
    assert cell.text[0] == "pages: 4 of 4, 0:01"
    assert bars(cell.states)[0] == (None, None)
    assert "4 pages" in cell.places[1]["text/html"]
    assert "&lt;b&gt;" in cell.places[1]["text/html"]
    assert notebook.run("pages.made").text == ["4"]
    path = str(tmp_path / "pages.html")
    cell = notebook.run(f"pages = Pages(); pages.save({path!r}, progress=True)")
    assert cell.text[0] == "pages: 4 of 4, 0:01"


def test_a_page_that_is_stopped_has_what_was_made(notebook: Kernel) -> None:
    notebook.run(DOCUMENT.format(pause=2, fail_at=0))
    cell = notebook.run("pages = Pages(); pages", stop_at="pages: 1 of 4")
    assert cell.status == "ok"
    assert cell.text[1] == "stopped; this is what is done so far"
    assert "1 pages" in cell.places[1]["text/html"]
    notebook.run(DOCUMENT.format(pause=0, fail_at=4))
    assert notebook.run("Pages()").errors == [["ConvscopeError: no fourth page"]]


def test_networks_and_layers_are_tables(notebook: Kernel) -> None:
    shown = notebook.run("net").places[0]
    assert "<td" in shown["text/html"]
    assert "32x32 px" in shown["text/html"]
    rows = notebook.run("net.layers").places[0]["text/html"].count("<tr>")
    assert notebook.run("len(net.layers)").text == [str(rows - 1)]


def test_outputs_are_small(notebook: Kernel) -> None:
    """Noise is what compresses worst: a picture of it as large as a page."""
    code = "panels = tuple(Picture(torch.rand(3, {0}, {0})) for _ in range({1}))\n"
    code += "Run('noise', lambda: iter([Frame(panels=panels)]), net, None, {{}})"
    for size, count in ((1500, 1), (300, 16)):
        (place,) = notebook.run(code.format(size, count)).places
        assert sum(map(len, place.values())) < 300_000
        assert min(picture(place).size) > 300
