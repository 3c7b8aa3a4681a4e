"""`@technique`: one signature, and everything that is made of it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

import convscope as cs
from convscope import replay
from convscope.cli import main
from convscope.runs import catalog, registry
from convscope.types.frames import Frame
from convscope.types.panels import Picture

Toy = Callable[..., cs.Run]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A technique as a user would write it, taken off the register afterwards."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(catalog, "_added", dict(catalog._added))

    @cs.technique(title="Posterize", paper="Nobody 2024", url="https://example.org/posterize")
    def posterize(
        net: cs.Network,
        image: Tensor,
        *,
        levels: Annotated[int, Field(ge=2, le=256, description="shades of each color")] = 4,
        mix: Annotated[float, Field(gt=0, le=1, description="how much of it")] = 1.0,
        by: Annotated[Literal["round", "floor"], Field(description="which shade")] = "round",
        target: cs.TargetName = None,
        tag: Annotated[str, Field(description="has no default")],
        seed: cs.Seed = 0,
    ) -> Iterator[Frame]:
        """The photograph in few colors.

        For the sake of this test.
        """
        flat = getattr((image * (levels - 1)), by)() / (levels - 1)
        for step in (1, 2):
            shown = image.lerp(flat, mix * step / 2)
            yield Frame(
                panels=(Picture(shown[0], tag),),
                step=step,
                steps=2,
                image=shown,
                summary={"tag": tag},
            )

    return posterize


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    ramp = torch.linspace(0, 255, 40).byte().numpy()
    Image.fromarray(ramp[None, :, None].repeat(30, 0).repeat(3, 2)).save(tmp_path / "ramp.png")
    return tmp_path / "ramp.png"


# -------------------------------------------------------------------------- a new technique


def test_a_new_technique_is_a_python_call(toy: Toy, own: cs.Network, photo_file: Path) -> None:
    image = cs.open_image(photo_file)
    run = toy(own, image, tag="x", levels=2)
    assert isinstance(run, cs.Run)
    assert [r.step for r in run] == [1, 2]
    expected = (image > 0.5).float()
    found = run.result().image
    assert found is not None
    torch.testing.assert_close(torch.from_numpy(found).permute(0, 3, 1, 2), expected)
    assert run.provenance["parameters"] == {
        "levels": 2, "mix": 1.0, "by": "round", "target": None, "tag": "x", "seed": 0,
    }  # fmt: skip


def test_a_new_technique_is_a_command(
    toy: Toy, photo_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photo_file.with_name("out.png")
    with pytest.raises(SystemExit) as done:
        main.main(
            ["posterize", str(photo_file), "--tag", "x", "--levels", "2", "-o", str(out), "--json"]
        )
    assert done.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"picture": str(out), "tag": "x"}
    assert set(Image.open(out).tobytes()) == {0, 255}


def test_a_new_technique_is_in_the_help(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["posterize", "--help"]):
        with pytest.raises(SystemExit) as done:
            main.main(words)
        assert done.value.code == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "The photograph in few colors." in text
    assert "shades of each color" in text
    assert "[default: 4]" in text
    assert "https://example.org/posterize" in text
    assert re.search(r"--tag TAG has no default *\[required\]", text)


def test_a_new_technique_is_found_by_name(toy: Toy) -> None:
    entry = registry.get("posterize")
    assert "posterize" in registry.names()
    assert (entry.title, entry.paper) == ("Posterize", "Nobody 2024")
    assert entry.summary == "The photograph in few colors."
    assert entry.description == "For the sake of this test."
    assert entry.takes_image


def test_schema(toy: Toy) -> None:
    schema = registry.get("posterize").schema()
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["tag"]
    properties = schema["properties"]
    assert list(properties) == ["levels", "mix", "by", "target", "tag", "seed"]
    levels = {k: properties["levels"][k] for k in ("type", "minimum", "maximum", "default")}
    assert levels == {"type": "integer", "minimum": 2, "maximum": 256, "default": 4}
    assert properties["levels"]["description"] == "shades of each color"
    assert properties["mix"]["exclusiveMinimum"] == 0
    assert properties["by"]["enum"] == ["round", "floor"]
    assert {kind["type"] for kind in properties["target"]["anyOf"]} == {"string", "integer", "null"}
    json.dumps(schema)


# ------------------------------------------------------------- what it takes: network, photograph


def register(function: Callable[..., Iterator[Frame]], **words: Any) -> Toy:
    about: dict[str, Any] = {"title": "Toy", "paper": "Nobody 2024", "url": "https://example.org"}
    return cs.technique(**about, **words)(function)


@pytest.fixture
def without_network(toy: Toy) -> Toy:
    def mirror(image: Tensor, *, seed: cs.Seed = 0) -> Iterator[Frame]:
        """The photograph, left for right."""
        yield Frame(panels=(Picture(image[0].flip(-1)),), image=image.flip(-1))

    return register(mirror)


def test_a_technique_without_a_network(without_network: Toy, own: cs.Network) -> None:
    photo = torch.rand(1, 3, 20, 30)
    run = without_network(photo, seed=3)
    np.testing.assert_array_equal(run.result().image, photo.permute(0, 2, 3, 1).flip(2))
    assert run.provenance["network"] is None
    assert run.provenance["takes_image"] is True
    assert list(inspect.signature(without_network).parameters) == ["image", "seed"]
    assert "    image: the photograph" in (without_network.__doc__ or "")
    with pytest.raises(cs.ConvscopeError, match="ran without a network"):
        _ = run.net
    for call in (lambda: without_network(own, photo), lambda: without_network(photo, 3)):
        with pytest.raises(cs.ConvscopeError, match=r"is called as in mirror\(image, name=value\)"):
            call()
    with pytest.raises(cs.ConvscopeError, match=r"mirror takes no network; leave it out"):
        without_network(photo, net=own)
    with pytest.raises(cs.ConvscopeError, match=r"mirror takes 3 channels, not 1"):
        without_network(photo[:, :1])
    with pytest.raises(cs.ConvscopeError, match=r"images must be float tensors"):
        without_network(own)
    with pytest.raises(cs.ConvscopeError, match=r"mirror needs an image: mirror\(open_image"):
        without_network()


def test_its_command_has_no_options_of_a_network(
    without_network: Toy, photo_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.main(["mirror", "--help"])
    help_ = capsys.readouterr().out
    assert "--seed" in help_
    assert "--model" not in help_
    assert "--device" not in help_
    out = photo_file.with_name("out.png")
    with pytest.raises(SystemExit) as done, mock.patch("convscope.network.load") as load:
        main.main(["mirror", str(photo_file), "-o", str(out)])
    assert (done.value.code, load.call_count) == (0, 0)
    expected = np.asarray(Image.open(photo_file))[:, ::-1]
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
    again = replay.remake(out, trust=True).result().picture
    np.testing.assert_array_equal(np.asarray(again), expected)
    with pytest.raises(SystemExit) as done:
        main.main(["mirror", str(photo_file), "--model", "x"])
    assert done.value.code
    assert "unknown option of mirror '--model'" in capsys.readouterr().err


def test_a_command_without_a_network_works_on_a_folder(
    without_network: Toy, photo_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photo_file.with_name("out")
    for outcome in ("1 made", "1 already there"):
        with pytest.raises(SystemExit) as done:
            main.main(["mirror", str(photo_file.parent), "-o", str(out)])
        assert done.value.code == 0
        assert outcome in capsys.readouterr().err


def test_a_technique_may_take_nothing_but_options(toy: Toy) -> None:
    def gray(*, level: float = 0.5) -> Iterator[Frame]:
        """One gray pixel."""
        yield Frame(panels=(Picture(torch.full((3, 1, 1), level)),))

    call = register(gray)
    assert call(level=0.25).result().picture.getpixel((0, 0)) == (64, 64, 64)
    with pytest.raises(cs.ConvscopeError, match=r"is called as in gray\(name=value\)"):
        call(torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize(("words", "loaded"), [([], "timm/tiny"), (["--model", "b"], "b")])
def test_a_command_may_have_a_network_of_its_own(
    toy: Toy,
    own: cs.Network,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    loaded: str,
) -> None:
    def classes(net: cs.Network, *, seed: cs.Seed = 0) -> Iterator[Frame]:
        """How many classes there are."""
        yield Frame(panels=(Picture(torch.zeros(3, 16, 16)),), summary={"of": net.num_classes})

    register(classes, network="timm/tiny")
    assert registry.get("classes").network == "timm/tiny"
    assert registry.get("posterize").network == "efficientnet_lite0"
    with pytest.raises(SystemExit):
        main.main(["classes", "--help"])
    assert "; by default timm/tiny" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as done, mock.patch("convscope.network.load") as load:
        load.return_value = own
        main.main(["classes", *words, "--device", "cpu", "-o", str(tmp_path / "a.png")])
    assert done.value.code == 0
    load.assert_called_once_with(name=loaded, pretrained=True, device="cpu")


# ------------------------------------------------------------------------------- validation


def test_defaults_complete_the_parameters(toy: Toy) -> None:
    checked = registry.get("posterize").validate({"tag": "x", "levels": 7})
    assert checked == {
        "levels": 7, "mix": 1.0, "by": "round", "target": None, "tag": "x", "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 1}, r"posterize: levels: .*greater than or equal to 2, not 1"),
        ({"levels": 257}, r"posterize: levels: .*less than or equal to 256, not 257"),
        ({"levels": 2.5}, r"posterize: levels: .*integer"),
        ({"levels": "many"}, r"posterize: levels: .*integer.*not 'many'"),
        ({"mix": 0}, r"posterize: mix: .*greater than 0"),
        ({"mix": float("nan")}, r"posterize: mix"),
        ({"mix": float("inf")}, r"posterize: mix"),
        ({"by": "ceil"}, r"posterize: by: .*'round' or 'floor', not 'ceil'"),
        ({"tag": 3}, r"posterize: tag: .*string, not 3"),
        ({"target": [1]}, r"posterize: target: .*not \[1\]"),
        ({"seed": -1}, r"posterize: seed"),
        ({"seed": 2**63}, r"posterize: seed"),
        ({"level": 3}, r"unknown option of posterize 'level'; did you mean 'levels'\?"),
    ],
)
def test_what_is_out_of_bounds_is_refused(toy: Toy, options: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=message):
        registry.get("posterize").validate({"tag": "x", **options})


def test_what_has_no_default_is_asked_for(toy: Toy, own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"^posterize: tag: field required$"):
        toy(own, own_photo)


def test_a_value_that_prints_on_many_lines_is_told_in_one(
    toy: Toy, own: cs.Network, own_photo: Tensor
) -> None:
    with pytest.raises(cs.ConvscopeError) as raised:
        toy(own, own_photo, tag=torch.zeros(100, 100))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("target", ["nothing", 3, -1, "blocks:12", "blocks:0@99,0", "head:3"])
def test_a_target_is_looked_up_at_once(
    toy: Toy, own: cs.Network, own_photo: Tensor, target: str | int
) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"unknown|no class|no channel|no position"):
        toy(own, own_photo, tag="x", target=target)


def test_options_go_by_keyword(own: cs.Network, own_photo: Tensor) -> None:
    with pytest.raises(cs.ConvscopeError, match="options go by keyword"):
        cs.saliency(own, own_photo, 1)  # type: ignore[call-arg]


def test_unknown_technique_names_the_nearest() -> None:
    with pytest.raises(cs.ConvscopeError, match=r"unknown technique 'salency'.*'saliency'"):
        registry.get("salency")


def test_the_wrapped_function_still_is_what_was_written(toy: Toy) -> None:
    assert toy.__name__ == "posterize"
    assert (toy.__doc__ or "").startswith("The photograph in few colors.")


# ----------------------------------------------------------------------- what a user may write


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        (np.int64(2), 2),
        ("blocks:3", "blocks:3"),
        (["blocks:3"], ("blocks:3",)),
        ((np.int64(2),), (2,)),
        (cs.Target("blocks", 3), "blocks:3"),
        (cs.Target("", 2, label="class 2"), 2),
    ],
)
def test_targets_of_all_kinds(own: cs.Network, own_photo: Tensor, target: Any, kept: Any) -> None:
    run = cs.gradcam(own, own_photo, target=target, layer="blocks.0")
    assert run.parameters["target"] == kept
    assert type(run.parameters["target"]) is type(kept)
    assert run.parameters["layer"] == ("blocks.0",)
    assert cs.compare(own, own_photo, target=target).parameters["target"] in ((kept,), kept)


@pytest.mark.parametrize("target", [(), []])
def test_an_empty_list_of_targets_is_refused(
    own: cs.Network, own_photo: Tensor, target: Any
) -> None:
    for name in registry.names():
        technique = registry.get(name)
        if "target" in technique.model.model_fields:
            photo = own_photo if technique.takes_image else None
            index = {"index": "x"} if "index" in technique.model.model_fields else {}
            with pytest.raises(cs.ConvscopeError, match=rf"^{name}: target: .*, not [(\[]"):
                technique.run(own, photo, target=target, **index)
    with pytest.raises(cs.ConvscopeError, match=r"^gradcam: tokens: too few values$"):
        cs.gradcam(own, own_photo, tokens=target)


def test_the_ladder_takes_every_kind_of_target(own: cs.Network) -> None:
    for target, kept in ((cs.Target("", 2, label="class 2"), 2), (np.int64(1), 1), ("1", "1")):
        parameters = cs.ladder(own, target=target).parameters
        assert parameters["target"] == kept
        assert type(parameters["target"]) is type(kept)


@pytest.mark.parametrize("layer", ["blocks.0", ["blocks.0"], ("blocks.0",)])
def test_one_name_or_several(own: cs.Network, own_photo: Tensor, layer: Any) -> None:
    for technique in (cs.gradcam, cs.invert, cs.deepdream):
        assert technique(own, own_photo, layer=layer).parameters["layer"] == ("blocks.0",)
    assert cs.segment(own, own_photo, methods="saliency").parameters["methods"] == ("saliency",)


# ------------------------------------------------------------------------- what a user may read


def test_the_signature_is_plain_and_says_what_comes_back() -> None:
    signature = inspect.signature(cs.gradcam)
    assert signature.return_annotation == cs.Run[cs.HeatmapResult]
    assert list(signature.parameters)[:4] == ["net", "image", "target", "layer"]
    assert "FieldInfo" not in str(signature)
    assert inspect.signature(cs.class_image).return_annotation == cs.Run[cs.ImageResult]


def test_the_docstring_lists_every_option(toy: Toy) -> None:
    text = inspect.getdoc(toy) or ""
    assert text.startswith("The photograph in few colors.\n\nFor the sake of this test.\n\nArgs:\n")
    for line in (
        "net: the network",
        "levels: shades of each color (at least 2; at most 256; default: 4)",
        "mix: how much of it (above 0; at most 1; default: 1.0)",
        "by: which shade ('round' or 'floor'; default: 'round')",
        "tag: has no default (required)",
        "seed: random seed (at least 0; default: 0)",
    ):
        assert f"    {line}\n" in text
    assert "Nobody 2024, https://example.org/posterize" in text


def test_a_result_is_of_the_kind_that_its_frame_promises(
    own: cs.Network, own_photo: Tensor
) -> None:
    assert type(cs.gradcam(own, own_photo).result()) is cs.HeatmapResult
    assert type(cs.saliency(own, own_photo).result()) is cs.GradientHeatmapResult
    assert type(cs.guided_backprop(own, own_photo).result()) is cs.AscentResult
    result = cs.predict(own, own_photo).result()
    assert type(result) is cs.Result
    assert [type(panel).__name__ for panel in result.panels] == ["Picture", "Bars"]
