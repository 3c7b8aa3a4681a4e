"""The live view of a run, without a notebook: what the page would get."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from convscope.widgets import view as views
from convscope.widgets.scripts import MAP, script
from tests.helpers.collections import Make
from tests.helpers.networks import own_network

pytest.importorskip("anywidget", reason="no anywidget, which convscope[test] installs")


class Sent(list[tuple[dict[str, Any], list[bytes]]]):
    """What a view sends to its page."""

    @property
    def steps(self) -> list[int]:
        return [content["step"] for content, _ in self if content["kind"] == "frame"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    found = Sent()
    monkeypatch.setattr(views, "show", lambda one: None)
    monkeypatch.setattr(
        views.Watch, "send", lambda _self, content, buffers=(): found.append((content, [*buffers]))
    )
    yield found


def run(steps: int = 6) -> Any:
    return cs.class_image(own_network(), target=1, steps=steps, size=32)


def test_the_result_is_that_of_the_run(sent: Sent) -> None:
    view = cs.widgets.watch(run())
    assert repr(view) == "<Watch class_image: waiting, step 0 of 0>"
    result = view.result()
    assert result.score == run().result().score
    assert (view.state, view.step, view.steps) == ("done", 6, 6)
    assert sent[0][0] == {"kind": "begin"}
    assert (sent.steps[0], sent.steps[-1]) == (1, 6)
    (data,) = sent[-1][1]
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"


def test_a_loop_gets_every_result(sent: Sent) -> None:
    assert [result.step for result in cs.widgets.watch(run())] == [1, 2, 3, 4, 5, 6]


def test_the_stop_button_keeps_the_last_result(sent: Sent) -> None:
    view = cs.widgets.watch(run(400))
    for _ in view:
        view._heard(view, {"kind": "stop"}, [])
    assert (view.state, view.step) == ("stopped", 1)
    assert view.result().step == 1


def test_an_interrupted_cell_keeps_the_last_result(sent: Sent) -> None:
    """As Jupyter's stop button does: a signal to the process, amid a step of a cell's loop."""
    interrupted = run(400)
    frames = interrupted.frames

    def until_the_third() -> Iterator[Any]:
        for number, frame in enumerate(frames()):
            if number == 2:
                signal.raise_signal(signal.SIGINT)
            yield frame

    interrupted.frames = until_the_third
    view = cs.widgets.watch(interrupted)
    assert [result.step for result in view] == [1, 2]
    assert (view.state, view.step) == ("stopped", 2)
    assert view.result().step == 2


def test_shown_alone_it_runs_in_the_background(sent: Sent) -> None:
    view = cs.widgets.watch(run(400))
    view._repr_mimebundle_()
    with pytest.raises(cs.ConvscopeError, match="goes on already"):
        iter(view)
    while not sent.steps:
        time.sleep(0.01)
    view.stop()
    assert 1 <= view.result().step < 400
    assert view.state == "stopped"


def test_an_error_is_one_line(sent: Sent) -> None:
    broken = run()
    broken.frames = lambda: (_ for _ in ()).throw(cs.ConvscopeError("no luck"))
    view = cs.widgets.watch(broken)
    view._repr_mimebundle_()
    with pytest.raises(cs.ConvscopeError, match="no luck"):
        view.result()
    assert (view.state, view.problem) == ("failed", "no luck")


def test_a_page_that_opens_later_gets_the_frames(sent: Sent) -> None:
    view = cs.widgets.watch(run())
    view.result()
    before = sent.steps
    sent.clear()
    view._heard(view, {"kind": "opened"}, [])
    assert sent.steps == before


def test_frames_are_thinned(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT", 4)
    monkeypatch.setattr(views, "EVERY", 0.0)
    monkeypatch.setattr(views, "SHARE", 1e9)
    view = cs.widgets.watch(run(12))
    view.result()
    assert sent.steps == [*range(1, 13)]
    kept = [step for step, _ in view._frames]
    assert len(kept) <= 4
    assert (kept[0], kept[-1]) == (1, 12)


def test_without_anywidget_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(cs.ConvscopeError, match=r"pip install 'convscope\[notebook\]'"):
        cs.widgets.watch(run())


PAGE = """<!doctype html><meta charset="utf-8"><div id="view"></div><script>
const heard = {}, state = {title: "deepdream", state: "running", step: 0, steps: 3, problem: ""};
window.sent = [];
window.fire = (event, ...rest) => (heard[event] ?? []).forEach((one) => one(...rest));
window.put = (changes) => { Object.assign(state, changes); fire("change"); };
window.model = {
  get: (name) => state[name],
  on: (event, one) => (heard[event] ??= []).push(one),
  off: (event, one) => { heard[event] = heard[event].filter((other) => other !== one); },
  send: (content) => window.sent.push(content),
};
</script><script>MODULE</script><script>
const shown = widget();  // each call gets a model of its own, as in JupyterLab
shown.initialize({ model: { ...model } });
const undo = shown.render({ model: { ...model }, el: document.getElementById("view") });
</script>"""


def test_the_page_stops_and_goes_back(browser: Any) -> None:
    module = script("view.js")
    module = module.replace("export default", "window.widget =")
    page = browser.new_page()
    try:
        page.set_content(PAGE.replace("MODULE", module))
        assert page.evaluate("sent") == [{"kind": "opened"}]
        frame = "fire('msg:custom', {kind: 'frame', step: %d}, [new DataView(new ArrayBuffer(2))])"
        for step in (1, 2, 3):
            page.evaluate("put({step: %d})" % step)  # noqa: UP031
            page.evaluate(frame % step)
        said = page.get_by_role("status")
        page.wait_for_function("document.querySelector('input').max === '2'")
        assert said.inner_text() == "deepdream: running, step 3 of 3"
        page.get_by_role("button", name="Stop").click()
        assert page.evaluate("sent.at(-1)") == {"kind": "stop"}
        page.evaluate("put({state: 'stopped'})")
        slider = page.get_by_role("slider", name="frame")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert said.inner_text() == "deepdream: stopped, step 2 of 3"
        assert page.get_by_role("img").get_attribute("alt") == "deepdream, step 2 of 3"
        assert not page.get_by_role("button", name="Stop").is_visible()
    finally:
        page.close()


# ---------------------------------------------------------------------- the map of a collection


def test_the_map_holds_what_its_page_shows(make: Make) -> None:
    index = make()
    if not MAP.is_file():
        pytest.skip("the pages are not built (pip install -e . builds them)")
    shown = cs.widgets.embedding_map(index, method="pca", color="label")
    places = np.frombuffer(shown.places, "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(places, shown.layout_made.places)
    (path,) = (one for one in shown.columns if one["name"] == "path")
    codes = np.frombuffer(path["data"][: 4 * len(index)], "<u4")
    words = path["data"][4 * len(index) :].decode().split("\0")
    assert [words[code] for code in codes] == list(index.paths)
    assert shown.color == "label"
    shown.selected = [3, 1]
    assert repr(shown).endswith(f": 2 of {len(index)} photographs chosen>")
    with pytest.raises(cs.ConvscopeError, match="no photograph 99"):
        shown.selected = [99]
    with pytest.raises(cs.ConvscopeError, match="column"):
        cs.widgets.embedding_map(index, method="pca", color="weight")


def test_the_page_of_a_map_gets_the_thumbnails_that_it_asks_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not MAP.is_file():
        pytest.skip("the pages are not built (pip install -e . builds them)")
    shown = cs.widgets.embedding_map(make(), method="pca")
    sent: list[Any] = []
    monkeypatch.setattr(shown, "send", lambda content, buffers: sent.append((content, buffers)))
    shown._handle_custom_msg({"kind": "sheet", "id": 7, "rows": [0, 5], "size": "small"}, [])
    ((content, (data,)),) = sent
    assert content == {"kind": "sheet", "id": 7}
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (64, 32)


# --------------------------------------------------------------------------------------- a unit


@pytest.fixture
def unit(make: Make) -> Any:
    return cs.widgets.unit(own_network(), make(), "norm:3")


def test_a_unit_holds_what_its_page_shows(unit: Any) -> None:
    facts, microscope = unit.facts, unit.microscope
    index = microscope.index
    found = index.channels[unit.unit.rpartition(":")[0]]
    assert (facts["channel"], facts["channels"]) == (3, len(found.high))
    assert facts["high"] == float(found.high[3])
    assert [one["value"] for one in facts["patches"]] == found.top.values[3].tolist()
    assert sum(facts["counts"]) == found.histogram[3].sum()
    for one in (*facts["patches"], *facts["similar"]):
        with Image.open(io.BytesIO(one["picture"])) as picture:
            assert picture.format == "JPEG"
    wanted = microscope.unit("norm", 3).similar
    assert [(one["name"], one["value"]) for one in facts["similar"]] == [
        (one.name, one.value) for one in wanted[: len(facts["similar"])]
    ]
    assert facts["similar"]


def test_another_unit_and_other_views_of_its_photographs(unit: Any) -> None:
    before = unit.facts["patches"]
    unit.show = "whole"
    assert unit.facts["show"] == "whole"
    assert unit.facts["patches"][0]["picture"] != before[0]["picture"]
    unit.unit = "norm:0"
    assert unit.unit.endswith(":0")
    assert (unit.facts["channel"], unit.facts["show"]) == (0, "whole")
    assert repr(unit).startswith(f"<Unit {unit.unit} of ")
    for wrong, said in (("norm", "a unit is a layer and a channel"), ("norm:99", "no channel")):
        with pytest.raises(cs.ConvscopeError, match=said):
            unit.unit = wrong
    assert unit.unit.endswith(":0")


def test_a_click_makes_the_image_and_the_note_and_both_are_kept(
    unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(unit, "send", sent.append)
    assert (unit.facts["image"], unit.facts["classes"], unit.facts["note"]) == (None, None, "")
    for content in (
        {"kind": "image"},
        {"kind": "classes"},
        {"kind": "note", "text": "edges"},
        {"kind": "go", "unit": "norm:99"},
        {"kind": "go", "unit": "norm:1"},
        {"kind": "go", "unit": "norm:3"},
    ):
        unit._handle_custom_msg(content, [])
    problems = [one["problem"] for one in sent]
    assert [bool(one) for one in problems] == [False, False, False, True, False, False]
    assert "channels" in problems[3]
    image = unit.microscope.image("norm", 3)
    assert unit.facts["image"]["picture"] == image.file
    up = unit.microscope.connections("norm", 3).up
    assert unit.facts["classes"]["up"] == [(one.label, one.value) for one in up[:5]]
    assert unit.facts["note"] == "edges"


UNIT_PAGE = """<!doctype html><meta charset="utf-8"><div id="view"></div><script>
const heard = {}, bytes = new DataView(new ArrayBuffer(2));
const similar = [{name: "late:2", value: 0.5, picture: bytes}];
const state = {facts: {
  layer: "early", channel: 0, channels: 4, dead: false, missing: "", note: "",
  high: 2, low: 0, mean: 0.5, sparsity: 0.25, edges: [null, 0, 1, 2], counts: [0, 5, 1],
  maps: true, show: "field", patches: [{picture: bytes, value: 2, said: "cat"}], similar,
  image: null, classes: null,
}};
window.sent = [];
window.fire = (event, ...rest) => (heard[event] ?? []).forEach((one) => one(...rest));
window.put = (changes) => { Object.assign(state.facts, changes); fire("change:facts"); };
window.done = (problem = "") => fire("msg:custom", {kind: "done", problem});
const model = {
  get: (name) => state[name],
  on: (event, one) => (heard[event] ??= []).push(one),
  off: (event, one) => { heard[event] = heard[event].filter((other) => other !== one); },
  send: (content) => window.sent.push(content),
};
</script><script>MODULE</script><script>
window.undo = widget.render({ model, el: document.getElementById("view") });
</script>"""


def test_the_page_of_a_unit_asks_for_what_is_clicked(browser: Any) -> None:
    module = script("unit_view.js")
    page = browser.new_page()
    try:
        page.set_content(
            UNIT_PAGE.replace("MODULE", module.replace("export default", "window.widget ="))
        )

        def asks(name: str, content: dict[str, Any]) -> None:
            page.get_by_role("button", name=name).click()
            assert page.evaluate("sent.at(-1)") == content
            page.evaluate("done()")

        asks("Previous", {"kind": "go", "unit": "early:3"})
        asks("Next", {"kind": "go", "unit": "early:1"})
        asks("late:2", {"kind": "go", "unit": "late:2"})
        asks("Whole photograph", {"kind": "show", "show": "whole"})
        asks("Find the classes", {"kind": "classes"})
        page.get_by_label("Your note").fill("edges")
        asks("Save the note", {"kind": "note", "text": "edges"})
        page.get_by_role("button", name="Make its image").click()
        count = page.evaluate("sent.length")
        page.get_by_role("button", name="Next").click()  # while the image is being made
        assert page.evaluate("sent.length") == count
        page.evaluate("done('no luck')")
        assert page.get_by_role("status").inner_text() == "no luck"
        page.evaluate(
            "put({channel: 1, maps: false, note: 'dots',"
            " classes: {up: [['<b>cat</b>', 0.25]], down: [['dog', -0.5]]},"
            " image: {picture: bytes, activation: 3, multiple: 1.5}})"
        )
        assert page.get_by_role("heading", name="early:1").is_visible()
        assert page.get_by_label("Your note").input_value() == "dots"
        assert page.get_by_text("<b>cat</b>").is_visible()
        assert page.get_by_text("\N{MINUS SIGN}0.500").is_visible()
        assert page.get_by_text("1.50 times").is_visible()
        assert not page.get_by_role("button", name="Where it is active").count()
        page.evaluate("undo()")
        assert page.evaluate("Object.values(heard).flat().length") == 0
    finally:
        page.close()
