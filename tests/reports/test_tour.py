"""The tour's page: complete, self-contained, readable in a real browser."""

from __future__ import annotations

import base64
import io
import math
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.cli import main
from convscope.cli.app import make_app
from convscope.network import zoo
from convscope.reports.touring import Tour
from convscope.runs import registry
from tests.helpers.rows import indexed

# They take minutes or a folder of photographs, or fool the network as `fool` does.
ATTACKS = {"fgsm", "pgd", "deepfool", "universal", "lbfgs_attack", "carlini_wagner"}
NOT_ON_THE_TOUR = {"efros_leung", "transfer", "compress", "activation_atlas", *ATTACKS}


def walk(
    net: cs.Network, photo: Tensor, path: str, folder: Path, **options: Any
) -> tuple[Tour, Path]:
    """A tour with short climbs."""
    tour = Tour(net, photo, path, **options)
    for chapter in tour.chapters:
        if chapter.run is not None:
            quick = {"steps": 2, "count": 16, "samples": 2}
            short = {word: value for word, value in quick.items() if word in chapter.options}
            if chapter.technique.name == "texture":
                short |= {"height": 32, "width": 32}
            if chapter.technique.name == "style":
                short |= {"size": 96}
            if chapter.technique.name == "occlusion":
                short = {"stride": 56}
            inputs = chapter.technique.inputs(chapter.net or net, photo)
            run = chapter.technique.run(**inputs, **{**chapter.options, **short})
            tour.visit(chapter, cs.check(run) if chapter.check else run)
    return tour, tour.save(folder / "report.html")


@pytest.fixture(scope="module")
def small(net: cs.Network) -> cs.Network:
    """The default network for 96 x 96 pixels, on which a tour takes a fifth of the time."""
    found = cs.Network(net.module, **{**net.settings, "input_size": 96})
    found.source = net.source
    return found


@pytest.fixture(scope="module")
def page(
    small: cs.Network, photo: Tensor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tour, Path]:
    return walk(small, photo, "sample:chelsea", tmp_path_factory.mktemp("tour"))


