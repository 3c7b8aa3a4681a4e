"""Making a picture again, and saying why it cannot be made. (Same pixels: `test_common.py`.)"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope import replay
from convscope.files import pictures, read_provenance
from convscope.network import zoo


@cache
def load(name: str, **options: Any) -> cs.Network:
    return zoo.load(name, **options)


@pytest.fixture(autouse=True)
def load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "load", load)


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    Image.effect_mandelbrot((60, 50), (-2, -1, 1, 1), 30).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def saved(net: cs.Network, photo_file: Path) -> Path:
    """A prediction, saved as PNG beside its photograph."""
    run = cs.predict(net, cs.open_image(photo_file), top=2)
    return run.save(photo_file.with_name("out.png"))


def rewrite(file: Path, **changes: Any) -> Path:
    """The same picture with another recipe; a change to None takes the entry away."""
    recipe = read_provenance(file) | changes
    recipe = {name: value for name, value in recipe.items() if name not in changes or value}
    with Image.open(file) as picture:
        return pictures.save_pictures(file, [picture.copy()], recipe)


def test_it_comes_back_as_it_was_asked_for(saved: Path) -> None:
    run = replay.remake(saved)
    assert run.technique == "predict"
    assert run.provenance == read_provenance(saved)
    assert len(run.result().summary["predictions"]) == 2


@pytest.mark.parametrize("suffix", ["jpg", "gif", "webp"])
def test_other_formats_replay_from_their_sidecar(
    net: cs.Network, photo_file: Path, suffix: str
) -> None:
    run = cs.saliency(net, cs.open_image(photo_file), target=7)
    first = run.result().save(photo_file.with_name(f"out.{suffix}"))
    again = replay.remake(first).result().save(photo_file.with_name(f"again.{suffix}"))
    assert first.read_bytes() == again.read_bytes()


def test_a_sample_is_found_wherever_the_package_is(net: cs.Network, tmp_path: Path) -> None:
    file = cs.predict(net, cs.open_image("sample:chelsea")).save(tmp_path / "a.png")
    assert replay.remake(file).provenance["image"] == read_provenance(file)["image"]


def test_random_weights_come_back_the_same(tmp_path: Path) -> None:
    untrained = zoo.load("efficientnet_lite0", pretrained=False, device="cpu")
    first = cs.filters(untrained, limit=4)
    again = replay.remake(first.save(tmp_path / "a.png"))
    assert (again.result().arrays["weights"] == first.result().arrays["weights"]).all()


def test_a_missing_photograph(saved: Path, photo_file: Path) -> None:
    photo_file.unlink()
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*photo\.png.* give --image"):
        replay.remake(saved)


def test_a_photograph_that_moved(saved: Path, photo_file: Path) -> None:
    moved = photo_file.rename(photo_file.with_name("moved.png"))
    run = replay.remake(saved, image=str(moved))
    source = run.provenance["image"]
    assert isinstance(source, dict)
    assert source["path"] == str(moved)
    assert run.result().picture.tobytes() == Image.open(saved).tobytes()


def test_a_photograph_that_changed(saved: Path, photo_file: Path) -> None:
    Image.new("RGB", (60, 50), (1, 2, 3)).save(photo_file)
    with pytest.raises(cs.ConvscopeError, match="not, or no longer, the photograph"):
        replay.remake(saved)


def test_another_photograph_is_not_taken_for_the_one(saved: Path, photo_file: Path) -> None:
    other = photo_file.with_name("other.png")
    Image.new("RGB", (60, 50)).save(other)
    with pytest.raises(cs.ConvscopeError, match=r"other\.png is not"):
        replay.remake(saved, image=str(other))
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*nowhere\.png$"):
        replay.remake(saved, image=str(photo_file.with_name("nowhere.png")))


def test_a_photograph_that_was_a_tensor(net: cs.Network, seen: Tensor, tmp_path: Path) -> None:
    file = cs.predict(net, seen).save(tmp_path / "a.png")
    with pytest.raises(cs.ConvscopeError, match=r"does not know its photograph; give --image"):
        replay.remake(file)
    assert replay.remake(file, image="sample:chelsea").result().picture.size[0] > 0


def test_a_network_of_ones_own(own: cs.Network, tmp_path: Path) -> None:
    file = cs.filters(own).save(tmp_path / "a.png")
    with pytest.raises(cs.ConvscopeError, match=r"a network of your own \(Own\)"):
        replay.remake(file)


def test_a_checkpoint_is_loaded_again(net: cs.Network, tmp_path: Path) -> None:
    module = zoo.load("efficientnet_lite0", pretrained=False, device="cpu")._prepared.plain
    with torch.no_grad():
        module.get_parameter("conv_stem.weight").fill_(0.25)
    torch.save(module.state_dict(), tmp_path / "mine.pt")
    mine = zoo.load("efficientnet_lite0", checkpoint=tmp_path / "mine.pt", device="cpu")
    file = cs.filters(mine, limit=2).save(tmp_path / "a.png")
    assert (replay.remake(file).result().arrays["weights"] == 0.25).all()
    (tmp_path / "mine.pt").unlink()
    load.cache_clear()
    with pytest.raises(cs.ConvscopeError, match="no checkpoint at"):
        replay.remake(file)


def test_a_picture_without_recipe(photo_file: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"photo\.png carries no provenance"):
        replay.remake(photo_file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": None}, "damaged, at 'network'"),
        ({"network": ["a list"]}, "damaged, at 'network'"),
        ({"network": {"name": 3}}, r"damaged, at 'network\.name'"),
        ({"parameters": "top"}, "damaged, at 'parameters'"),
        ({"image": {"path": "photo.png"}}, r"damaged, at 'image\.sha256'"),
        ({"device": None}, "damaged, at 'device'"),
        ({"technique": "salency"}, "unknown technique 'salency'; did you mean 'saliency'"),
        ({"parameters": {"tops": 3}}, "unknown option of predict 'tops'; did you mean 'top'"),
        ({"parameters": {"top": 0}}, "predict: top: "),
        ({"network": {"name": "efficientnet_lite9"}}, "unknown network 'efficientnet_lite9'"),
        ({"device": "cudaa"}, "device 'cudaa' cannot be used"),
    ],
)
def test_a_recipe_that_was_tampered_with(
    saved: Path, changes: dict[str, Any], message: str
) -> None:
    file = rewrite(saved, **changes)
    with pytest.raises(cs.ConvscopeError, match=message):
        replay.remake(file)


def test_a_recipe_from_another_machine_can_run_on_this_device(saved: Path) -> None:
    file = rewrite(saved, device="cuda:7")
    assert replay.remake(file, device="cpu").provenance["device"] == "cpu"


def test_the_recipe_is_plain_json_in_the_picture(saved: Path) -> None:
    with Image.open(saved) as picture:
        recipe = json.loads(picture.info["convscope"])
    assert recipe == read_provenance(saved)
    copied = shutil.copy(saved, saved.with_name("renamed.jpg"))  # a PNG, whatever its name
    assert read_provenance(copied) == recipe


# --------------------------------------------------------------------------- recipes of one's own

ASCENT = {
    "start": "fourier(image=net.preprocess(image))",
    "objective": (
        "activation('blocks.1:3') - 3 * match('blocks.1', net.preprocess('sample:coffee'))"
    ),
    "rule": "redirected",
    "priors": ["jitter(9)"],
    "optimizer": "adam(0.1)",
    "steps": 2,
}


@pytest.fixture
def ascended(net: cs.Network, photo_file: Path) -> Path:
    """A recipe's picture, saved beside its photograph."""
    run = cs.ascend(net, ASCENT, cs.open_image(photo_file), seed=4)
    return run.save(photo_file.with_name("out.png"))


