"""Questions that people have, answered from the first page by clicks and keys alone.

Each test counts them, and the seconds until the answer is there (`--junit-xml` has both, and so has
what is printed with `-s`). What the right answer is, plain PyTorch says.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.testing import small_network
from convscope.types import Array
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.explorer.conftest import CLASSES, INDEX, STATIC, WAIT, Explorer, indexed
from tests.helpers.explorer import served

Open = Callable[..., Any]

NUMBERS = sorted(number for both in CLASSES.values() for number in both)  # by row of the index

TABBY = 281


class Asker:
    """Somebody with a question, at the first page.

    Attributes:
        clicks: presses of the mouse, keys and words so far.
    """

    def __init__(self, page: Any, question: str, record: Callable[[str, object], None]) -> None:
        self.page, self.clicks = page, 0
        self._question, self._record = question, record
        page.get_by_role("link", name="Try it").wait_for()
        self._began = time.perf_counter()

    def click(self, place: Any) -> None:
        place.click()
        self.clicks += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.clicks += 1

    def type(self, words: str) -> None:
        self.page.keyboard.type(words)
        self.clicks += 1

    def link(self, name: str) -> None:
        self.click(self.page.get_by_role("link", name=name, exact=True).first)

    def choose(self, label: str, option: str) -> None:
        self.click(self.page.locator(".field", has_text=label).locator(".select-button"))
        self.click(self.page.get_by_role("option", name=option, exact=True))

    def answered(self, most: int) -> None:
        """The answer is there; it took at most so many clicks."""
        seconds = time.perf_counter() - self._began
        self._record("clicks", self.clicks)
        self._record("seconds", round(seconds, 2))
        print(f"{self._question} {self.clicks} clicks, {seconds:.1f} s")
        assert self.clicks <= most


@pytest.fixture
def ask(opened: Open, record_property: Callable[[str, object], None]) -> Callable[[str], Asker]:
    return lambda question: Asker(opened("/"), question, record_property)


@pytest.fixture(scope="module")
def net() -> cs.Network:
    return cs.load("efficientnet_lite0")


@pytest.fixture(scope="module")
def head(net: cs.Network) -> Array:
    """(1000, 1280): what each unit of global_pool adds to each score."""
    return net.parameter("classifier").double().numpy()


def values(net: cs.Network, layer: str, images: Tensor) -> Tensor:
    """What a module gives for images (N, 3, H, W) in [0, 1], or the whole network for ""."""
    held: list[Tensor] = []
    module = net.module.get_submodule(layer)
    hook = module.register_forward_hook(lambda _, __, output: held.append(output))
    mean, std = (torch.tensor(one).reshape(3, 1, 1) for one in (net.mean, net.std))
    try:
        with torch.inference_mode():
            net.module((images - mean) / std)
    finally:
        hook.remove()
    return held[0]


def inputs(net: cs.Network) -> Tensor:
    """The photographs of the index as the network gets them."""
    arrays = [np.asarray(indexed(number).convert("RGB")) / 255 for number in NUMBERS]
    photos = [torch.from_numpy(one).float().movedim(2, 0)[None] for one in arrays]
    return torch.cat([net.preprocess(photo) for photo in photos])


def test_which_units_make_the_network_say_tabby(ask: Any, head: Array) -> None:
    asker = ask("Which units make the network say tabby?")
    asker.press("/")
    asker.type(str(TABBY))
    units = asker.page.get_by_role("group", name="Units")
    asker.click(units.get_by_role("option").first)
    asker.page.get_by_text("These units make the network say").wait_for()
    tiles = asker.page.locator(".tile")
    tiles.first.wait_for()
    asker.answered(3)
    assert asker.page.get_by_role("heading", name="global_pool").is_visible()
    found = tiles.evaluate_all("all => all.map(one => Number(one.dataset.channel))")
    assert found == np.argsort(-head[TABBY], kind="stable")[: len(found)].tolist()
    assert len(found) > 20


def test_why_a_photograph_was_mistaken(ask: Any, net: cs.Network, head: Array) -> None:
    asker = ask("Why was this photograph mistaken?")
    asker.link("Confusions")
    asker.link("Explain this error")
    why = asker.page.get_by_role("region", name="Why it was mistaken")
    why.locator(".unit-tile").first.wait_for()
    why.locator(".map img").nth(1).wait_for()
    asker.answered(2)
    told = re.findall(r" (\d+)", why.locator("h2").first.inner_text())
    row = int(re.findall(r"/photographs/(\d+)", asker.page.url)[0])
    pooled = values(net, "global_pool", inputs(net)[row : row + 1])[0].double().numpy()
    scores = head @ pooled + net.parameter("classifier", "bias").double().numpy()
    assert [int(one) for one in told] == [scores.argmax(), NUMBERS[row]]
    parts = pooled * (head[scores.argmax()] - head[NUMBERS[row]])
    names = [one.get_attribute("title") for one in why.locator(".sides a").all()]
    most = [f"global_pool:{unit}" for unit in np.argsort(-parts)[:5]]
    least = [f"global_pool:{unit}" for unit in np.argsort(parts)[:5]]
    assert names[:5] == most and names[8:13] == least


def test_which_photographs_are_odd(ask: Any, net: cs.Network) -> None:
    asker = ask("Which photographs are odd?")
    asker.link("Map")
    asker.choose("Sort by", "Probability")
    asker.page.wait_for_url("**sort=probability**")
    tiles = asker.page.locator(".map-tile")
    asker.page.locator(".map-tile", has_text="%").nth(5).wait_for()
    asker.answered(3)
    probabilities = values(net, "", inputs(net)).softmax(1).max(1).values
    rows = tiles.evaluate_all("all => all.map(one => Number(one.dataset.row))")
    assert rows == probabilities.argsort().tolist()


def test_which_photographs_are_far_from_all_others(ask: Any, net: cs.Network) -> None:
    asker = ask("Which photographs are like no others?")
    asker.link("Map")
    asker.choose("Sort by", "Oddness: how far the nearest are")
    asker.click(asker.page.get_by_text("Highest first"))
    asker.page.wait_for_url("**sort=oddness&down=1**")
    tiles = asker.page.locator(".map-tile")
    asker.page.locator(".map-tile", has_text=re.compile(r"^0\.\d+$")).nth(5).wait_for()
    asker.answered(4)
    pooled = values(net, "global_pool", inputs(net)).double().numpy()
    units = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    oddness = (1 - units @ units.T).sum(1) / 5  # of the five others
    told = [float(one) for one in tiles.all_inner_texts()]
    rows = tiles.evaluate_all("all => all.map(one => Number(one.dataset.row))")
    assert told == pytest.approx(oddness[rows], abs=2e-3)
    assert told == sorted(told, reverse=True) and len(set(rows)) == 6


def test_what_a_unit_wants(ask: Any, net: cs.Network) -> None:
    asker = ask("What does unit 12 want?")
    asker.link(INDEX)
    asker.click(asker.page.locator(".tile[data-channel='12']"))
    asker.click(asker.page.get_by_role("button", name="Make its image"))
    image = asker.page.get_by_role("img", name="What excites blocks.0:12 most")
    image.wait_for(timeout=4 * WAIT)
    asker.page.wait_for_function("image => image.naturalWidth > 0", arg=image.element_handle())
    asker.answered(3)
    peaks = values(net, "blocks.0", inputs(net))[:, 12].amax((1, 2))
    strongest = asker.page.get_by_role("region", name="Strongest patches").locator("button")
    labels = [one.inner_text().split()[-1] for one in strongest.all()]
    assert labels == [str(NUMBERS[row]) for row in peaks.argsort(descending=True)]
    drawn = asker.page.request.get(image.evaluate("image => image.src")).body()
    with Image.open(io.BytesIO(drawn)) as picture:
        pixels = torch.from_numpy(np.asarray(picture.convert("RGB")) / 255).float()
    given = pixels.movedim(2, 0)[None]
    told = re.findall(r"excites the unit ([\d.]+) times", asker.page.inner_text(".unit-images"))
    multiple = float(values(net, "blocks.0", given)[0, 12].max() / peaks.max())
    assert multiple == pytest.approx(float(told[0]), rel=0.1)  # WebP loses a little


def test_which_units_look_like_a_picture(ask: Any, explorer: Explorer) -> None:
    """The picture is the image of a unit, which must come first."""
    asker = ask("Which units look like this picture?")
    asker.link(INDEX)
    asker.choose("Sort by", "Likeness to a picture")
    asker.page.get_by_role("region", name="Photograph that").wait_for()
    make = asker.page.get_by_role("button", name="Make the images of the other")
    if make.count():  # those of the first layer are made together
        asker.click(make)
        make.wait_for(state="detached", timeout=4 * WAIT)
        asker.page.get_by_text("are there").wait_for(state="detached", timeout=4 * WAIT)
    version = asker.page.request.get(f"{explorer.origin}/api/indexes/i0").json()["version"]
    image = f"{explorer.origin}/api/indexes/i0/units/blocks.0/7/images/0?v={version}"
    picture = {"name": "seven.webp", "mimeType": "image/webp"}
    picture["buffer"] = asker.page.request.get(image).body()
    asker.page.locator("input[type=file]").set_input_files(picture)
    asker.page.wait_for_url("**photo=**")
    first = asker.page.locator(".tile").first
    first.get_by_text(re.compile(r"likeness 0\.[89]")).wait_for()  # WebP loses a little
    asker.answered(5)
    assert first.get_attribute("data-channel") == "7"
    told = asker.page.locator(".tile", has_text="likeness").all_inner_texts()
    values_ = [float(re.findall(r"likeness (-?[\d.]+)", one)[0]) for one in told]
    assert values_ == sorted(values_, reverse=True) and len(values_) > 10


def test_a_colleague_gets_the_same_page(ask: Any, explorer: Explorer, opened: Open) -> None:
    asker = ask("Send a colleague that unit.")
    asker.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    asker.link(INDEX)
    asker.click(asker.page.locator(".tile[data-channel='7']"))
    asker.click(asker.page.get_by_role("button", name="Whole photograph"))
    strongest = asker.page.get_by_role("region", name="Strongest patches")
    asker.click(strongest.locator("button").nth(2))
    asker.click(asker.page.get_by_role("button", name="Copy link"))
    asker.page.get_by_role("button", name="Copied").wait_for()
    asker.answered(5)
    link = asker.page.evaluate("navigator.clipboard.readText()")
    assert link == asker.page.url
    other = opened(link.removeprefix(explorer.origin), color_scheme="dark")
    other.get_by_role("heading", name="blocks.0:7", exact=True).wait_for()
    chosen = other.get_by_role("region", name="The chosen patch").inner_text()
    assert chosen == asker.page.get_by_role("region", name="The chosen patch").inner_text()
    pressed = other.locator("[aria-pressed=true]").all_inner_texts()
    assert pressed == asker.page.locator("[aria-pressed=true]").all_inner_texts()


@pytest.fixture(scope="module")
def before_and_after(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """An explorer of two checkpoints of a network."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the explorer's pages are not built (pip install -e . builds them)")
    folder = tmp_path_factory.mktemp("checkpoints")
    before = {"name": "convscope.testing:small_network", "device": "cpu"}
    after = {**before, "checkpoint": str(changed(folder / "after.pt"))}
    options = Options({"n0": before, "n1": after}, {})
    with served(folder / "runs", "sample:chelsea", main=main, options=options) as visitor:
        yield Explorer(visitor.access.address, browser, 0)