class Links(HTMLParser):
    """Everything the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [v for k, v in attrs if v and (k in ("src", "srcset") or tag == "link")]


def test_every_technique_is_on_the_tour(
    net: cs.Network, photo: Tensor, page: tuple[Tour, Path]
) -> None:
    """As a chapter of its own or in the comparison; what takes long, on the full tour only."""

    def shown(tour: Tour) -> set[str]:
        compared = {
            name for chapter in tour.chapters for name in chapter.options.get("methods", ())
        }
        return {chapter.technique.name for chapter in tour.chapters} | compared

    fields = {name: registry.get(name).model.model_fields for name in registry.names()}
    of_collections = {
        name for name, own in fields.items() if "index" in own and own["index"].is_required()
    } - NOT_ON_THE_TOUR
    everything = set(registry.names()) - of_collections - NOT_ON_THE_TOUR
    assert shown(page[0]) == everything - {"scorecam"}
    assert shown(Tour(net, photo, "x.jpg", full=True)) == everything
    # Classes are of labeled collections only.
    assert shown(Tour(net, photo, "x.jpg", index="index")) == (
        everything | of_collections - {"confusions"}
    ) - {"scorecam"}
    assert {chapter.technique.name for chapter in page[0].chapters if chapter.check} == {
        "gradcam",
        "guided_backprop",
    }


def test_page_needs_nothing_else(page: tuple[Tour, Path]) -> None:
    text = page[1].read_text(encoding="utf-8")
    parser = Links()
    parser.feed(text)
    assert len(parser.fetched) == len(page[0].chapters)
    assert all(link.startswith("data:image/webp;base64,") for link in parser.fetched)
    assert "script" not in parser.tags
    assert "url(" not in text
    assert "@import" not in text
    for link in parser.fetched:
        picture = Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2])))
        picture.load()
        assert picture.getextrema() != ((255, 255),) * 3  # something is drawn


def test_commands_reproduce_the_pictures(
    small: cs.Network, page: tuple[Tour, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: small)
    names = ("predict", "saliency", "deconvnet", "gradcam", "compare")
    cheap = [s for s in page[0].chapters if s.technique.name in names and not s.check]
    assert len(cheap) == 5
    for chapter in cheap:
        program, *words = shlex.split(chapter.command)
        assert program == "convscope"
        with pytest.raises(SystemExit) as ended:
            main.main(words)
        assert ended.value.code == 0
        assert chapter.run is not None
        made = Image.open(tmp_path / words[-1])
        assert made.tobytes() == chapter.run.result().picture.tobytes()


def test_every_command_is_understood(page: tuple[Tour, Path]) -> None:
    for chapter in page[0].chapters:
        _, *words = shlex.split(chapter.command)
        make_app(words).parse_args(words, print_error=False, exit_on_error=False)


def test_commands_name_the_network(photo: Tensor, tmp_path: Path) -> None:
    plain = cs.load(pretrained=False, device="cpu")
    plain_words = shlex.split(Tour(plain, photo, "cat.jpg").chapters[0].command)
    assert plain_words == [
        "convscope",
        "predict",
        "cat.jpg",
        "--random-weights",
        "-o",
        "predict.png",
    ]
    file = tmp_path / "my weights.pt"
    torch.save(zoo.build("torchvision/squeezenet1_1", pretrained=False)[0].state_dict(), file)
    other = cs.load("torchvision/squeezenet1_1", checkpoint=file, device="cpu")
    words = shlex.split(Tour(other, photo, "cat.jpg").chapters[0].command)
    assert words[3:-2] == ["--model", "torchvision/squeezenet1_1", "--checkpoint", str(file)]


def test_a_tour_with_a_collection(net: cs.Network, photo: Tensor, tmp_path: Path) -> None:
    made = indexed(net)
    tour = Tour(net, photo, "sample:chelsea", index=made)
    tour.chapters = [chapter for chapter in tour.chapters if "index" in chapter.options]
    for chapter in tour.chapters:
        assert chapter.run is not None
        tour.visit(chapter, chapter.run)
        assert f"--index {made}" in chapter.command
    assert not [chapter.refusal for chapter in tour.chapters if chapter.refusal]
    page = tour.save(tmp_path / "report.html").read_text(encoding="utf-8")
    for title in ("Which photographs excite the units most?", "Which photographs are similar?"):
        assert title in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "was made by a network of your own, 'Own'; name it"),
        (["--random-weights"], "was made by Own, not efficientnet_lite0"),
    ],
)
def test_an_index_of_another_network_is_refused_before_the_work(
    options: list[str],
    message: str,
    own: cs.Network,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["tour", "-o", str(tmp_path / "x.html"), "--index", indexed(own), *options]
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_network_without_what_a_chapter_needs(photo: Tensor, tmp_path: Path) -> None:
    """No ReLU and no classes: the chapters that need them say so, the others stand."""
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 6, 3, stride=2), nn.SiLU()
    )
    net = cs.Network(module, mean=(0.5,) * 3, std=(0.5,) * 3, input_size=64)
    tour, path = walk(net, photo, "cat.jpg", tmp_path)
    refused = {chapter.title: chapter.refusal for chapter in tour.chapters if chapter.refusal}
    assert "no class scores" in refused["What does the network predict?"]
    assert any("ReLU" in reason for reason in refused.values())
    shown = [chapter.technique.name for chapter in tour.chapters if not chapter.refusal]
    assert {"filters", "activations", "deepdream"} <= set(shown)
    assert path.read_text(encoding="utf-8").count("Not possible with this network") == len(refused)


def test_names_from_outside_are_escaped(net: cs.Network, photo: Tensor, tmp_path: Path) -> None:
    tour = Tour(net, photo, "<script>alert(1)</script>.jpg")
    for chapter in tour.chapters:
        chapter.refusal = "<b>no</b>"
    text = tour.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<b>no" not in text


def test_full_takes_more_steps(net: cs.Network, photo: Tensor) -> None:
    quick, full = (
        {s.title: s.options for s in Tour(net, photo, "x.jpg", full=f).chapters}
        for f in (False, True)
    )
    climbs = [title for title, options in quick.items() if "steps" in options]
    assert climbs
    # Without a number it is the technique's own, which is meant for good pictures.
    most = {title: full[title].get("steps", math.inf) for title in climbs}
    assert all(most[title] > quick[title]["steps"] for title in climbs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_page_in_a_browser(browser: Any, page: tuple[Tour, Path], width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page[1].as_uri())
    assert complaints == []
    assert [r for r in requests if not r.startswith("data:")] == [page[1].as_uri()]
    widths = tab.evaluate("[...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert len(widths) == len(page[0].chapters)
    assert min(widths) > 200
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    ground, ink = (
        _brightness(tab.evaluate(f"getComputedStyle(document.body).{name}"))
        for name in ("backgroundColor", "color")
    )
    assert (ground > ink) == (scheme == "light")
    assert abs(ground - ink) > 150
    for anchor in tab.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash)"):
        assert tab.query_selector(f"[id='{anchor[1:]}']") is not None
    tab.close()


def test_page_on_paper(browser: Any, page: tuple[Tour, Path]) -> None:
    tab = browser.new_page()
    tab.goto(page[1].as_uri())
    tab.emulate_media(media="print")
    assert not tab.is_visible("nav")
    sheets = tab.pdf(format="A4").count(b"/Type /Page\n")
    assert 4 <= sheets <= len(page[0].chapters)
    tab.close()


def _brightness(color: str) -> float:
    return sum(float(c) for c in re.findall(r"[\d.]+", color)[:3]) / 3


def test_unwritable_page_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["tour", "sample:coffee", "-o", str(tmp_path / "missing" / "r.html")])
    assert ended.value.code == 2
    assert "no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["r.txt", "r.png", "r"])
def test_another_ending_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["tour", "sample:coffee", "-o", str(tmp_path / name)])
    assert ended.value.code == 2
    assert f"the page needs a name that ends in .html, not {name}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_seed_state_is_left_alone(net: cs.Network, photo: Tensor) -> None:
    before = torch.get_rng_state()
    Tour(net, photo, "x.jpg", seed=3)
    assert torch.equal(before, torch.get_rng_state())
