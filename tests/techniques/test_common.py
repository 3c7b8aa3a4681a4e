"""What every technique keeps, whatever it does. A new one needs a row in `ROWS`, and no more."""

from __future__ import annotations

import ast
import base64
import copy
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope import replay
from convscope.files import pictures
from convscope.network import zoo
from convscope.runs import catalog, registry
from convscope.runs.registry import Technique
from tests.helpers.networks import Own, own_network, own_photograph
from tests.helpers.rows import INDEX, ROWS, indexed


@pytest.fixture(params=registry.names())
def technique(request: pytest.FixtureRequest) -> Technique:
    return registry.get(request.param)


@pytest.fixture(params=[n for n in registry.names() if registry.get(n).takes_image])
def looking(request: pytest.FixtureRequest) -> Technique:
    """A technique that takes a photograph."""
    return registry.get(request.param)


@pytest.fixture(
    params=[n for n in registry.names() if "seed" in registry.get(n).schema()["properties"]]
)
def seeded(request: pytest.FixtureRequest) -> Technique:
    """A technique that leaves something to chance."""
    return registry.get(request.param)


def row(technique: Technique, net: cs.Network | None = None) -> dict[str, Any]:
    if technique.name not in ROWS:
        pytest.fail(
            f"{technique.name} has no row of quick options: add one to ROWS in tests/helpers/rows.py"
        )
    options = ROWS[technique.name]
    if isinstance(net, cs.Network) and options.get("index") == INDEX:
        return options | {"index": indexed(net)}
    return options


def start(technique: Technique, net: cs.Network, photo: Tensor, **options: Any) -> cs.Run:
    image = photo if technique.takes_image else None
    return technique.run(net, image, **{**row(technique, net), **options})


def pixels(result: cs.Result) -> str:
    return hashlib.sha256(result.picture.tobytes()).hexdigest()


# ------------------------------------------------------------------------------- as declared


def test_every_row_is_of_a_technique() -> None:
    assert set(ROWS) == set(registry.names())


def test_documentation(technique: Technique) -> None:
    assert re.fullmatch(r"[A-Z].{20,}[^.]\.", technique.summary), "one line, one sentence"
    assert not re.search(r"[.!?] [A-Z]", technique.summary), "one sentence"
    assert len(technique.description) > 80, "a paragraph says how it works or how to read it"
    assert re.search(r"[A-Z]\w+.* (19|20)\d\d", technique.paper), "authors and year"
    assert re.fullmatch(r"https://\S+", technique.url)
    assert re.fullmatch(r"[A-Z][\w ,'+-]+", technique.title)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", technique.name)


def test_titles_differ() -> None:
    titles = [registry.get(name).title for name in registry.names()]
    assert len(set(titles)) == len(titles)


def test_options_are_described_and_their_defaults_are_valid(technique: Technique) -> None:
    required = {}
    for name, field in technique.model.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description[0].islower(), f"{name}: begins in lower case, as in the help"
        assert not field.description.endswith("."), f"{name}: no full stop, as in the help"
        if field.is_required():
            required[name] = row(technique)[name]
    checked = technique.validate(required)
    assert technique.validate(checked) == checked


def test_an_attribution_maps_a_photograph_for_a_target(looking: Technique, own: cs.Network) -> None:
    if not looking.attribution:
        return
    assert looking.takes_image
    assert "target" in looking.model.model_fields
    result = start(looking, own, own_photograph(), target=2).result()
    assert result.summary["target"] == "class 2"
    maps = [array for array in (result.heatmap, result.gradient) if array is not None]
    assert all(array.shape[-2:] == own.input_size for array in maps)
    assert maps, "by a heat map or a gradient"
    if "score" not in looking.model.model_fields:  # where it is the user's choice
        logit = float(own.logits(own_photograph())[0, 2])
        assert result.score == pytest.approx(logit, rel=1e-4)


def test_numbers_are_bounded(technique: Technique) -> None:
    for name, schema in technique.schema()["properties"].items():
        for kind in schema.get("anyOf", [schema]):
            if name != "target" and kind.get("type") in ("integer", "number"):
                assert {"minimum", "exclusiveMinimum"} & set(kind), f"{name} has no lower bound"
                assert {"maximum", "exclusiveMaximum"} & set(kind), f"{name} has no upper bound"


