"""Reports on an index: which photographs they show, and what they say, against counts by hand."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.cli import main
from convscope.reports import reporting
from convscope.reports.making import Maker
from convscope.reports.reporting import Report
from convscope.trust import on_one_scale
from convscope.types import HeatMap
from tests.helpers.collections import Make
from tests.helpers.painted import LABELS, color_network, paint_colors


@pytest.fixture
def colors() -> cs.Network:
    return color_network()


@pytest.fixture
def index(colors: cs.Network, tmp_path: Path, make: Make) -> cs.Index:
    return make(net=colors, folder=paint_colors(tmp_path / "painted"))


def shown(report: Report) -> list[tuple[str, str, list[str], int]]:
    """Label, prediction, names of the photographs and their number, for each group."""
    return [(g.label, g.prediction, [c.path for c in g.cases], g.count) for g in report.groups]


def test_all_mistakes_the_most_frequent_and_confident_first(
    colors: cs.Network, index: cs.Index
) -> None:
    report = cs.report(index, colors)
    assert shown(report) == [
        ("blue", "green", ["blue/surely wrong.png", "blue/wrong.png"], 2),
        ("red", "green", ["red/wrong.png"], 1),
    ]
    for case in report:
        assert case.photo is not None
        caption, label_caption = (caption for caption, _ in case.maps)
        assert caption.startswith("Grad-CAM for green (")
        assert label_caption.startswith(f"Grad-CAM for {case.label} (")
        names = [name for name, _ in case.scores]
        assert names[0] == "green"
        assert sum(score for _, score in case.scores) == pytest.approx(1)
    red, green = math.exp(10 / 255), math.exp(210 / 255)  # the softmax of the mean colors
    assert dict(case.scores)["green"] == pytest.approx(green / (red + green + 1))


def test_similar_photographs_were_classified_correctly(colors: cs.Network, index: cs.Index) -> None:
    """Nearest first, by the cosine of their colors; what was wrong is not among them."""
    *_, case = cs.report(index, colors)
    assert case.path == "red/wrong.png"
    assert [(name, [one.alt for one in row]) for name, row in case.similar] == [
        ("red", ["red/a.png", "red/b.png"]),
        ("green", ["green/b.png", "green/a.png"]),
    ]


def test_all_photographs_of_a_label(colors: cs.Network, index: cs.Index) -> None:
    report = cs.report(index, colors, label="blue")
    assert shown(report) == [
        ("blue", "green", ["blue/surely wrong.png", "blue/wrong.png"], 2),
        ("blue", "blue", ["blue/a.png"], 1),
    ]
    *_, right = report
    assert [caption.partition(" (")[0] for caption, _ in right.maps] == ["Grad-CAM for blue"]
    # Nothing but itself is left to be similar.
    assert right.similar == [("blue", [])]
    assert "blue: no other photograph was classified correctly" in report.page()


def test_a_limit_leaves_some_of_every_confusion(colors: cs.Network, index: cs.Index) -> None:
    report = cs.report(index, colors, limit=2)
    assert shown(report) == [
        ("blue", "green", ["blue/surely wrong.png"], 2),
        ("red", "green", ["red/wrong.png"], 1),
    ]
    for _ in report:
        pass
    page = report.page()
    assert "2 of 3 mistakes are shown" in page
    assert "1 are left out. --limit 3 shows all." in page
    assert "--limit" not in cs.report(index, colors).page()


class Page(HTMLParser):
    """What the page would fetch, its scripts, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self._script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [v for k, v in attrs if v and (k in ("src", "srcset") or tag == "link")]
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts.append(data)
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._script = False
        self.text += " "


def test_the_page_needs_nothing_else_and_runs_no_other_script(
    colors: cs.Network, index: cs.Index, tmp_path: Path
) -> None:
    text = cs.report(index, colors).save(tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.sources) == 3 * 3 + 12 - 2  # photograph, two maps; similar ones: see below
    assert all(source.startswith("data:image/webp;base64,") for source in page.sources)
    assert "url(" not in text
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(text)
    assert "default-src 'none'" in text