def changed(path: Path) -> Path:
    """A checkpoint of the small network with other weights in two layers."""
    module = small_network().module
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        module.get_parameter("blocks.2.weight").mul_(1.05)
        for weight in [*module.parameters()][-2:]:
            weight.copy_(torch.randn(weight.shape, generator=generator))
    torch.save(module.state_dict(), path)
    return path


def change(before: dict[str, Tensor], after: dict[str, Tensor], layer: str) -> float:
    """How long the change of a layer's weights is, as a part of the longer ones."""
    names = [f"{layer}.{one}" for one in ("weight", "bias") if f"{layer}.{one}" in before]
    old, new = (torch.cat([one[n].double().flatten() for n in names]) for one in (before, after))
    return float((new - old).norm() / max(old.norm(), new.norm()))


def test_what_changed_between_two_checkpoints(
    before_and_after: Explorer,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    page = before_and_after.open("/")
    compare = page.get_by_role("link", name="Compare with")
    compare.wait_for(timeout=2 * WAIT)
    asker = Asker(page, "What changed between two checkpoints?", record_property)
    asker.click(compare)
    page.locator(".transport-state", has_text="Done").wait_for(timeout=2 * WAIT)
    asker.answered(1)
    told = page.locator(".stage").inner_text()
    assert "similarity of the maps for Own: class 0 and Own 2: class 0" in told
    assert "the layers whose weights differ most between Own and Own 2" in told
    before = small_network().module.state_dict()
    after = torch.load(changed(tmp_path / "after.pt"), weights_only=True)
    layers = {name.rpartition(".")[0] for name, _ in small_network().module.named_parameters()}
    changes = {layer: change(before, after, layer) for layer in layers}
    order = sorted(changes, key=lambda layer: -changes[layer])
    bars = page.locator(".bars").last.locator("li").all_inner_texts()
    assert [one.split()[0] for one in bars[:2]] == order[:2]
    figures = [float(one.split()[1]) for one in bars]
    assert figures == pytest.approx([changes[layer] for layer in order], rel=1e-3)
    assert figures[0] > 10 * figures[1] > 0 == figures[2]
    assert not page.problems