def test_it_is_public_and_in_the_catalog(technique: Technique) -> None:
    public = getattr(cs, technique.name)
    assert public.__wrapped__ is technique.function
    assert technique.name in dir(cs)
    stub = ast.parse(Path(cs.__file__).with_suffix(".pyi").read_text("utf-8"))
    names = {a.asname for n in ast.walk(stub) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert technique.name in names
    entry = catalog.techniques()[technique.name]
    assert entry.module == technique.function.__module__
    assert entry.summary == technique.summary


# ----------------------------------------------------------------- on a network of the user's


@pytest.mark.parametrize(
    "net",
    [own_network(), own_network(channels=1), own_network(dtype=torch.float64)],
    ids=["color", "gray", "double"],
)
def test_numbers_are_finite_and_of_the_shapes_promised(
    technique: Technique, net: cs.Network
) -> None:
    result = start(technique, net, own_photograph()).result()
    for name in ("image", "gradient", "heatmap"):
        array = getattr(result, name)
        if array is not None:
            assert isinstance(array, np.ndarray)
            assert np.isfinite(array).all(), name
    if result.image is not None:
        assert result.image.ndim == 4
        assert result.image.shape[3] == len(net.mean)
        assert 0 <= result.image.min() <= result.image.max() <= 1
    for array in (result.gradient, result.heatmap):
        assert array is None or array.dtype == str(net.dtype).removeprefix("torch.")
    if result.heatmap is not None:
        assert result.heatmap.shape == net.input_size
    assert result.score is None or np.isfinite(result.score).all()
    for name, array in result.arrays.items():
        assert isinstance(array, np.ndarray)
        assert np.isfinite(array).all(), name
    assert result.summary, "something to quote"
    json.dumps(dict(result.summary), allow_nan=False)
    assert min(result.picture.size) >= 16
    assert result.picture.mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_any_size_of_photograph_is_handled_or_refused(
    looking: Technique, own: cs.Network, size: tuple[int, int]
) -> None:
    try:
        result = start(looking, own, own_photograph(*size)).result()
    except cs.ConvscopeError as error:
        assert f"{size[0]} x {size[1]}" in str(error)
    else:
        assert min(result.picture.size) > 0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_photograph_is_handled_or_refused(
    looking: Technique, own: cs.Network, value: float
) -> None:
    try:
        result = start(looking, own, torch.full((1, 3, 40, 48), value)).result()
    except cs.ConvscopeError as error:
        assert re.search(r"too plain|\b40 x 48\b", str(error))
        assert "\n" not in str(error)
    else:
        for array in (result.gradient, result.heatmap):
            assert array is None or np.isfinite(array).all()
        json.dumps(dict(result.summary), allow_nan=False)
        assert min(result.picture.size) > 0


def test_two_photographs_at_once_are_handled_or_refused(
    looking: Technique, own: cs.Network
) -> None:
    first, second = own_photograph(), own_photograph().flip(3)
    try:
        both = start(looking, own, torch.cat([first, second]))
        together = both.result()
    except cs.ConvscopeError as error:
        assert re.search(r"\bone image|several images|not 2\b", str(error))
        return
    assert min(together.picture.size) > 0
    one = start(looking, own, first).result()
    for name in ("gradient", "heatmap"):
        array = getattr(one, name)
        if array is not None:
            np.testing.assert_allclose(
                getattr(together, name)[0], array, rtol=1e-4, atol=1e-5 * np.abs(array).max()
            )


def test_photograph_is_untouched(technique: Technique, own: cs.Network) -> None:
    photo = own_photograph()
    before, version = photo.clone(), photo._version
    start(technique, own, photo).result().picture.load()
    assert torch.equal(photo, before)
    assert photo._version == version
    assert photo.grad is None
    assert not photo.requires_grad


def test_a_photograph_with_a_gradient_of_its_own(looking: Technique, own: cs.Network) -> None:
    photo = own_photograph().requires_grad_()
    result = start(looking, own, photo).result()
    result.picture.load()
    assert photo.grad is None
    assert pixels(result) == pixels(start(looking, own, own_photograph()).result())


def test_module_is_untouched_and_no_hook_stays(technique: Technique) -> None:
    module = Own().train()
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 7.0)
    before = copy.deepcopy(module)
    net = cs.Network(module, mean=[0.5] * 3, std=[0.5] * 3, input_size=32)
    start(technique, net, own_photograph()).result()
    then = before.state_dict()
    for name, now in module.state_dict().items():
        assert torch.equal(now, then[name]), name
    for parameter in module.parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert (parameter.grad == 7).all()
    assert all(m.training for m in module.modules())
    assert module.relu.inplace
    prepared = net._prepared
    for root in (module, prepared.plain, *prepared._variants.values()):
        for one in root.modules():
            assert not _hooks(one)