def test_numbers_on_top(colors: cs.Network, index: cs.Index) -> None:
    page = cs.report(index, colors).page()
    words = " ".join(Page(page).text.split())
    assert "5 of 8 photographs (62.5%) are classified correctly" in words
    # The lowest recall first: photographs, recall, precision.
    assert "blue 3 33.3% 100.0% red 3 66.7% 100.0% green 2 100.0% 40.0%" in words
    assert "blue green red blue 1 2 0 green 0 2 0 red 0 1 2" in words  # the matrix
    assert "3: red, green, blue (names given in Python)" in words


def test_photographs_that_are_gone_are_named(colors: cs.Network, index: cs.Index) -> None:
    (index.folder / "blue" / "surely wrong.png").unlink()
    Image.new("RGB", (16, 16), (0, 0, 1)).save(index.folder / "blue" / "wrong.png")
    report = cs.report(index, colors)
    gone, changed, there = report
    assert "is no longer in" in gone.problem
    assert "has changed" in changed.problem
    assert not there.problem
    assert [len(case.maps) for case in report] == [0, 0, 2]
    assert gone.photo is not None  # its thumbnail
    note = "2 photographs have no maps, as each says: blue/surely wrong.png, blue/wrong.png."
    assert note in report.page()


def test_names_are_only_words(tmp_path: Path, make: Make) -> None:
    hostile = "<script>alert(1)</script>"
    folder = paint_colors(tmp_path / "painted")
    odd = 'blue & "co" 猫'
    (folder / "blue").rename(folder / odd)
    (folder / "red" / "wrong.png").rename(folder / "red" / "<img src=x onerror=alert(1)>.png")
    net = color_network(["red", "green", odd])
    net.name = hostile
    report = cs.report(make(net=net, folder=folder), net)
    for _ in report:
        pass
    page = Page(report.page())
    assert len(page.scripts) == 1
    assert all(source.startswith("data:") for source in page.sources)
    assert hostile in page.text
    assert odd in page.text
    assert "red/<img src=x onerror=alert(1)>.png" in page.text


def test_folders_that_are_no_classes(tmp_path: Path, make: Make) -> None:
    folder = paint_colors(tmp_path / "painted")
    (folder / "blue").rename(folder / "unsorted")
    net = color_network()
    report = cs.report(make(net=net, folder=folder), net)
    assert len(report) == 1
    note = (
        "3 photographs are not counted, because their folder is no class of the network: unsorted"
    )
    assert note in report.page()
    other = color_network(["a", "b", "c"])
    with pytest.raises(
        cs.ConvscopeError,
        match=r"no folder of the index is named after a class of Colors \(folders: green, red,"
        r" unsorted; classes: a, b, c\); give the names of the classes with --labels FILE",
    ):
        cs.report(make(net=net, folder=folder), other)


def test_refusals_before_the_work(colors: cs.Network, index: cs.Index, own: cs.Network) -> None:
    def refusal(*given: Any, **options: Any) -> str:
        with pytest.raises(cs.ConvscopeError) as raised:
            cs.report(*given, **options)
        return str(raised.value)

    assert refusal(index.path / "none", colors).startswith("no index at")
    assert "was made by Colors, not Own" in refusal(index, own)
    assert "made by a module of your own: give the network too" in refusal(index)
    assert "unknown label 'bleu'; did you mean 'blue'" in refusal(index, colors, label="bleu")
    assert "deepdream is no attribution" in refusal(index, colors, technique="deepdream")
    assert "unknown technique 'gradkam'" in refusal(index, colors, technique="gradkam")
    assert refusal(index, colors, limit=0) == "limit must be at least 1, and similar at least 0"


def test_another_technique(colors: cs.Network, index: cs.Index) -> None:
    first = next(iter(cs.report(index, colors, technique="saliency", similar=0)))
    assert first.maps[0][0].startswith("Saliency map for green (")
    assert all(row == [] for _, row in first.similar)


