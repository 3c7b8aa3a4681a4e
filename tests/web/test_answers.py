"""Answers to the server's questions."""

from __future__ import annotations

import base64
import io
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convscope as cs
from convscope.cli.main import main
from convscope.network import default_layers
from convscope.web.models import LiveRequest, RunRequest, StylizeRequest, TechniqueInfo
from tests.helpers.networks import own_network
from tests.web.conftest import SMALL, Server


def opened(text: str) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return np.asarray(picture)


@pytest.fixture
def frame(photograph: Path) -> str:
    return base64.b64encode(photograph.read_bytes()).decode()


# ---------------------------------------------------------------------------- the catalog


def test_forms_have_bounds_defaults_and_what_texts_mean(server: Server) -> None:
    techniques: dict[str, TechniqueInfo] = {one.name: one for one in server.ask("catalog")}
    options = techniques["deepdream"].options["properties"]
    assert options["octaves"]["default"] == 4
    assert (options["octaves"]["minimum"], options["octaves"]["maximum"]) == (1, 12)
    assert options["guide"]["format"] == "image"
    assert options["layer"]["items"]["format"] == "layer"
    assert "default" not in options["size"]
    assert options["size"]["type"] == "integer"
    assert techniques["gradcam"].options["properties"]["target"]["format"] == "target"
    assert techniques["patches"].options["properties"]["index"]["format"] == "index"
    assert techniques["patches"].options["required"] == ["index"]


def test_files_that_the_browser_cannot_choose(server: Server) -> None:
    techniques: dict[str, TechniqueInfo] = {one.name: one for one in server.ask("catalog")}
    assert "checkpoint" not in techniques["stylize"].options["properties"]
    assert techniques["stylize"].unavailable is None
    unavailable = {name for name, one in techniques.items() if one.unavailable}
    assert unavailable == {"compress", "transfer", "universal"}
    assert "it needs folder" in str(techniques["compress"].unavailable)


def test_every_form_is_plain(server: Server) -> None:
    for technique in server.ask("catalog"):
        for name, field in technique.options["properties"].items():
            where = f"{technique.name}: {name}"
            assert "type" in field, where
            assert field["description"], where
            assert not {"anyOf", "prefixItems", "$ref"} & field.keys(), where
            assert all(abs(field.get(bound, 0)) <= 2**53 for bound in ("minimum", "maximum"))


# ---------------------------------------------------------------------------- networks


def test_classes_are_searched_by_name_and_number(server: Server) -> None:
    net = own_network()
    every = server.ask("classes", network="n0", search="", limit=10)
    assert [one.name for one in every] == [net.label(i) for i in range(3)]
    assert server.ask("classes", network="n0", search="2", limit=10)[0].index == 2
    (found,) = server.ask("classes", network="n0", search=net.label(1).upper(), limit=1)
    assert found.index == 1


def test_the_graph_follows_every_branch(server: Server) -> None:
    graph = server.ask("graph", network="n0")
    net = own_network()
    names = [node.name for node in graph.nodes]
    for node in graph.nodes:
        if node.layer:
            layer = net.layer(node.name)
            assert (node.kind == layer.type or node.joint) and node.shape == [*layer.shape]
    joints = {node.name: node.kind for node in graph.nodes if node.joint}
    assert joints == {joint.name: joint.type for joint in net.flow.joints}
    for first, second in graph.edges:
        assert names.index(first) < names.index(second)
    assert all({first, second} <= {*names} for first, second in graph.edges)
    assert sum(node.parameters for node in graph.nodes) == net.num_parameters


# ---------------------------------------------------------------------------- live


def test_live_says_what_python_says(server: Server, frame: str, photograph: Path) -> None:
    net, photo = own_network(), cs.open_image(photograph)
    request = LiveRequest(network="n0", image=frame, layer="blocks.0", overlay="gradcam")
    found = server.ask("live", request=request)
    expected = net.predict(photo)
    assert [one.index for one in found.predictions] == [one.index for one in expected]
    assert found.predictions[0].probability == pytest.approx(expected[0].probability)
    maps = net.read(photo, {"blocks.0"})["blocks.0"][0]
    assert found.channels == len(maps)
    assert found.strongest[0] == int(maps.amax((1, 2)).argmax())
    sheet = opened(found.sheet)
    height, width = maps.shape[1:]
    scaled = ((maps - maps.min()) / (maps.max() - maps.min()) * 255).byte().numpy()
    for number in range(len(maps)):
        row, column = divmod(number, found.columns)
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.abs(tile.astype(int) - scaled[number]).max() <= 1


def test_the_overlay_is_that_of_gradcam(server: Server, frame: str, photograph: Path) -> None:
    net, photo = own_network(), cs.open_image(photograph)
    request = LiveRequest(network="n0", image=frame, overlay="gradcam", target="1")
    found = server.ask("live", request=request)
    (expected,) = cs.gradcam(net, photo, target=1).result().arrays.values()
    alpha = opened(found.overlay)[..., 3] / 255
    assert np.abs(alpha - expected[0] / max(expected.max(), 1e-12)).max() < 0.01
    assert found.box is not None


