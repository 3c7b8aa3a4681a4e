"""Recipes of the user's own: what a run of one gives, and what its pictures say of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import convscope as cs
from convscope.files import read_provenance
from convscope.types.panels import Grid, Picture, SignedPicture
from convscope.vocabulary.objectives import logit, tv
from convscope.vocabulary.optimizers import adam, sign
from convscope.vocabulary.priors import random_affine
from convscope.vocabulary.starts import fourier, photo
from tests.helpers import toys
from tests.helpers.networks import own_network

GRAY = {"start": "noise(0, size=32)", "objective": "logit(1)", "optimizer": "sgd(0.1)", "steps": 3}
CHANCE = GRAY | {
    "start": "fourier(sigma=1, size=32)",
    "rule": "redirected",
    "priors": ["jitter(4)"],
}
RECIPES = Path(__file__).parents[2] / "docs" / "recipes"


def frames(run: cs.Run) -> list[bytes]:
    return [result.picture.tobytes() for result in run]


# ----------------------------------------------------------------------------------- what it does


def test_it_goes_straight_up_a_linear_score() -> None:
    net, weight = toys.linear()
    image = toys.images(1, 5).double()
    texts = {"start": "photo(image)", "objective": "2 * logit(1)", "optimizer": "sgd(0.1)"}
    results = list(cs.ascend(net, texts | {"steps": 4}, image))
    first = 2 * float(net.logits(image)[0, 1])
    # A step of 0.1 along 2 w makes the score grow by 0.1 |2 w|^2.
    scores = [first + 0.1 * k * float((2 * weight).square().sum()) for k in range(4)]
    for k, result in enumerate(results, start=1):
        assert (result.step, result.steps) == (k, 4)
        moved = image + 0.2 * k * weight
        assert result.image is not None
        np.testing.assert_allclose(result.image, moved.permute(0, 2, 3, 1), rtol=1e-12)
        assert result.score == pytest.approx(scores[k - 1], rel=1e-12)
        np.testing.assert_allclose(result.arrays["scores"][:, 0], scores[:k], rtol=1e-12)
        assert result.summary == {"score": result.score, "steps": k}
        json.dumps(dict(result.summary))


@pytest.mark.parametrize(
    "net",
    [own_network(), own_network(channels=1), own_network(dtype=torch.float64)],
    ids=["color", "gray", "double"],
)
def test_any_network(net: cs.Network, own_photo: Tensor) -> None:
    texts = CHANCE | {"start": "fourier(image=net.preprocess(image))"}
    result = cs.ascend(net, texts, own_photo).result()
    assert result.image is not None
    assert result.image.shape == (1, 32, 32, len(net.mean))
    assert result.picture.size == (32, 32)
    assert cs.ascend(net, GRAY).result().picture.mode == "RGB"
    looked = cs.ascend(net, {"start": "photo(image)", "objective": "logit(1)"}, own_photo)
    assert min(looked.result().picture.size) > 50


def test_the_same_seed_the_same_picture(own: cs.Network) -> None:
    run = cs.ascend(own, CHANCE)
    assert frames(run) == frames(run) == frames(cs.ascend(own, CHANCE, seed=0))
    assert frames(run)[-1] != frames(cs.ascend(own, CHANCE, seed=1))[-1]
    assert run.provenance["parameters"]["seed"] == 0  # type: ignore[index]


def test_a_file_a_mapping_and_a_value_are_one_recipe(own: cs.Network, tmp_path: Path) -> None:
    texts = {
        "start": "fourier(size=32)",
        "objective": "logit(1) - 3 * tv()",
        "rule": "redirected",
        "priors": ["random_affine()"],
        "optimizer": "adam(0.05)",
        "steps": 2,
    }
    value = cs.Recipe(
        start=fourier(size=32),
        objective=logit(1) - 3 * tv(),
        rule="redirected",
        priors=(random_affine(),),
        optimizer=adam(0.05),
        steps=2,
    )
    (tmp_path / "a.json").write_text(json.dumps(texts))
    lines = [f"{name} = {json.dumps(text)}" for name, text in texts.items()]
    (tmp_path / "a.toml").write_text("\n".join(lines))
    runs = [cs.ascend(own, one) for one in (value, texts, tmp_path / "a.json")]
    runs.append(cs.ascend(own, str(tmp_path / "a.toml")))
    assert all(run.provenance == runs[0].provenance for run in runs)
    assert all(frames(run) == frames(runs[0]) for run in runs)
    image = runs[0].result().image
    assert image is not None
    assert np.array_equal(image, list(cs.climb(own, value))[-1].image.permute(0, 2, 3, 1))


# ------------------------------------------------------------------------------- what it shows


def test_one_image_is_the_picture_itself(own: cs.Network) -> None:
    result = cs.ascend(own, CHANCE).result()
    (panel,) = result.frame.panels
    assert isinstance(panel, Picture)
    assert result.image is not None
    drawn = np.asarray(result.picture) / 255
    np.testing.assert_allclose(drawn, result.image[0], atol=0.5 / 255 + 1e-6)


def test_several_images_are_a_grid_with_their_scores(own: cs.Network) -> None:
    texts = CHANCE | {
        "start": "fourier(count=2, size=32)",
        "objective": "each((logit(0), -logit(1)))",
    }
    result = cs.ascend(own, texts).result()
    (panel,) = result.frame.panels
    assert isinstance(panel, Grid)
    assert result.image is not None
    assert np.array_equal(panel.tiles.permute(0, 2, 3, 1), result.image)
    assert (panel.low, panel.high) == (0, 1), "as they are, not stretched"
    assert isinstance(result.score, np.ndarray)
    assert panel.captions == tuple(f"{score:.4g}" for score in result.score)
    assert result.summary["score"] == result.score.tolist()
    assert result.score[0] != result.score[1]
    assert result.arrays["scores"].shape == (3, 2)


def test_a_gradient_that_is_not_followed_is_shown(own: cs.Network, own_photo: Tensor) -> None:
    both = torch.cat([own_photo, own_photo.flip(3)])
    result = cs.ascend(own, {"start": "photo(image)", "objective": "logit(1)"}, both).result()
    first, gradient, second, mirrored = result.frame.panels
    for picture, photograph in ((first, both[0]), (second, both[1])):
        assert isinstance(picture, Picture)
        assert torch.equal(picture.rgb, photograph)
    leaf = both.clone().requires_grad_()
    score = own.activations(leaf, {""})[""][:, 1]
    (expected,) = torch.autograd.grad(score.sum(), leaf)
    for panel, values in ((gradient, expected[0]), (mirrored, expected[1])):
        assert isinstance(panel, SignedPicture)
        torch.testing.assert_close(panel.values, values)
    assert result.summary["score"] == pytest.approx(score.tolist())
    assert result.arrays == {}


# ---------------------------------------------------------------------------- what it says of it


def test_a_saved_picture_carries_the_recipe_and_the_photograph(
    own: cs.Network, tmp_path: Path
) -> None:
    Image.effect_mandelbrot((40, 32), (-2, -1, 1, 1), 30).save(tmp_path / "photo.png")
    image = cs.open_image(tmp_path / "photo.png")
    value = cs.Recipe(start=photo(own.preprocess(image)), objective=logit(1), optimizer=sign(0.5))
    run = cs.ascend(own, value, image, seed=7)
    assert run.technique == "ascend"
    carried = read_provenance(run.save(tmp_path / "out.png"))
    assert carried["parameters"] == {
        "recipe": {
            "start": "photo(image=net.preprocess(image))",
            "objective": "logit(target=1)",
            "rule": "plain",
            "priors": [],
            "optimizer": "sign(lr=0.5)",
            "steps": 1,
        },
        "seed": 7,
    }
    assert carried["image"]["path"] == str(tmp_path / "photo.png")
    assert carried["takes_image"] is True


def test_the_photograph_is_untouched(own: cs.Network, own_photo: Tensor) -> None:
    photograph = own_photo.clone().requires_grad_()
    cs.ascend(own, GRAY | {"start": "fourier(image=image)"}, photograph).result()
    assert torch.equal(photograph, own_photo)
    assert photograph.grad is None


NAMED = """
import sys
for first in ("import convscope.runs.own_recipe", "from convscope import replay", ""):
    for name in [name for name in sys.modules if name.partition(".")[0] == "convscope"]:
        del sys.modules[name]
    exec(first)
    import convscope as cs
    assert callable(cs.ascend), (first, cs.ascend)
