"""The tour from Python: of a network of one's own, chapter by chapter, in a notebook."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convscope as cs
from convscope.cli import main
from convscope.network import zoo
from convscope.reports.chapters.plan import plan
from convscope.reports.facts import about
from convscope.reports.touring import Tour

KEPT = ("predict", "saliency", "gradcam")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tours of three chapters."""

    def few(*arguments: Any, **options: Any) -> list[Any]:
        found = list(plan(*arguments, **options))
        return [next(c for c in found if c.technique.name == name) for name in KEPT]

    monkeypatch.setattr("convscope.reports.touring.plan", few)


@pytest.mark.usefixtures("short")
def test_a_network_of_ones_own(own: cs.Network, photo: Tensor, tmp_path: Path) -> None:
    tour = cs.tour(own, photo)
    assert [chapter.technique.name for chapter in tour] == list(KEPT)
    text = tour.save(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>What Own sees in chelsea</h1>" in text
    assert text.count("data:image/webp;base64,") == len(KEPT)
    # No command can load a module that is in memory.
    assert "convscope gradcam" not in text
    assert html.escape("cs.gradcam(net, image, target=") in text


@pytest.mark.usefixtures("short")
def test_an_image_without_a_file_is_opened_in_python(net: cs.Network) -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tour = cs.tour(net, image)
    assert tour.name == "an image"
    assert [chapter.command[:3] for chapter in tour.chapters] == ["cs."] * len(KEPT)


@pytest.mark.usefixtures("short")
def test_what_is_made_is_not_made_again(
    own: cs.Network, photo: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited: list[str] = []
    visit = Tour.visit

    def noted(self: Tour, chapter: Any, results: Any) -> None:
        visited.append(chapter.technique.name)
        visit(self, chapter, results)

    monkeypatch.setattr(Tour, "visit", noted)
    tour = cs.tour(own, photo)
    assert visited == []
    next(iter(tour))
    assert visited == ["predict"]
    tour.save(tmp_path / "report.html")
    tour.save(tmp_path / "again.html")
    assert visited == list(KEPT)


@pytest.mark.usefixtures("short")
def test_in_a_notebook_pictures_are_small(own: cs.Network, photo: Tensor) -> None:
    tour = cs.tour(own, photo)
    shown = tour._repr_html_()
    page = html.unescape(re.search('srcdoc="([^"]*)"', shown)[1])  # type: ignore[index]
    assert page.startswith("<!doctype html>")
    widths = [int(width) for width in re.findall(r'<img [^>]*width="(\d+)"', page)]
    assert len(widths) == len(KEPT)
    assert max(widths) <= 640
    assert len(shown) < 100_000 * len(KEPT)
    whole = [chapter.picture.width for chapter in tour.chapters if chapter.picture]
    assert max(whole) > 640  # on the page that is saved they are as large as before


def test_only_a_page_of_one_image(own: cs.Network, photo: Tensor, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="one image at a time, not 2"):
        cs.tour(own, photo.expand(2, -1, -1, -1))
    with pytest.raises(cs.ConvscopeError, match="tour needs a Network first"):
        cs.tour(photo, own)  # type: ignore[arg-type]
    with pytest.raises(cs.ConvscopeError, match="no index at"):
        cs.tour(own, photo, index=tmp_path / "none")
    with pytest.raises(cs.ConvscopeError, match=r"ends in \.html, not report\.pdf"):
        cs.tour(own, photo).save(tmp_path / "report.pdf")


def test_what_a_page_says_of_the_network(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = cs.Network(
        module.append(nn.Linear(4, 7)),
        mean=(0.1, 0.2, 0.3), std=(0.5,) * 3, input_size=(48, 64), crop=0.875, name="mine",
        labels=[f"kind {i}" for i in range(7)],
    )  # fmt: skip
    facts = dict(about(net))
    assert facts["network"] == "mine, 147 parameters, 5 layers"  # 3*4*9 + 4 + 4*7 + 7
    assert facts["classes"] == (
        "7: kind 0, kind 1, kind 2, kind 3, kind 4, ... (names given in Python)"
    )
    assert facts["input"] == "48 \N{MULTIPLICATION SIGN} 64 pixels, the middle 87.5% of the" + (
        " photograph, bicubic"
    )
    assert facts["normalization"] == "mean 0.1, 0.2, 0.3; standard deviation 0.5, 0.5, 0.5"
    assert facts["weights"] == f"a module from Python, SHA-256 of the network {net.digest[:16]}"


def test_a_page_names_the_checkpoint_with_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "tuned.pt"
    torch.save(zoo.build("torchvision/squeezenet1_1", pretrained=False)[0].state_dict(), file)
    net = cs.load("torchvision/squeezenet1_1", checkpoint=file, device="cpu")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"checkpoint tuned.pt (SHA-256 {digest[:16]})" in dict(about(net))["weights"]
    assert str(tmp_path) not in str(about(net))  # the page may go to others


def test_a_page_says_where_the_labels_are_from(tmp_path: Path) -> None:
    name = "torchvision/squeezenet1_1"
    plain = cs.load(name, pretrained=False, device="cpu")
    assert dict(about(plain))["classes"].endswith(f", ... (names of {name})")
    labels = [f"kind {number}" for number in range(1000)]
    given = cs.load(name, pretrained=False, labels=labels, device="cpu")
    assert dict(about(given))["classes"].endswith("kind 4, ... (names that were given)")
    file = tmp_path / "tuned.pt"
    state = zoo.build(name, pretrained=False)[0].state_dict()
    torch.save({"state_dict": state, "classes": labels}, file)
    facts = about(cs.load(name, checkpoint=file, device="cpu"))
    assert dict(facts)["classes"].endswith("kind 3, kind 4, ...")
    assert ("note", "the labels are those under 'classes' in tuned.pt") in facts


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("done", [0, 1])
def test_ctrl_c_before_the_first_picture_of_a_chapter(
    done: int,
    own: cs.Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The chapters that are made become the page; without any there is none."""
    visit = Tour.visit

    def stopped(self: Tour, chapter: Any, results: Any) -> None:
        if chapter is self.chapters[done]:
            raise KeyboardInterrupt
        visit(self, chapter, results)

    monkeypatch.setattr(Tour, "visit", stopped)
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: own)
    page = tmp_path / "report.html"
    with pytest.raises(SystemExit) as ended:
        main.main(["tour", "sample:chelsea", "-o", str(page)])
    assert ended.value.code == 130
    assert page.exists() == bool(done)
    assert capsys.readouterr().out == f"{page}\n" * done
    if done:
        assert page.read_text("utf-8").count("<section") == done


@pytest.mark.parametrize("labels", [None, ["same", "same", "same"], ["1", "2", "0"]])
def test_classes_that_no_label_tells_apart(
    labels: list[str] | None, own: cs.Network, photo: Tensor
) -> None:
    """Each chapter is about the class that was predicted, by its number where need be."""
    net = cs.Network(own.module, **{**own.settings, "labels": labels})
    first = net.predict(photo)[0]
    about_classes = [c for c in Tour(net, photo, None).chapters if "target" in c.options]
    asked = {c.technique.name: c.options["target"] for c in about_classes}
    for name in ("saliency", "gradcam", "class_image"):
        assert net.target(asked[name]).channel == first.index
    assert not [
        c.refusal for c in about_classes if c.technique.name in asked and "class" in c.refusal
    ]


def test_a_network_of_one_class(photo: Tensor) -> None:
    """There is no runner-up to compare with."""
    net = cs.Network(
        nn.Sequential(nn.Conv2d(3, 1, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        mean=(0.5,) * 3, std=(0.5,) * 3, input_size=32, output="multilabel", labels=["cat"],
    )  # fmt: skip
    names = [chapter.technique.name for chapter in Tour(net, photo, None).chapters]
    assert "gradcam" in names
    assert "compare" not in names
