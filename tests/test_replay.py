"""Making a picture again, and saying why it cannot be made. (Same pixels: `test_common.py`.)"""

from __future__ import annotations

import json
import os
import shutil
from functools import cache, partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import skimage
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

import convscope as cs
from convscope import replay
from convscope.files import images, pictures, read_provenance
from convscope.network import zoo
from convscope.runs import catalog

remake = partial(replay.remake, trust=True)


_load = cache(zoo.load)


def load(name: str, **options: Any) -> cs.Network:
    return zoo.load(name, **options) if "labels" in options else _load(name, **options)


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
    run = remake(saved)
    assert run.technique == "predict"
    assert run.provenance == read_provenance(saved)
    assert len(run.result().summary["predictions"]) == 2


@pytest.mark.parametrize("suffix", ["jpg", "gif", "webp"])
def test_other_formats_replay_from_their_sidecar(
    net: cs.Network, photo_file: Path, suffix: str
) -> None:
    run = cs.saliency(net, cs.open_image(photo_file), target=7)
    first = run.result().save(photo_file.with_name(f"out.{suffix}"))
    again = remake(first).result().save(photo_file.with_name(f"again.{suffix}"))
    assert first.read_bytes() == again.read_bytes()


def test_a_sample_is_found_wherever_the_package_is(net: cs.Network, tmp_path: Path) -> None:
    file = cs.predict(net, cs.open_image("sample:chelsea")).save(tmp_path / "a.png")
    assert remake(file).provenance["image"] == read_provenance(file)["image"]


def test_random_weights_come_back_the_same(tmp_path: Path) -> None:
    untrained = zoo.load("efficientnet_lite0", pretrained=False, device="cpu")
    first = cs.filters(untrained, limit=4)
    again = remake(first.save(tmp_path / "a.png"))
    assert (again.result().arrays["weights"] == first.result().arrays["weights"]).all()


def test_a_missing_photograph(saved: Path, photo_file: Path) -> None:
    photo_file.unlink()
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*photo\.png.* give --image"):
        remake(saved)


def test_a_photograph_that_moved(saved: Path, photo_file: Path) -> None:
    moved = photo_file.rename(photo_file.with_name("moved.png"))
    run = remake(saved, image=str(moved))
    source = run.provenance["image"]
    assert isinstance(source, dict)
    assert source["path"] == str(moved)
    assert run.result().picture.tobytes() == Image.open(saved).tobytes()


def test_a_photograph_that_changed(saved: Path, photo_file: Path) -> None:
    Image.new("RGB", (60, 50), (1, 2, 3)).save(photo_file)
    with pytest.raises(cs.ConvscopeError, match="not, or no longer, the photograph"):
        remake(saved)


def test_another_photograph_is_not_taken_for_the_one(saved: Path, photo_file: Path) -> None:
    other = photo_file.with_name("other.png")
    Image.new("RGB", (60, 50)).save(other)
    with pytest.raises(cs.ConvscopeError, match=r"other\.png is not"):
        remake(saved, image=str(other))
    with pytest.raises(cs.ConvscopeError, match=r"no image at .*nowhere\.png$"):
        remake(saved, image=str(photo_file.with_name("nowhere.png")))


def test_a_photograph_that_was_a_tensor(net: cs.Network, seen: Tensor, tmp_path: Path) -> None:
    file = cs.predict(net, seen).save(tmp_path / "a.png")
    with pytest.raises(cs.ConvscopeError, match=r"does not know its photograph; give --image"):
        remake(file)
    assert remake(file, image="sample:chelsea").result().picture.size[0] > 0


def test_a_network_of_ones_own(own: cs.Network, tmp_path: Path) -> None:
    file = cs.filters(own).save(tmp_path / "a.png")
    with pytest.raises(cs.ConvscopeError, match=r"a network of your own \(Own\)"):
        remake(file)