"""


def test_the_name_is_the_function_also_where_the_module_is_imported() -> None:
    subprocess.run([sys.executable, "-c", NAMED], check=True)


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*")), ids=lambda file: file.name)
def test_a_recipe_of_the_documentation_is_on_its_page(file: Path, net: cs.Network) -> None:
    page = (RECIPES.parent / "recipes.md").read_text("utf-8")
    assert f"literalinclude}} recipes/{file.name}" in page
    assert f'cs.ascend(net, "docs/recipes/{file.name}"' in page
    image = None if f'/{file.name}")' in page else cs.open_image("sample:coffee")
    recipe = cs.open_recipe(file, net=net, image=image)
    recipe.objective.bind(net)


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("recipe", "image", "seed", "message"),
    [
        (GRAY | {"start": "photo(image)"}, None, 0, r"^start: the recipe needs a photograph"),
        (GRAY, torch.rand(1, 3, 8, 8), 0, r"does not use a photograph"),
        (GRAY, torch.rand(1, 3, 8, 8) * 9, 0, r"pixels of an image run from 0 to 1"),
        (GRAY, None, -1, r"^ascend: seed: .* equal to 0, not -1$"),
        (GRAY, None, "x", r"^ascend: seed: .* not 'x'$"),
        (GRAY | {"objective": "logit(3)"}, None, 0, r"no class 3: Own has classes 0 to 2"),
        (
            GRAY | {"start": "fourier()", "priors": ["clamp()"]},
            None,
            0,
            r"fourier has none to change",
        ),
        ("nowhere.toml", None, 0, r"^no recipe at nowhere\.toml$"),
    ],
)
def test_errors(
    own: cs.Network, recipe: Any, image: Tensor | None, seed: Any, message: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        cs.ascend(own, recipe, image, seed=seed).result()


def test_no_network() -> None:
    with pytest.raises(cs.ConvscopeError, match=r"^ascend needs a Network first"):
        cs.ascend(GRAY, GRAY)  # type: ignore[arg-type]