def test_equal_colors_are_equal_values() -> None:
    one, other = (HeatMap(torch.tensor([[0.0, top]]), "score", clip=0.9) for top in (2.0, 5.0))
    assert [panel.top for panel in on_one_scale([one, other])] == [5, 5]


def test_what_is_made_is_not_made_again(
    colors: cs.Network, index: cs.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = Maker.make

    def noted(self: Maker, case: Any) -> None:
        made.append(case.path)
        make(self, case)

    monkeypatch.setattr(Maker, "make", noted)
    monkeypatch.setattr(reporting, "PREVIEW", 2)
    report = cs.report(index, colors)
    assert made == []
    page = html.unescape(report._repr_html_())
    assert len(made) == 2  # a notebook shows no more
    assert "This page has the first 2 of 3 photographs." in page
    assert page.count("<article") == 2
    report.save(tmp_path / "report.html")
    assert made == [case.path for case in report.cases]


@pytest.mark.parametrize("done", [0, 1])
def test_ctrl_c_keeps_the_photographs_that_are_finished(
    done: int,
    colors: cs.Network,
    index: cs.Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make = Maker.make
    made: list[str] = []

    def stopped(self: Maker, case: Any) -> None:
        if len(made) == done:
            raise KeyboardInterrupt
        made.append(case.path)
        make(self, case)

    monkeypatch.setattr(Maker, "make", stopped)
    monkeypatch.setattr("convscope.cli.options.NetworkOptions.open", lambda *_: colors)
    page = tmp_path / "report.html"
    with pytest.raises(SystemExit) as ended:
        main.main(["report", str(index.path), "-o", str(page)])
    assert ended.value.code == 130
    assert page.exists() == bool(done)
    assert capsys.readouterr().out == f"{page}\n" * done
    if done:
        text = page.read_text("utf-8")
        assert text.count("<article") == 1
        assert "This page has the first 1 of 3 photographs." in text


def test_from_a_checkpoint_to_a_report_in_two_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As torchvision's and timm's training scripts leave it: weights alone, and a file of names."""
    from convscope.network._torchvision import torchvision

    torchvision()
    import timm

    folder = paint_colors(tmp_path / "painted")
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), tmp_path / "tuned.pt")
    (tmp_path / "names.txt").write_text("\n".join(sorted(LABELS)), encoding="utf-8")
    made, page = tmp_path / "index", tmp_path / "report.html"
    options = ["--model", "timm/test_resnet", "--checkpoint", str(tmp_path / "tuned.pt")]
    options += ["--labels", str(tmp_path / "names.txt"), "--input-size", "64"]
    for words in (
        ["index", str(folder), "-o", str(made), *options, "--workers", "0"],
        ["report", str(made), "-o", str(page)],
    ):
        with pytest.raises(SystemExit) as ended:
            main.main(words)
        assert ended.value.code == 0, capsys.readouterr().err
    told = capsys.readouterr()
    assert told.out.splitlines() == [str(made), str(page)]
    count = int(re.findall(r"report: (\d+) of \1 photographs, \d\.\d MB", told.err)[0])
    text = page.read_text(encoding="utf-8")
    assert text.count("<article") == count
    digest = hashlib.sha256((tmp_path / "tuned.pt").read_bytes()).hexdigest()
    assert f"checkpoint tuned.pt (SHA-256 {digest[:16]})" in text
    assert "3: blue, green, red (names that were given)" in text
    assert str(tmp_path) not in text


@pytest.fixture
def saved(colors: cs.Network, index: cs.Index, tmp_path: Path) -> Path:
    return cs.report(index, colors).save(tmp_path / "report.html")


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_in_a_browser(browser: Any, saved: Path, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(saved.as_uri())
    assert complaints == []
    assert [r for r in requests if not r.startswith("data:")] == [saved.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.inner_text("#count") == "3 of 3"
    tab.select_option("#class", "red")
    assert tab.inner_text("#count") == "1 of 3"
    assert tab.locator("article:visible h3").all_inner_texts() == ["red/wrong.png"]
    assert tab.locator("section:visible").count() == 1
    tab.select_option("#class", "")
    tab.fill("#name", "SURELY")
    assert tab.locator("article:visible h3").all_inner_texts() == ["blue/surely wrong.png"]
    tab.fill("#name", "")
    tab.locator("#name").blur()
    visited = []
    for key in "jjjk":
        tab.keyboard.press(key)
        visited.append(tab.evaluate("document.activeElement.dataset.name"))
    assert visited == [
        "blue/surely wrong.png", "blue/wrong.png", "red/wrong.png", "blue/wrong.png"
    ]  # fmt: skip
    tab.close()


def test_without_a_script(browser: Any, saved: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(saved.as_uri())
    assert tab.locator("article:visible").count() == 3
    assert tab.locator("select:visible").count() == 0
    context.close()


def test_no_mistakes(tmp_path: Path, make: Make) -> None:
    folder = paint_colors(tmp_path / "painted")
    for wrong in [*folder.glob("*/*wrong.png")]:
        wrong.unlink()
    net = color_network()
    report = cs.report(make(net=net, folder=folder), net)
    assert len(report) == 0
    page = Page(report.save(tmp_path / "report.html").read_text("utf-8")).text
    assert "There are no mistakes." in page
    assert "5 of 5 photographs (100.0%) are classified correctly" in page


def test_copies_are_no_similar_photographs(tmp_path: Path, make: Make) -> None:
    """A copy shows nothing new: not of the photograph itself, and not of another one twice."""
    folder = paint_colors(tmp_path / "painted")
    green = folder / "green"
    (green / "same.png").write_bytes((folder / "red" / "wrong.png").read_bytes())
    (green / "copy of b.png").write_bytes((green / "b.png").read_bytes())
    net = color_network()
    *_, case = cs.report(make(net=net, folder=folder), net)
    assert case.path == "red/wrong.png"
    assert [one.alt for one in dict(case.similar)["green"]] == ["green/b.png", "green/a.png"]


def test_names_that_are_not_utf_8(tmp_path: Path, make: Make) -> None:
    folder = paint_colors(tmp_path / "painted")
    (folder / "red" / "wrong.png").rename(folder / "red" / "caf\udce9.png")
    net = color_network()
    report = cs.report(make(net=net, folder=folder), net)
    text = report.save(tmp_path / "report.html").read_text("utf-8")
    assert "red/caf" in text


def test_a_page_is_only_replaced_by_a_page(
    colors: cs.Network, index: cs.Index, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>mine</p>", encoding="utf-8")
    report = cs.report(index, colors)
    with pytest.raises(cs.ConvscopeError, match="was not made by convscope"):
        report.save(page)
    assert all(case.photo is None for case in report.cases), "refused before the work"
    assert page.read_text("utf-8") == "<p>mine</p>"
    page.unlink()
    report.save(page)
    report.save(page)


def test_a_network_of_labels_that_are_right_by_themselves(
    index: cs.Index, colors: cs.Network
) -> None:
    """Its page says that only the likeliest class counts."""
    assert "likeliest class counts" not in cs.report(index, colors).page()
    net = cs.Network(colors.module, **{**colors.settings, "output": "multilabel"})
    assert "likeliest class counts" in cs.report(index, net).page()


def test_predictions_that_are_no_folder(tmp_path: Path, make: Make) -> None:
    """They have a column of their own in the matrix, and maps for both classes."""
    folder = paint_colors(tmp_path / "painted")
    for file in [*(folder / "green").iterdir()]:
        file.unlink()
    net = color_network()
    report = cs.report(make(net=net, folder=folder), net)
    first = next(iter(report))
    assert [len(first.maps), first.prediction] == [2, "green"]
    assert dict(first.similar)["green"] == []
    words = " ".join(Page(report.page()).text.split())
    assert "blue red (others) blue 1 0 2 red 0 2 1" in words