def test_a_unit_is_laid_over_the_frame(server: Server, frame: str, photograph: Path) -> None:
    request = LiveRequest(network="n0", image=frame, layer="blocks.0", overlay="unit", unit=2)
    found = server.ask("live", request=request)
    maps = own_network().read(cs.open_image(photograph), {"blocks.0"})["blocks.0"][0]
    alpha = opened(found.overlay)[..., 3] / 255
    assert np.abs(alpha - (maps[2] / maps.max()).clamp(0, 1).numpy()).max() < 0.01


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image": "%%"}, "not in base64"),
        ({"image": base64.b64encode(b"GIF89a").decode()}, "neither a JPEG nor a PNG"),
        ({"layer": "nothing"}, "unknown layer 'nothing'"),
        ({"layer": "blocks.0", "overlay": "unit", "unit": 999}, "from 0 on"),
        ({"overlay": "unit"}, "name a layer"),
        ({"overlay": "gradcam", "target": "like:/etc/passwd"}, "cannot be the target here"),
        ({"overlay": "gradcam", "target": "no such class"}, "no such class"),
    ],
)
def test_live_refuses_in_one_line(
    server: Server, frame: str, changes: dict[str, Any], says: str
) -> None:
    request = LiveRequest(**{"network": "n0", "image": frame, **changes})
    with pytest.raises(cs.ConvscopeError, match=says):
        server.ask("live", request=request)


def test_a_blend_of_styles_is_that_of_the_technique(server: Server, photograph: Path) -> None:
    first, second = (one.name for one in server.ask("styles")[:2])
    request = StylizeRequest(image="photo", styles={first: 3, second: 1}, size=64)
    found = server.ask("stylize", request=request, image=photograph)
    blend = (f"{first}=3", f"{second}=1")
    run = cs.stylize(cs.open_image(photograph), style=blend, size=64)
    image = run.result().image
    assert image is not None
    expected = image[0]
    assert np.abs(opened(found.picture) / 255 - expected).mean() < 0.03  # JPEG
    with pytest.raises(cs.ConvscopeError, match="above 0"):
        server.ask("stylize", request=request.model_copy(update={"styles": {}}), image=photograph)


# ---------------------------------------------------------------------------- calls


def test_calls_make_the_picture_again(
    server: Server, tmp_path: Path, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"target": "1", "layer": ["blocks.0", "blocks"], "signed": True}
    request = RunRequest(technique="gradcam", network="n0", image="photo", options=options)
    server.run(tmp_path / "run", request)
    texts = server.ask("call_texts", request=request, files=server.files)
    assert str(photograph.parent) not in texts.python + texts.command
    monkeypatch.chdir(photograph.parent)
    exec(texts.python, {})
    drawn = np.asarray(Image.open("gradcam.png"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / photograph.name).write_bytes(photograph.read_bytes())
    name, *words = shlex.split(texts.command)
    assert name == "convscope"
    with pytest.raises(SystemExit, match="0"):
        main(words)
    assert np.array_equal(np.asarray(Image.open("gradcam.png")), drawn)
    made = server.ask(
        "export",
        what="picture",
        request=request,
        files=server.files,
        folder=tmp_path / "run",
        format="png",
    )
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(made.data))), drawn)


def test_calls_load_other_networks(server: Server) -> None:
    options = {"nets": ["n0"], "methods": ["saliency"]}
    request = RunRequest(technique="compare", network="n0", image="cat", options=options)
    texts = server.ask("call_texts", request=request, files=server.files)
    assert f"nets=(cs.load({SMALL['name']!r}),)" in texts.python
    assert f"--nets {SMALL['name']}" in texts.command


def test_calls_name_files_as_they_are_typed_where_the_explorer_began(
    server: Server, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photograph.parent.parent)
    request = RunRequest(technique="hog", image="photo")
    texts = server.ask("call_texts", request=request, files=server.files)
    path = f"{photograph.parent.name}/{photograph.name}"
    assert texts.command == f"convscope hog {path} -o hog.png"
    assert Path(path).is_file()


def test_the_first_map_is_made_before_anybody_asks(server: Server) -> None:
    assert server.ask("warm_up") is None


def test_the_layer_to_look_at_is_a_deep_one(server: Server) -> None:
    server.ask("graph", network="n0")
    (net,) = (one.network for one in server.loaded if one.network.state == "ready")
    assert net.default_layer == default_layers.deep(own_network()).name


def test_a_technique_without_a_network_has_none_in_its_call(server: Server) -> None:
    texts = server.ask(
        "call_texts", request=RunRequest(technique="hog", image="cat"), files=server.files
    )
    assert texts.python == (
        "import convscope as cs\n\nimage = cs.open_image('sample:chelsea')\n"
        'cs.hog(image).save("hog.png")\n'
    )
    assert texts.command == "convscope hog sample:chelsea -o hog.png"


def test_photographs_are_encoded_anew(server: Server) -> None:
    found = server.ask("picture", image="sample:chelsea", largest=128)
    assert (found.width, found.height, found.media_type) == (451, 300, "image/jpeg")
    with Image.open(io.BytesIO(found.data)) as picture:
        assert picture.size == (128, 85)
    assert torch.get_num_threads() == 1
