"""Images of units: what is said of them, against plain PyTorch, and how the index keeps them."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.microscope import Microscope, drawing, images
from tests.helpers.collections import Make, paint
from tests.helpers.networks import Own

LAYER = "blocks.2"


@pytest.fixture
def index(make: Make, tmp_path: Path) -> cs.Index:
    for seed in range(4):
        paint(tmp_path / "few" / f"{seed}.png", seed)
    return make(folder=tmp_path / "few", layers=(LAYER, "doubled"))


@pytest.fixture
def scope(own: cs.Network, index: cs.Index, monkeypatch: pytest.MonkeyPatch) -> Microscope:
    monkeypatch.setattr(drawing, "STEPS", 4)
    return Microscope(own, index)


def test_what_is_said_of_an_image(
    scope: Microscope, index: cs.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The highest value of its map, as a multiple of the index's, and its embedding."""
    climbed = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(drawing, "_climb", lambda *_: climbed)
    held: dict[str, torch.Tensor] = {}
    module = Own().eval()
    module.blocks.register_forward_hook(lambda *given: held.update(maps=given[2].clone()))
    module.head.register_forward_pre_hook(lambda _, given: held.update(embedding=given[0].clone()))
    with torch.no_grad():
        module((climbed - 0.5) / 0.25)
    for channel in (3, 11):
        found = scope.image(LAYER, channel)
        peak = float(held["maps"][channel, channel].max())
        assert found.activation == pytest.approx(peak, rel=1e-4)
        high = float(index.channels[LAYER].high[channel])
        assert found.multiple == (pytest.approx(peak / high, rel=1e-4) if high > 0 else None)
        width = len(found.embedding)
        assert width == index.embeddings.shape[1]
        if width == held["embedding"].shape[1]:
            np.testing.assert_allclose(found.embedding, held["embedding"][channel], rtol=2e-3)
        with Image.open(io.BytesIO(found.file)) as opened:
            shown = np.asarray(opened.convert("RGB"), float) / 255
        assert np.abs(shown - climbed[channel].permute(1, 2, 0).numpy()).mean() < 0.2


def test_an_image_excites_its_unit(own: cs.Network) -> None:
    """The mean of its map is higher than for noise, unless it wants noise: images are smooth."""
    goals = [drawing._goal(own, LAYER, channel) for channel in range(12)]
    images = drawing._climb(own, goals, partial(drawing._recipe, own, LAYER), 0)
    noise = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before, after = (own.activations(x, [LAYER])[LAYER].mean((2, 3)) for x in (noise, images))
    assert (after.diagonal() > before.mean(0)).sum() >= 10


def test_an_image_does_not_depend_on_the_others(
    scope: Microscope, own: cs.Network, index: cs.Index, make: Make
) -> None:
    """Asked for alone, with others, again after one is gone, and by another index."""
    one = scope.image(LAYER, 5)
    assert scope.drawn(LAYER).all()
    assert not scope.drawn("doubled").any()
    for file in (index.path / "microscope" / "images").rglob("*%3A5%3A0.json"):
        file.write_text("damaged")
    again = Microscope(own, index)
    five, three = again.images([(LAYER, 5), (LAYER, 3)])
    assert (five.channel, three.channel) == (5, 3)
    assert five.file == one.file
    assert five.activation == one.activation
    other = Microscope(own, make("other", folder=index.folder, layers=(LAYER,)))
    assert other.image(LAYER, 5).file == one.file
    torch.set_num_threads(2)
    try:
        fresh = Microscope(own, make("third", folder=index.folder, layers=(LAYER,)))
        assert fresh.image(LAYER, 5).file == one.file
    finally:
        torch.set_num_threads(1)