def test_a_recipe_of_ones_own_comes_back(ascended: Path) -> None:
    run = replay.remake(ascended)
    assert run.provenance == read_provenance(ascended)
    again = run.save(ascended.with_name("again.png"))
    assert again.read_bytes() == ascended.read_bytes()


def test_a_recipe_composed_in_python_comes_back(
    net: cs.Network, photo_file: Path, tmp_path: Path
) -> None:
    photograph = cs.open_image(photo_file)
    recipe = cs.Recipe(
        start=cs.starts.photo(net.preprocess(photograph)),
        objective=cs.activation("blocks.1") - 0.5 * cs.tv(),
        rule=cs.rules.redirected(0.3),
        priors=(cs.priors.project_to_ball(net.preprocess(photograph), 0.5), cs.priors.clamp()),
        optimizer=cs.optimizers.sign(8 / 255),
        steps=2,
    )
    first = cs.ascend(net, recipe, photograph).save(tmp_path / "a.png")
    again = replay.remake(first).save(tmp_path / "b.png")
    assert first.read_bytes() == again.read_bytes()


def test_a_recipe_of_what_a_text_cannot_hold(net: cs.Network, seen: Tensor, tmp_path: Path) -> None:
    recipe = cs.Recipe(start=cs.starts.photo(seen), objective=cs.activation("blocks.1"))
    file = cs.ascend(net, recipe).save(tmp_path / "a.png")
    message = (
        r"^start: the recipe was composed in Python with .* 1 x 3 x 224 x 224, .* again in Python$"
    )
    with pytest.raises(cs.ConvscopeError, match=message):
        replay.remake(file)


def test_another_photograph_within_a_recipe(ascended: Path) -> None:
    parameters = read_provenance(ascended)["parameters"]
    parameters["recipe"]["files"]["sample:coffee"] = "0" * 64
    rewrite(ascended, parameters=parameters)
    with pytest.raises(
        cs.ConvscopeError, match=r"^objective: sample:coffee has changed: it is not this"
    ):
        replay.remake(ascended)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "^ascend: recipe: field required$"),
        ({"recipe": "start"}, "^ascend: recipe: .* dictionary, not 'start'$"),
        ({"recipe": ASCENT, "seeds": 3}, "unknown option of ascend 'seeds'; did you mean 'seed'"),
        ({"recipe": {"start": "noise()"}}, "^recipe: objective is missing$"),
        ({"recipe": ASCENT | {"steps": 0}}, "^recipe: steps: .* not 0$"),
    ],
)
def test_a_recipe_of_ones_own_that_was_tampered_with(
    ascended: Path, parameters: dict[str, Any], message: str
) -> None:
    with Image.open(ascended) as picture:
        recipe = read_provenance(ascended) | {"parameters": parameters}
        pictures.save_pictures(ascended, [picture.copy()], recipe)
    with pytest.raises(cs.ConvscopeError, match=message):
        replay.remake(ascended)
