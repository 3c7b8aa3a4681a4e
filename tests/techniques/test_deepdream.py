from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope.ascent import tiles
from convscope.cli import main
from convscope.techniques import deepdream as module
from tests.helpers import toys
from tests.helpers.networks import own_photograph

RATE = 0.005  # mean change of a pixel in a step of strength 1


@pytest.fixture
def soft() -> Tensor:
    """A photograph far from black and white, so that nothing is clipped."""
    return 0.35 + 0.3 * own_photograph(60, 80)


def image(result: cs.Result) -> Tensor:
    assert result.image is not None
    return torch.from_numpy(result.image).permute(0, 3, 1, 2)


def read(net: cs.Network, photo: Tensor, layer: str) -> Tensor:
    with torch.no_grad():
        return net.activations(photo, {layer})[layer]


class Watched:
    """A network's `activations`, with the sizes of the images that it was shown."""

    def __init__(self, net: cs.Network, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[tuple[int, ...]] = []
        see = net.activations

        def activations(image: Tensor, layers: Any, **options: Any) -> dict[str, Tensor]:
            self.sizes.append(tuple(image.shape[-2:]))
            return see(image, layers, **options)

        monkeypatch.setattr(net, "activations", activations)


def test_a_step_changes_a_pixel_by_the_rate_on_average(own: cs.Network, soft: Tensor) -> None:
    for strength in (0.5, 1, 2):
        once = image(cs.deepdream(own, soft, octaves=1, steps=1, strength=strength).result())
        assert float((once - soft).abs().mean()) == pytest.approx(strength * RATE, rel=1e-3)


def test_the_layer_answers_more(own: cs.Network, soft: Tensor) -> None:
    def energy(photo: Tensor) -> float:
        return float(read(own, photo, "relu.pre").clamp_min(0).square().mean())

    dreamt = image(cs.deepdream(own, soft, layer="relu.pre", octaves=1, steps=10).result())
    assert energy(dreamt) > 1.5 * energy(soft)


def test_octaves_grow_by_the_zoom_up_to_the_photographs_own_size(
    own: cs.Network, soft: Tensor
) -> None:
    frames = list(cs.deepdream(own, soft, octaves=3, zoom=1.25, steps=2))
    sizes = [tuple(image(r).shape[-2:]) for r in frames]
    # 60 x 80, over 1.25 and over 1.5625: 38.4 x 51.2.
    assert sizes == [(38, 51)] * 2 + [(48, 64)] * 2 + [(60, 80)] * 2
    assert [r.step for r in frames] == [1, 2, 3, 4, 5, 6]
    assert [r.summary["octave"] for r in frames] == [1, 1, 2, 2, 3, 3]


def test_detail_is_carried_up(own: cs.Network, soft: Tensor) -> None:
    def resized(values: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(values, size, mode="bicubic", antialias=True)

    small, large = cs.deepdream(own, soft, octaves=2, zoom=1.5, steps=1)
    detail = image(small) - resized(soft, (40, 53))
    carried = soft + resized(detail, (60, 80))
    # A step away, as any step is.
    assert float((image(large) - carried).abs().mean()) == pytest.approx(RATE, rel=1e-3)


def test_colors_stay_colors(own: cs.Network) -> None:
    photo = (own_photograph(60, 80) * 3 - 1).clamp(0, 1)  # much black, much white
    for result in cs.deepdream(own, photo, octaves=1, steps=3, strength=40):
        assert 0 <= image(result).min() <= image(result).max() <= 1


def test_a_channel_and_a_class(own: cs.Network, soft: Tensor) -> None:
    for layer in ("blocks:3", "1"):
        result = cs.deepdream(own, soft, layer=layer, octaves=1, steps=1).result()
        assert float((image(result) - soft).abs().mean()) > RATE / 2


def test_the_size_is_the_longer_side(own: cs.Network, soft: Tensor) -> None:
    for photo, size, expected in (
        (soft, 100, (75, 100)),
        (soft, 64, (48, 64)),
        (soft.transpose(2, 3), 100, (100, 75)),
    ):
        run = cs.deepdream(own, photo, size=size, octaves=1, steps=1)
        assert run.result().picture.size == expected[::-1]
    small = cs.deepdream(own, own_photograph(40, 48), size=120, octaves=4, steps=1)
    assert image(small.result()).shape[-2:] == (100, 120)


def test_a_small_dream_is_enlarged_unless_a_size_is_given(own: cs.Network, soft: Tensor) -> None:
    # 60 x 80 pixels: 3 inches of 150 pixels are 7 times 60, in a margin of 18 pixels.
    assert cs.deepdream(own, soft, octaves=1, steps=1).result().picture.width == 7 * 80 + 36


def test_a_photograph_too_small_for_the_octaves(own: cs.Network) -> None:
    with pytest.raises(cs.ConvscopeError, match="40 x 48 pixels is too small for 4 octaves"):
        cs.deepdream(own, own_photograph(40, 48), octaves=4).result()


def test_an_unknown_layer(own: cs.Network, soft: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"unknown class or layer 'block'.*'blocks'"):
        cs.deepdream(own, soft, layer="block").result()


# ---------------------------------------------------------------------------- several layers


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter, so that the first step sees the photograph itself."""
    monkeypatch.setattr(module, "SHIFT", 0)


@pytest.mark.usefixtures("still")
def test_layers_count_by_their_weights_whatever_their_magnitudes(own: cs.Network) -> None:
    photo = own_photograph(32, 32)  # the network's own size
    one, two = (float(read(own, photo, name).square().mean()) for name in ("relu.pre", "blocks"))
    assert max(one / two, two / one) > 1.5
    for layer, total in (
        ("blocks", 1),
        ("blocks*3", 3),
        (("relu.pre", "blocks"), 2),
        (("relu.pre * 0.5", "blocks*2", "1*-0.25"), 2.25),
    ):
        first = next(iter(cs.deepdream(own, photo, layer=layer, octaves=1, steps=1)))
        assert first.score == pytest.approx(total, rel=1e-5)


@pytest.mark.usefixtures("still")
def test_the_gradient_of_two_layers_is_the_sum_of_their_relative_ones(own: cs.Network) -> None:
    photo = own_photograph(32, 32)
    options: dict[str, Any] = {"octaves": 1, "steps": 1, "rule": "plain"}
    expected = np.zeros((3, 32, 32))
    for name, weight in (("relu.pre", 0.5), ("blocks", 2.0)):
        leaf = photo.clone().requires_grad_()
        energy = F.leaky_relu(own.activations(leaf, {name})[name], 0.1).square().mean()
        (slope,) = torch.autograd.grad(energy, leaf)
        expected += weight * slope[0].numpy() / float(energy.detach())
    found = cs.deepdream(own, photo, layer=("relu.pre*0.5", "blocks*2"), **options).result()
    assert isinstance(found.gradient, np.ndarray)
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-3, atol=1e-5 * expected.max())
    assert found.summary["layer"] == "relu.pre*0.5, blocks*2"


@pytest.mark.usefixtures("still")
def test_each_photograph_is_measured_by_itself(own: cs.Network) -> None:
    photos = torch.cat([own_photograph(32, 32), own_photograph(32, 32) * 0.3])
    scores = cs.deepdream(own, photos, layer="blocks", octaves=1, steps=1).result().score
    assert isinstance(scores, np.ndarray)
    np.testing.assert_allclose(scores, [1, 1], rtol=1e-5)


@pytest.mark.parametrize("word", ["blocks*half", "blocks*", "blocks*0", "blocks*nan", "blocks*inf"])
def test_a_weight_that_is_none(own: cs.Network, soft: Tensor, word: str) -> None:
    with pytest.raises(
        cs.ConvscopeError, match=r"must be a number other than 0, as in blocks\*0.5"
    ):
        cs.deepdream(own, soft, layer=word).result()


@pytest.mark.parametrize("word", ["block*2", "*2", ""])
def test_a_weight_of_no_layer(own: cs.Network, soft: Tensor, word: str) -> None:
    with pytest.raises(
        cs.ConvscopeError,
        match=r"unknown class or layer|layer: string should have at least 1 character",
    ):
        cs.deepdream(own, soft, layer=("relu", word)).result()


def test_a_layer_that_never_fires(soft: Tensor) -> None:
    silent = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.ReLU())
    nn.init.constant_(silent[2].weight, -1.0)  # type: ignore[arg-type]
    nn.init.constant_(silent[2].bias, -1.0)  # type: ignore[arg-type]
    net = toys.plain_network(silent, 16)
    with pytest.raises(cs.ConvscopeError, match=r"gradient is zero everywhere.*never fires"):
        cs.deepdream(net, soft, layer="3:1", octaves=1).result()


def test_silent_units_pass_a_tenth_of_the_gradient_unless_plain(soft: Tensor) -> None:
    """Units that are all silent give no gradient but the tenth."""
    one, body = nn.Conv2d(3, 4, 3), nn.Sequential()
    body.add_module("one", one)
    body.add_module("act", nn.ReLU())
    body.add_module("two", nn.Conv2d(4, 4, 3))
    net = toys.plain_network(toys.randomized(body), 16)
    nn.init.constant_(one.bias, -100.0)  # type: ignore[arg-type]
    silent = toys.plain_network(body, 16)
    options: dict[str, Any] = {"layer": "two", "octaves": 1, "steps": 1}
    redirected, plain = (
        image(cs.deepdream(net, soft, **options | rule).result())
        for rule in ({}, {"rule": "plain"})
    )
    assert not torch.equal(redirected, plain)
    cs.deepdream(silent, soft, **options).result()
    with pytest.raises(cs.ConvscopeError, match=r"gradient is zero everywhere.*'redirected'"):
        cs.deepdream(silent, soft, rule="plain", **options).result()


# ------------------------------------------------------------------------------------- guide


def stripes(height: int, width: int) -> Tensor:
    return (torch.arange(width) // 2 % 2).float().expand(1, 3, height, width).contiguous()


def test_a_guided_dream_comes_to_resemble_the_guide(own: cs.Network, soft: Tensor) -> None:
    guide = stripes(32, 32)

    def alike(photo: Tensor) -> float:
        there, here = (read(own, one, "blocks")[0].flatten(1).numpy() for one in (guide, photo))
        there, here = (one / np.linalg.norm(one, axis=0) for one in (there, here))
        return float((here.T @ there).max(1).mean())

    options: dict[str, Any] = {"layer": "blocks", "octaves": 1, "steps": 12}
    guided = image(cs.deepdream(own, soft, guide=guide, **options).result())
    unguided = image(cs.deepdream(own, soft, **options).result())
    assert alike(guided) > alike(soft) + 0.02
    assert alike(guided) > alike(unguided) + 0.02


@pytest.mark.usefixtures("still")
def test_guided_layers_count_by_their_weights(own: cs.Network) -> None:
    run = cs.deepdream(
        own,
        own_photograph(32, 32),
        layer=("relu.pre*0.5", "blocks*2"),
        guide=stripes(50, 40),
        octaves=1,
        steps=1,
    )
    assert run.result().score == pytest.approx(2.5, rel=1e-5)


def test_a_guide_is_a_file_or_an_image_and_is_in_the_recipe(
    own: cs.Network, soft: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ramp = np.linspace(0, 255, 40 * 30 * 3).astype(np.uint8).reshape(40, 30, 3)
    Image.fromarray(ramp).save("guide.png")
    opened = cs.open_image("guide.png")
    ways = (str(tmp_path / "guide.png"), "guide.png", opened, opened.clone())
    runs = [cs.deepdream(own, soft, guide=way, octaves=1, steps=1) for way in ways]
    first, *others = (image(run.result()) for run in runs)
    assert all(torch.equal(first, other) for other in others)
    for run in runs[:3]:
        assert run.provenance["parameters"]["guide"] == str(tmp_path / "guide.png")  # type: ignore[index]
    unguided = cs.deepdream(own, soft, octaves=1, steps=1).result()
    assert not torch.equal(first, image(unguided))
    sample = cs.deepdream(own, soft, guide="sample:coffee")
    assert sample.provenance["parameters"]["guide"] == "sample:coffee"  # type: ignore[index]


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        ("nowhere.jpg", "no image at .*nowhere.jpg"),
        ("sample:chelsae", "unknown sample 'chelsae'; did you mean 'chelsea'"),
        (stripes(8, 8).expand(2, -1, -1, -1), "the guide must be one photograph, not 2"),
        (stripes(8, 8) * 255, "run from 0 to 1, not"),
        (stripes(8, 8)[0], "images must be float tensors"),
        (7, "guide: input should be a valid string"),
    ],
    ids=["missing", "sample", "two", "bytes", "no batch", "number"],
)
def test_a_guide_that_is_none(own: cs.Network, soft: Tensor, guide: Any, message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.deepdream(own, soft, guide=guide).result()


def test_a_guide_works_on_whole_layers(own: cs.Network, soft: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="blocks:3 is not a whole layer"):
        cs.deepdream(own, soft, layer="blocks:3", guide=stripes(32, 32)).result()


# ------------------------------------------------------------------------------------- tiles


def test_no_tile_is_larger_than_asked_for(
    own: cs.Network, soft: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(own, monkeypatch)
    dreamt = image(cs.deepdream(own, soft, octaves=1, steps=2, tile=35).result())
    fitted, *tiles = watched.sizes
    assert fitted == (32, 32)
    assert set(tiles) == {(30, 26), (30, 27)}  # 60 x 80 in two rows and three columns
    assert len(tiles) == 2 * 6
    assert float((dreamt - soft).abs().mean()) > RATE


def test_a_tile_as_large_as_the_photograph_is_the_photograph(own: cs.Network, soft: Tensor) -> None:
    options: dict[str, Any] = {"octaves": 2, "steps": 2}
    one, other = (
        image(cs.deepdream(own, soft, tile=tile, **options).result()) for tile in (None, 80)
    )
    assert torch.equal(one, other)


@pytest.mark.usefixtures("still")
def test_seams_lie_elsewhere_in_each_step(soft: Tensor) -> None:
    blind = nn.Sequential()  # what lies at a tile's edge it hardly sees
    for name in ("first", "second", "third"):
        blind.add_module(name, nn.Conv2d(3, 3, 5))
    net = toys.plain_network(toys.randomized(blind), 16)
    seams = []
    for result in cs.deepdream(net, soft, layer="third", octaves=1, steps=12, tile=40):
        assert result.gradient is not None
        seams.append(int(np.abs(result.gradient).mean((0, 1)).argmin()))
    assert len(set(seams)) > 6
    assert max(seams) - min(seams) > 20


def test_the_default_tile_by_hand() -> None:
    # Eight numbers of four bytes a pixel: 2^29 bytes hold 2^24 pixels.
    net = toys.plain_network(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3)), 16
    )
    assert tiles.tile_side(net, frozenset({"1"}), 1) == 4096
    assert tiles.tile_side(net, frozenset({"0.pre", "1"}), 4) == 2048
    assert tiles.tile_side(net, frozenset({"0"}), 1) == int((2**29 / 16) ** 0.5)
    # And (14 / 16)^2 * 8 more for the last, which is the output as well.
    assert tiles.tile_side(net, frozenset({""}), 1) == int((2**29 / 56.5 * 1.0) ** 0.5)


def test_a_tile_is_not_less_than_the_layer_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_MEMORY", 1)
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    net = toys.plain_network(pooled, 16)
    assert tiles.tile_side(net, frozenset({"1"}), 1) == 3
    assert tiles.tile_side(net, frozenset({"2"}), 1) == 16  # it sees everything


# -------------------------------------------------------------------------------------- zoom


def test_a_zoom_enlarges_each_picture_by_a_twentieth(own: cs.Network) -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64).contiguous()
    run = list(cs.deepdream(own, ramp, octaves=2, steps=2, strength=2e-4, frames=4))
    assert [(r.step, r.steps) for r in run] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for number, result in enumerate(run):
        # Enlarged about the middle, a ramp is a ramp of less slope. Cubic interpolation errs a
        # little; a picture more or less would be 0.01.
        expected = 0.5 + (ramp - 0.5) / 1.05**number
        shown = image(result)
        assert shown.shape == ramp.shape
        assert float((shown - expected)[..., 8:-8].abs().max()) < 2.5e-3


def test_a_zoom_dreams_on_as_fast_as_the_octaves(
    own: cs.Network, soft: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(own, monkeypatch)
    few = 16 * 0.04879 / 0.22314  # log 1.05 over log 1.25: 3.5 of 16 steps
    *_, before, last = cs.deepdream(own, soft, octaves=2, zoom=1.25, steps=16, frames=3)
    assert watched.sizes[1:] == [(48, 64)] * 16 + [(60, 80)] * (16 + 2 * int(few))
    assert not torch.equal(image(before), image(last))


def test_neighboring_pictures_of_a_zoom_are_alike(own: cs.Network, soft: Tensor) -> None:
    run = [image(r) for r in cs.deepdream(own, soft, octaves=1, frames=6)]
    for before, after in itertools.pairwise(run):
        theta = torch.tensor([[[1 / 1.05, 0, 0], [0, 1 / 1.05, 0]]])
        grid = F.affine_grid(theta, [1, 1, 60, 80], align_corners=False)
        moved = F.grid_sample(before, grid, padding_mode="border", align_corners=False)
        assert float((after - moved).abs().mean()) < 6 * RATE
        assert not torch.equal(after, moved)


def test_a_zoom_is_a_film(own: cs.Network, tmp_path: Path) -> None:
    import av

    run = cs.deepdream(own, own_photograph(45, 61), octaves=1, steps=2, frames=3)
    file = run.save(tmp_path / "a.mp4")
    with av.open(str(file)) as opened:
        pictures = [frame.to_image() for frame in opened.decode(video=0)]
    assert len(pictures) == 3 + 25
    shown = np.asarray(pictures[0], float)
    first = np.asarray(next(iter(run)).picture.resize(pictures[0].size), float)
    assert np.corrcoef(shown.ravel(), first.ravel())[0, 1] > 0.9
    recipe = json.loads((tmp_path / "a.mp4.json").read_text())
    assert recipe["parameters"]["frames"] == 3


# ------------------------------------------------------------------------------ command line


def test_options_on_the_command_line(
    net: cs.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: net)
    monkeypatch.chdir(tmp_path)
    own_photo = own_photograph(40, 48).mul(255).byte()[0].permute(1, 2, 0).numpy()
    Image.fromarray(own_photo).save("photo.png")
    words = "photo.png --layer bn1 --layer blocks.0*0.5 --guide sample:coffee"
    with pytest.raises(SystemExit) as done:
        main.main(["deepdream", *words.split(), "--octaves", "1", "--steps", "1", "-o", "a.png"])
    assert done.value.code == 0
    expected = cs.deepdream(
        net,
        cs.open_image("photo.png"),
        layer=("bn1", "blocks.0*0.5"),
        guide="sample:coffee",
        octaves=1,
        steps=1,
    )
    with Image.open("a.png") as picture:
        assert picture.tobytes() == expected.result().picture.tobytes()


def test_layers_may_be_called_by_numbers_as_classes_are() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1800, 4)
    )
    net = toys.network(module, 32)
    photo = torch.rand(1, 3, 32, 32)
    frame = next(iter(cs.deepdream(net, photo, layer="1", steps=1, octaves=1)))
    assert frame.frame.activations.keys() == {"1"}