def _hooks(module: nn.Module) -> list[Any]:
    kinds = [name for name in vars(module) if name.endswith("_hooks")]
    assert "_forward_hooks" in kinds
    return [hook for kind in kinds for hook in getattr(module, kind).values()]


def test_the_worlds_random_numbers_are_untouched(technique: Technique, own: cs.Network) -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    start(technique, own, own_photograph()).result().picture.load()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # type: ignore[index]
    assert random.getstate() == states[2]


@pytest.mark.parametrize("enabled", [True, False])
def test_grad_mode_is_untouched_and_does_not_matter(
    technique: Technique, own: cs.Network, enabled: bool
) -> None:
    with torch.set_grad_enabled(enabled):
        for frame in start(technique, own, own_photograph()):
            assert torch.is_grad_enabled() is enabled
            last = frame
    assert torch.is_grad_enabled()
    assert pixels(last) == _alone(technique.name)


@cache
def _alone(name: str) -> str:
    """The picture of a technique as the first thing that a fresh network does."""
    return pixels(start(registry.get(name), own_network(), own_photograph()).result())


def test_another_seed_gives_another_picture(seeded: Technique, own: cs.Network) -> None:
    zero = start(seeded, own, own_photograph(), seed=0).result()
    other = start(seeded, own, own_photograph(), seed=1).result()
    assert pixels(zero) == _alone(seeded.name)
    assert pixels(other) != pixels(zero)


# ---------------------------------------------------------------------------- the Run contract


def test_every_iteration_gives_the_same_frames(technique: Technique, own: cs.Network) -> None:
    run = start(technique, own, own_photograph())
    first, second = list(run), list(run)
    assert [pixels(r) for r in first] == [pixels(r) for r in second]
    assert [r.step for r in first] == list(range(1, len(first) + 1))
    assert {r.steps for r in first} == {len(first)}