def test_kept_images_are_not_drawn_again(
    scope: Microscope, own: cs.Network, index: cs.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scope.images([(LAYER, channel) for channel in range(12)])
    monkeypatch.setattr(images, "draw", lambda *_: pytest.fail("it drew"))
    again = Microscope(own, index).images([(LAYER, channel) for channel in range(12)])
    assert [one.file for one in again] == [one.file for one in first]
    assert [one.multiple for one in again] == [one.multiple for one in first]


def test_an_index_that_cannot_be_written(
    scope: Microscope, index: cs.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise cs.ConvscopeError("cannot be written")

    monkeypatch.setattr("convscope.microscope.kept.write_sealed", refused)
    assert scope.image(LAYER, 0).file
    assert not scope.drawn(LAYER).any()


def test_further_images_are_unlike(scope: Microscope) -> None:
    found = [scope.image(LAYER, 2, number) for number in range(4)]
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert len({one.file for one in found}) == 4
    assert scope.drawn(LAYER, 3).tolist() == [channel == 2 for channel in range(12)]
    with pytest.raises(cs.ConvscopeError, match="a unit has images 0 to 3, and no 4"):
        scope.image(LAYER, 2, 4)
    with pytest.raises(cs.ConvscopeError, match="has channels 0 to 11, and no 12"):
        scope.image(LAYER, 12)


@pytest.mark.parametrize(("channel", "count", "batch"), [(0, 40, 16), (17, 40, 16), (39, 40, 8)])
def test_batches(channel: int, count: int, batch: int) -> None:
    found = drawing.batch_of(channel, count)
    assert channel in found
    assert len(found) == batch
    assert found.start % 16 == 0


def test_units_whose_images_look_alike(scope: Microscope, own: cs.Network) -> None:
    """Those of both layers, of all that have an image, against all cosines in float64."""
    scope.images([(LAYER, channel) for channel in range(12)])
    first = scope.image(LAYER, 4)
    assert {one.layer for one in scope.like(LAYER, 4, 50)} == {LAYER}
    others = scope.images([("doubled", channel) for channel in range(12)])
    cosines = {}
    for one in (*scope.images([(LAYER, channel) for channel in range(12)]), *others):
        pair = [each.embedding.astype(np.float64) for each in (first, one)]
        lengths = np.linalg.norm(pair[0]) * np.linalg.norm(pair[1])
        cosines[one.layer, one.channel] = float(pair[0] @ pair[1] / lengths) if lengths else 0.0
    del cosines[LAYER, 4]
    found = scope.like(LAYER, 4, 7)
    best = sorted(cosines.values(), reverse=True)[:7]
    assert [one.value for one in found] == pytest.approx(best)
    assert [cosines[one.layer, one.channel] for one in found] == pytest.approx(best)
    assert Microscope(own, scope.index).like(LAYER, 4, 7) == found


def test_a_photograph_finds_the_units_that_look_like_it(
    scope: Microscope, own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cosines in float64 with what a plain module makes of the photograph."""
    photo = scope.index.photo(1)
    found = scope.resembling(photo)
    assert [*found] == [one.name for one in scope.layers]
    assert all(np.isnan(values).all() for values in found.values())
    images = scope.images([(LAYER, channel) for channel in range(12)])
    inputs = (own.preprocess(photo) - 0.5) / 0.25
    held: list[torch.Tensor] = []
    module = Own().eval()
    module.load_state_dict(own.module.state_dict())
    layer = module.get_submodule(scope.index.settings.embedding)
    layer.register_forward_hook(lambda _, __, output: held.append(output))
    with torch.no_grad():
        module(inputs)
    embedding = held[0].double().flatten(2).mean(2)[0].numpy()
    others = np.stack([one.embedding.astype(np.float64) for one in images])
    cosines = others @ embedding / np.linalg.norm(others, axis=1) / np.linalg.norm(embedding)
    found = scope.resembling(photo)
    np.testing.assert_allclose(found[LAYER], cosines, atol=2e-3)  # half precision
    assert np.isnan(found["doubled"]).all()
    given = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(drawing, "_climb", lambda *_: given.expand(12, -1, -1, -1))
    scope.images([("doubled", 0)])
    assert scope.resembling(given)["doubled"][0] == pytest.approx(1, abs=1e-3)