def test_a_checkpoint_is_loaded_again(net: cs.Network, tmp_path: Path) -> None:
    module = zoo.load("efficientnet_lite0", pretrained=False, device="cpu")._prepared.plain
    with torch.no_grad():
        module.get_parameter("conv_stem.weight").fill_(0.25)
    torch.save(module.state_dict(), tmp_path / "mine.pt")
    mine = zoo.load("efficientnet_lite0", checkpoint=tmp_path / "mine.pt", device="cpu")
    file = cs.filters(mine, limit=2).save(tmp_path / "a.png")
    assert (remake(file).result().arrays["weights"] == 0.25).all()
    (tmp_path / "mine.pt").unlink()
    _load.cache_clear()
    with pytest.raises(cs.ConvscopeError, match="no checkpoint at"):
        remake(file)


def test_a_picture_without_recipe(photo_file: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"photo\.png carries no provenance"):
        remake(photo_file)


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
        remake(file)


def test_a_recipe_from_another_machine_can_run_on_this_device(saved: Path) -> None:
    file = rewrite(saved, device="cuda:7")
    assert remake(file, device="cpu").provenance["device"] == "cpu"


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
    run = remake(ascended)
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
    again = remake(first).save(tmp_path / "b.png")
    assert first.read_bytes() == again.read_bytes()


def test_a_recipe_of_what_a_text_cannot_hold(net: cs.Network, seen: Tensor, tmp_path: Path) -> None:
    recipe = cs.Recipe(start=cs.starts.photo(seen), objective=cs.activation("blocks.1"))
    file = cs.ascend(net, recipe).save(tmp_path / "a.png")
    message = (
        r"^start: the recipe was composed in Python with .* 1 x 3 x 224 x 224, .* again in Python$"
    )
    with pytest.raises(cs.ConvscopeError, match=message):
        remake(file)


def test_another_photograph_within_a_recipe(ascended: Path) -> None:
    parameters = read_provenance(ascended)["parameters"]
    parameters["recipe"]["files"]["sample:coffee"] = "0" * 64
    rewrite(ascended, parameters=parameters)
    with pytest.raises(
        cs.ConvscopeError, match=r"^objective: sample:coffee has changed: it is not this"
    ):
        remake(ascended)


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
        remake(ascended)


# ------------------------------------------------------------------------------- without consent


def seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at a file, loads a network or imports a package, fails the test."""

    def opened(*words: object, **_: object) -> None:
        raise AssertionError(f"opened {words}")

    monkeypatch.setattr(replay, "load", opened)
    monkeypatch.setattr(images, "open_image", opened)
    monkeypatch.setattr(images, "digest", opened)
    monkeypatch.setattr("convscope.plugins.load_plugin", opened)
    monkeypatch.setattr(os.path, "isfile", opened)


def stranger(folder: Path, **changes: Any) -> Path:
    """A picture that a stranger sends, with what it asks for."""
    asked = {
        "technique": "saliency",
        "parameters": {"target": 1},
        "checked": None,
        "network": {"name": "efficientnet_lite0", "pretrained": True, "checkpoint": None},
        "device": "cpu",
        "image": {"path": "sample:chelsea", "sha256": images.digest(sample())},
        "takes_image": True,
    }
    return pictures.save_pictures(folder / "a.png", [Image.new("RGB", (4, 4))], asked | changes)


def sample() -> Path:
    return Path(skimage.__file__).parent / "data" / "chelsea.png"


LITE = {"name": "efficientnet_lite0", "pretrained": True}
RECIPE = {"start": "noise()", "objective": "logit(1)"}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"image": {"path": "/etc/passwd", "sha256": ""}}, "the photograph '/etc/passwd'"),
        ({"image": {"path": "//host/share/x.png", "sha256": ""}}, "the photograph '//host/share"),
        ({"network": LITE | {"checkpoint": "/x/w.pt"}}, "the weights '/x/w.pt'"),
        ({"network": {"name": "timm/resnet18"}}, "the network 'timm/resnet18'"),
        ({"network": {"name": "torchvision/resnet18", "pretrained": False}}, "the network 'torchv"),
        ({"network": {"name": "/x/evil.py:make"}}, "the network '/x/evil.py:make'"),
        ({"network": {"name": "os:system"}}, "the network 'os:system'"),
        ({"network": {"name": "/x/evil.pt2"}}, "the network '/x/evil.pt2'"),
        ({"network": {"name": "of_a_package"}}, "the network 'of_a_package'"),
        ({"parameters": {"target": "like:/x/y.png"}}, "the path '/x/y.png'"),
        ({"parameters": {"target": ["1", "like:/x/y.png#00"]}}, "the path '/x/y.png#00'"),
        (
            {"technique": "deepdream", "parameters": {"guide": "/x/guide.png"}},
            "the path '/x/guide.png'",
        ),
        (
            {"technique": "compare", "parameters": {"beside": ["sample:coffee", "/x/b.png"]}},
            "the path '/x/b.png'",
        ),
        ({"technique": "patches", "parameters": {"index": "/x/i"}}, "the path '/x/i'"),
        (
            {"technique": "ascend", "parameters": {"recipe": RECIPE | {"start": "photo('/x/a')"}}},
            "the path '/x/a'",
        ),
        (
            {
                "technique": "ascend",
                "parameters": {"recipe": RECIPE | {"start": "maco(spectrum='/x/s.npz')"}},
            },
            "the path '/x/s.npz'",
        ),
        (
            {
                "technique": "ascend",
                "parameters": {
                    "recipe": RECIPE
                    | {"objective": "match('a', net.preprocess('/x/b')) + logit('like:/x/c')"}
                },
            },
            "the path '/x/b', the path '/x/c'",
        ),
    ],
)
def test_nothing_that_a_stranger_names_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], names: str
) -> None:
    file = stranger(tmp_path, **changes)
    with monkeypatch.context() as patch, pytest.raises(cs.ConvscopeError) as caught:
        seal(patch)
        replay.remake(file)
    message = str(caught.value)
    assert message.startswith("a.png names the ")
    assert names in message
    assert "give --trust (in Python, trust=True)" in message
    assert "\n" not in message


def test_all_that_is_named_is_told_with_its_option(tmp_path: Path) -> None:
    file = stranger(
        tmp_path,
        image={"path": "/x/cat.jpg", "sha256": "0"},
        network={"name": "timm/resnet18", "checkpoint": "/x/w.pt"},
    )
    with pytest.raises(cs.ConvscopeError) as caught:
        replay.remake(file)
    assert str(caught.value) == (
        "a.png names the photograph '/x/cat.jpg', the network 'timm/resnet18', the weights"
        " '/x/w.pt'; if you trust the picture, give --trust (in Python, trust=True), or name them"
        " again with --image and --model and --checkpoint"
    )


def test_a_package_of_a_technique_or_a_word_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("evil", "evil:evil", "convscope.techniques")
    entry = catalog.Entry("evil", "evil", "evil", "", point=point)
    monkeypatch.setattr(catalog, "_added", {"evil": entry})
    monkeypatch.setattr("convscope.vocabulary.words.WORDS.added", lambda: {"evil": point})
    for changes in (
        {"technique": "evil"},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"rule": "evil"}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"priors": ["x", "evil(1)"]}}},
    ):
        with pytest.raises(cs.ConvscopeError, match=r"a\.png names the package \(unknown\);"):
            replay.remake(stranger(tmp_path, **changes))


def test_what_comes_along_needs_no_consent(tmp_path: Path) -> None:
    assert replay.remake(stranger(tmp_path)).technique == "saliency"
    recipe = RECIPE | {"start": "photo(net.preprocess('sample:coffee'))"}
    changes = {"technique": "ascend", "parameters": {"recipe": recipe}, "takes_image": False}
    assert replay.remake(stranger(tmp_path, **changes)).technique == "ascend"


def test_what_is_named_again_is_what_is_opened(tmp_path: Path, photo_file: Path) -> None:
    changes = {"image": {"path": "/x/cat.jpg", "sha256": images.digest(photo_file)}}
    run = replay.remake(stranger(tmp_path, **changes), image=str(photo_file))
    source = run.provenance["image"]
    assert isinstance(source, dict)
    assert source["path"] == str(photo_file)
    with pytest.raises(cs.ConvscopeError, match=r"no checkpoint at .*mine"):
        replay.remake(
            stranger(tmp_path, network=LITE | {"checkpoint": "/x/w.pt"}),
            checkpoint=tmp_path / "mine.pt",
        )


HUGE = 10**30


@pytest.mark.parametrize(
    "parameters",
    [
        {"self": 1}, {"net": "x"}, {"image": "x"}, {"frames": 1}, {"steps": 3}, {"": 1},
        {"target": HUGE}, {"target": -HUGE}, {"target": float("nan")}, {"target": float("inf")},
        {"target": [1] * 1_000_000}, {"target": "x" * 100_000}, {"x" * 100_000: 1},
        {"target": {"a": 1}}, {"target": None, "\x1b[2J": 1}, {"target": "\x1b[2J"},
        {"target": True and [[1]]}, {"samples": 10**9}, {"target": []},
    ],
)  # fmt: skip
@pytest.mark.parametrize("technique", ["saliency", "class_image", "ascend"])
def test_parameters_of_a_stranger_are_one_bounded_line(
    tmp_path: Path, parameters: dict[str, Any], technique: str
) -> None:
    takes = technique == "saliency"
    file = stranger(tmp_path, technique=technique, parameters=parameters, takes_image=takes)
    with pytest.raises(cs.ConvscopeError) as caught:
        replay.remake(file)
    message = str(caught.value)
    assert len(message) <= 1000
    assert message.isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"technique": "class_image", "parameters": {"target": 1, "steps": HUGE}},
        {"technique": "class_image", "parameters": {"target": 1, "steps": 10**9}},
        {"technique": "class_image", "parameters": {"target": 1, "size": 10**9}},
        {"technique": "class_image", "parameters": {"target": [1] * 2000}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"steps": HUGE}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"steps": 10**9}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"start": "noise(count=99999)"}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"start": "(" * 9999}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"start": "-" * 99999 + "1"}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"start": "9" * 5000}}},
        {"technique": "ascend", "parameters": {"recipe": RECIPE | {"priors": ["x()"] * 2000}}},
        {"technique": "x" * 100_000},
        {"technique": "\x1b[2J"},
        {"checked": HUGE},
        {"device": "x" * 100_000},
        {"device": "\x1b]0;title\x07"},
        {"device": "meta"},
        {"network": LITE | {"input_size": [10**9, 10**9]}},
        {"network": LITE | {"input_size": [0, -1]}},
        {"network": LITE | {"mean": [float("nan")] * 3}},
        {"network": LITE | {"std": 0}},
        {"network": LITE | {"crop": -1}},
        {"network": LITE | {"interpolation": "x" * 100_000}},
        {"network": LITE | {"labels": ["a", "b"]}},
        {"network": {"name": "timm/" + "x" * 100_000}},
    ],
)
def test_whatever_a_stranger_asks_for_is_one_bounded_line(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    takes = changes.get("technique", "saliency") not in ("class_image", "ascend")
    file = stranger(tmp_path, **{"takes_image": takes, **changes})
    with pytest.raises(cs.ConvscopeError) as caught:
        replay.remake(file)
    message = str(caught.value)
    assert len(message) <= 1000
    assert message.isprintable()


@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 900 + "]" * 900, "9" * 5000])
def test_provenance_that_no_reader_could_hold(tmp_path: Path, nested: str) -> None:
    file = tmp_path / "a.png"
    for text in (
        f'{{"technique": "saliency", "parameters": {{"target": {nested}}}}}',
        '{"technique": "saliency", "parameters": {"target": "' + "x" * 5_000_000 + '"}}',
    ):
        info = PngImagePlugin.PngInfo()
        info.add_text("convscope", text, zip=True)
        Image.new("RGB", (4, 4)).save(file, pnginfo=info)
        with pytest.raises(cs.ConvscopeError, match=r"a\.png") as caught:
            replay.remake(file)
        assert len(str(caught.value)) < 300


def test_a_recipe_file_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("start = '" + "x" * 2_000_000 + "'")
    with pytest.raises(cs.ConvscopeError, match=r"a\.toml is too large for a recipe"):
        cs.open_recipe(file)