def test_nothing_is_computed_before_it_is_asked_for(
    technique: Technique, own: cs.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    row(technique, own)
    monkeypatch.setattr(nn.Module, "__call__", _refuse)
    run = start(technique, own, own_photograph())
    assert technique.name in repr(run)


def _refuse(*_: object) -> None:
    raise AssertionError("the network ran")


def test_result_is_the_last_frame_however_it_is_reached(
    technique: Technique, own: cs.Network
) -> None:
    broken_off = start(technique, own, own_photograph())
    next(iter(broken_off))
    drained = start(technique, own, own_photograph())
    *_, last = drained
    assert drained.result() is last
    for result in (last, broken_off.result()):
        assert result.step == result.steps
        assert pixels(result) == _alone(technique.name)
        assert technique.name in repr(result)


def test_one_frame_does_not_change_another(technique: Technique, own: cs.Network) -> None:
    kept = list(start(technique, own, own_photograph()))
    before = [copy.deepcopy(_numbers(r)) for r in start(technique, own, own_photograph())]
    for result, numbers in zip(kept, before, strict=True):
        result.picture.load()
        for name, array in _numbers(result).items():
            np.testing.assert_array_equal(array, numbers[name], name)


def _numbers(result: cs.Result) -> dict[str, Any]:
    named = {n: getattr(result, n) for n in ("image", "gradient", "heatmap", "score")}
    return {n: a for n, a in (named | result.arrays).items() if a is not None}


def test_save_show_and_notebook(
    technique: Technique, own: cs.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(technique, own, own_photograph())
    file = run.save(tmp_path / "a.png")
    with Image.open(file) as picture:
        assert hashlib.sha256(picture.tobytes()).hexdigest() == _alone(technique.name)
    recipe = pictures.read_provenance(file)
    assert recipe["technique"] == technique.name
    expected = technique.validate(row(technique, own))
    assert recipe["parameters"] == json.loads(json.dumps(expected))

    data = re.search(r'src="data:image/png;base64,([^"]+)"', run._repr_html_())
    assert data is not None
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as picture:
        assert hashlib.sha256(picture.tobytes()).hexdigest() == _alone(technique.name)

    monkeypatch.setitem(sys.modules, "IPython", None)
    shown: list[Image.Image] = []
    monkeypatch.setattr(Image.Image, "show", lambda self: shown.append(self))
    run.show()
    assert [hashlib.sha256(one.tobytes()).hexdigest() for one in shown] == [_alone(technique.name)]


# ------------------------------------------------------------------------ as declared, refused


def test_unknown_option_names_the_nearest(technique: Technique, own: cs.Network) -> None:
    word = next(iter(technique.model.model_fields))
    with pytest.raises(cs.ConvscopeError, match=rf"unknown option .*did you mean.*{word!r}"):
        start(technique, own, own_photograph(), **{f"{word}x": 1})


@pytest.mark.parametrize("net", [None, "efficientnet_lite0", Own()], ids=["None", "str", "module"])
def test_what_is_no_network_is_refused(technique: Technique, net: Any) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"needs a Network first"):
        start(technique, net, own_photograph())


BAD_IMAGES: dict[str, Any] = {
    "none": None,
    "path": "cat.jpg",
    "NumPy": np.zeros((1, 3, 40, 48), np.float32),
    "bytes": torch.zeros(1, 3, 40, 48, dtype=torch.uint8),
    "no batch": own_photograph()[0],
    "list": [own_photograph(), own_photograph()],
    "channels last": own_photograph().permute(0, 2, 3, 1),
    "five channels": torch.zeros(1, 5, 40, 48),
    "normalized": (own_photograph() - 0.45) / 0.22,
    "up to 255": own_photograph() * 255,
    "NaN": own_photograph().where(own_photograph() < 0.5, torch.nan),
    "infinity": own_photograph().where(own_photograph() < 0.5, torch.inf),
    "no pixels": torch.zeros(1, 3, 0, 48),
    "no images": torch.zeros(0, 3, 40, 48),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_wrong_image_is_refused_in_one_line(
    technique: Technique, own: cs.Network, kind: str
) -> None:
    if technique.takes_image:
        with pytest.raises(cs.ConvscopeError) as raised:
            start(technique, own, BAD_IMAGES[kind])
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 200
    elif BAD_IMAGES[kind] is not None:
        with pytest.raises(cs.ConvscopeError, match="takes no image"):
            technique.run(own, BAD_IMAGES[kind], **row(technique))


# ------------------------------------------------------- the same picture, here and elsewhere


@cache
def _load(name: str, **options: Any) -> cs.Network:
    return zoo.load(name, **options)


def _real(name: str, folder: Path) -> Path:
    """A picture of the default network's, saved."""
    technique = registry.get(name)
    net = _load(zoo.DEFAULT, pretrained=True, checkpoint=None, device="cpu")
    photo = cs.open_image("sample:chelsea")
    return start(technique, net, photo).save(folder / f"{name}.png")


def test_replay_makes_the_same_pixels(
    technique: Technique, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _real(technique.name, tmp_path)
    monkeypatch.setattr(replay, "load", _load)
    again = replay.remake(file).save(tmp_path / "again.png")
    with Image.open(file) as old, Image.open(again) as new:
        assert old.tobytes() == new.tobytes()
    assert pictures.read_provenance(file) == pictures.read_provenance(again)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[dict[str, str]]:
    """Every technique's picture, made by another process in another order."""
    script = (
        "import json, tests.techniques.test_common as c;"
        "print(json.dumps({n: c._alone(n) for n in reversed(list(c.ROWS))}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    yield json.loads(done.stdout)


def test_another_process_makes_the_same_pixels(
    technique: Technique, elsewhere: dict[str, str]
) -> None:
    row(technique)
    assert elsewhere[technique.name] == _alone(technique.name)
