"""The worker: what it sends over the pipe is what Python computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope.web.messages import Loaded, Step
from convscope.web.models import FrameInfo, RunRequest
from convscope.web.networks import Networks
from convscope.web.panel_models import HeatmapPanel, PicturePanel
from tests.helpers.networks import own_network
from tests.web.conftest import Server


def values(step: Step, panel: HeatmapPanel) -> np.ndarray[Any, Any]:
    media_type, data = step.blobs[panel.values]
    assert media_type == "application/octet-stream"
    return np.frombuffer(data, "<f4").reshape(panel.shape)


def test_values_are_those_of_python(server: Server, tmp_path: Path, photograph: Path) -> None:
    options = {"target": "1", "layer": ["blocks.0"]}
    request = RunRequest(technique="gradcam", network="n0", image="photo", options=options)
    (step,), ended = server.run(tmp_path / "run", request)
    assert (ended.state, ended.problem) == ("done", None)
    run = cs.gradcam(own_network(), cs.open_image(photograph), target="1", layer="blocks.0")
    (panel,) = step.frame.panels
    assert isinstance(panel, HeatmapPanel)
    assert np.array_equal(values(step, panel), run.result().heatmap)
    assert step.frame.score == [run.result().score]
    assert step.frame.summary == run.result().summary


def test_the_picture_is_that_of_save(server: Server, tmp_path: Path, photograph: Path) -> None:
    request = RunRequest(technique="saliency", image="photo", options={"target": 1})
    server.run(tmp_path / "run", request)
    net = own_network()
    for ending in ("png", "npz"):
        file = server.ask(
            "export",
            what="picture",
            request=request,
            files=server.files,
            folder=tmp_path / "run",
            format=ending,
        )
        result = cs.saliency(net, cs.open_image(photograph), target=1).result()
        # A network of the command line says how it was loaded.
        result.provenance = {**result.provenance, "network": _source()}
        assert file.data == result.save(tmp_path / f"saved.{ending}").read_bytes()


def _source() -> object:
    return cs.load("convscope.testing:small_network", device="cpu").source


def test_every_step_has_a_number_and_the_last_is_exact(server: Server, tmp_path: Path) -> None:
    options = {"target": 1, "steps": 6, "size": 32}
    request = RunRequest(technique="class_image", options=options)
    steps, ended = server.run(tmp_path / "run", request)
    assert ended.state == "done"
    assert [one.frame.number for one in steps] == [*range(len(steps))]
    assert (steps[0].frame.step, steps[-1].frame.step, steps[-1].frame.steps) == (1, 6, 6)
    panel = steps[-1].frame.panels[0]
    assert isinstance(panel, PicturePanel)
    assert steps[-1].blobs[panel.blob][0] == "image/png"


def test_a_canceled_climb_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    options = {"target": 1, "steps": 400, "size": 32}
    request = RunRequest(technique="class_image", options=options)
    first, ended = server.run(tmp_path / "run", request, lambda _: server.order("cancel"))
    assert ended.state == "canceled"
    assert first[-1].frame.step < 400
    assert any((tmp_path / "run" / "resume").glob("*.pt"))


def test_going_on_gives_what_one_run_gives(server: Server, tmp_path: Path) -> None:
    options = {"target": 1, "steps": 12, "size": 32}
    request = RunRequest(technique="class_image", options=options)

    def cancel(step: Step) -> None:
        if step.frame.step == 1:
            server.order("cancel")

    server.run(tmp_path / "run", request, cancel)
    steps, ended = server.run(tmp_path / "run", request, resume=True)
    assert ended.state == "done"
    assert not (tmp_path / "run" / "resume").exists()
    whole = cs.class_image(own_network(), target=1, steps=12, size=32).result()
    assert steps[-1].frame.score == [whole.score]


def test_a_paused_run_waits(server: Server, tmp_path: Path) -> None:
    orders = []

    def pause(step: Step) -> None:
        if step.frame.step == 1:
            server.order("pause")
            assert not server.connection.poll(0.3) or server.connection.recv()
            orders.append(step.frame.step)
            server.order("go_on")

    options = {"target": 1, "steps": 5, "size": 32}
    request = RunRequest(technique="class_image", options=options)
    steps, ended = server.run(tmp_path / "run", request, pause)
    assert (ended.state, orders) == ("done", [1])
    assert steps[-1].frame.step == 5


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"technique": "salency"}, "unknown technique 'salency'; did you mean 'saliency'"),
        ({"technique": "saliency"}, "saliency needs an image"),
        ({"technique": "saliency", "image": "../../etc/passwd"}, "there is no image"),
        ({"technique": "saliency", "image": "photo", "network": "/n"}, "unknown network '/n'"),
        (
            {"technique": "saliency", "image": "photo", "options": {"batch_size": 0}},
            "saliency: batch_size: input should be greater than or equal to 1, not 0",
        ),
        (
            {"technique": "saliency", "image": "photo", "options": {"target": "like:/etc/passwd"}},
            "there is no image '/etc/passwd'",
        ),
        (
            {"technique": "stylize", "image": "photo", "options": {"checkpoint": "/x.pt"}},
            "checkpoint names a file, which only the command line and Python can choose",
        ),
        (
            {"technique": "deepdream", "image": "photo", "options": {"guide": "/etc/passwd"}},
            "there is no image '/etc/passwd'",
        ),
        (
            {"technique": "embedding_map", "options": {"index": "/index"}},
            "unknown index '/index'",
        ),
        (
            {"technique": "compare", "image": "photo", "options": {"nets": ["n0", "resnet18"]}},
            "unknown network 'resnet18'",
        ),
        ({"technique": "compress", "options": {}}, "compress: folder"),
        ({"technique": "activations", "image": "photo", "check": True}, "check judges"),
    ],
)
def test_a_refusal_is_one_line(
    server: Server, tmp_path: Path, request_: dict[str, Any], says: str
) -> None:
    request = RunRequest(**request_)
    with pytest.raises(cs.ConvscopeError) as caught:
        server.ask("describe_run", request=request, files=server.files)
    assert says in str(caught.value)
    steps, ended = server.run(tmp_path / "run", request)
    assert not steps
    assert (ended.state, ended.problem) == ("failed", str(caught.value))


@pytest.mark.parametrize(
    ("technique", "options"),
    [
        ("occlusion", {"patch": 16, "stride": 16}),
        ("ladder", {"target": 1, "steps": 1, "size": 32}),  # scores are NaN at first
    ],
)
def test_frames_are_json(
    server: Server, tmp_path: Path, technique: str, options: dict[str, Any]
) -> None:
    image = "photo" if technique == "occlusion" else None
    request = RunRequest(technique=technique, image=image, options=options)
    steps, _ = server.run(tmp_path / "run", request)
    for one in steps:
        text = one.frame.model_dump_json()
        json.loads(text, parse_constant=pytest.fail)
        assert FrameInfo.model_validate_json(text) == one.frame


def test_a_network_that_cannot_be_loaded_says_why() -> None:
    told: list[Loaded] = []
    networks = Networks({"n0": {"name": "efficientnet_lite7"}}, told.append)
    with pytest.raises(cs.ConvscopeError, match="unknown network 'efficientnet_lite7'"):
        networks.get("n0")
    assert [one.network.state for one in told] == ["loading", "failed"]
    assert "'efficientnet_lite0'" in str(told[-1].network.problem)
    with pytest.raises(cs.ConvscopeError, match="start convscope explore with --model"):
        Networks({}, told.append).get(None)


def test_networks_load_while_questions_are_answered(server: Server) -> None:
    assert server.ask("classes", network="n0", limit=3)[1].index == 1
    states = [one.network.state for one in server.loaded]
    assert states == ["loading", "ready"]
    assert server.loaded[-1].network.num_classes == 3
    with pytest.raises(cs.ConvscopeError, match="unknown network 'n1'"):
        server.ask("predictions", network="n1", image="sample:chelsea")


def test_predictions_are_those_of_python(server: Server, photograph: Path) -> None:
    found = server.ask("predictions", network="n0", image=photograph)
    expected = own_network().predict(cs.open_image(photograph))
    assert [(one.name, one.probability, one.index) for one in found] == [*map(tuple, expected)]
    assert torch.tensor([one.probability for one in found]).sum() == pytest.approx(1)


def test_a_check_is_told_in_words(server: Server, tmp_path: Path) -> None:
    request = RunRequest(technique="gradcam", image="photo", options={"target": 1}, check=True)
    steps, ended = server.run(tmp_path / "run", request)
    assert (ended.state, ended.problem) == ("done", None)
    assert not steps[0].frame.check
    found = {one.question: one for one in steps[-1].frame.check}
    assert len(found) == 5
    assert all(question.endswith("?") for question in found)
    summary = steps[-1].frame.summary["check"]
    deletion = found["Does the score fall when the highest pixels are hidden?"]
    assert deletion.passed is (summary["deletion"] < summary["deletion_moved"])
    assert deletion.answer == summary["findings"]["deletion"]
    random = found["Does the map change when the network forgets what it learned?"]
    assert random.passed is (summary["random_weights"]["half random"] <= 0.5)
