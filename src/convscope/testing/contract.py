"""Checks of what every run keeps: the same results again, live, saved, shown and replayed."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image
from torch import nn

from convscope import replay
from convscope.files import images, read_provenance
from convscope.network import Network, load
from convscope.testing.cases import (
    Case,
    digest,
    numbers,
    small_network,
)


def check_seed(case: Case) -> None:
    """The seed decides the picture."""
    if "seed" in case.technique.model.model_fields:
        net = small_network()
        assert digest(case.run(net, seed=0).result()) == case.pixels
        assert digest(case.run(net, seed=1).result()) != case.pixels


def check_iterations(case: Case) -> None:
    """Every iteration gives the same results, and no result changes an earlier one."""
    run = case.run(small_network())
    kept = list(run)
    before = [(digest(one), copy.deepcopy(numbers(one))) for one in run]
    assert [digest(one) for one in kept] == [pixels for pixels, _ in before]
    assert [one.step for one in kept] == list(range(1, len(kept) + 1))
    assert {one.steps for one in kept} == {len(kept)}
    for result, (_, values) in zip(kept, before, strict=True):
        for name, array in numbers(result).items():
            np.testing.assert_array_equal(array, values[name], name)


def check_last_result(case: Case) -> None:
    """The result is the last one, whether the run was iterated over, broken off or neither."""
    net = small_network()
    broken_off, drained = case.run(net), case.run(net)
    next(iter(broken_off))
    *_, last = drained
    assert drained.result() is last
    for result in (last, broken_off.result()):
        assert result.step == result.steps
        assert digest(result) == case.pixels
        assert case.technique.name in repr(result)


def check_laziness(case: Case) -> None:
    """Nothing is computed before it is asked for."""
    net = small_network()
    case.options_for(net)
    with mock.patch.object(nn.Module, "__call__", side_effect=AssertionError("the network ran")):
        run = case.run(net)
    assert case.technique.name in repr(run)


def check_saving(case: Case) -> None:
    """The saved picture has the same pixels and the options; so has a notebook's."""
    net = small_network()
    run = case.run(net)
    with tempfile.TemporaryDirectory() as folder:
        file = run.save(Path(folder, "a.png"))
        with Image.open(file) as picture:
            assert hashlib.sha256(picture.tobytes()).hexdigest() == case.pixels
        provenance = read_provenance(file)
    assert provenance["technique"] == case.technique.name
    options = case.technique.validate(case.options_for(net))
    assert provenance["parameters"] == json.loads(json.dumps(options))


def check_showing(case: Case) -> None:
    """A notebook shows the picture, in few bytes, and the system's viewer the same pixels."""
    run = case.run(small_network())
    result = run.result()
    shown, _ = result._repr_mimebundle_()
    (kind,) = shown.keys() - {"text/plain"}
    data = base64.b64decode(shown[kind])
    assert len(data) <= 220_000
    with Image.open(io.BytesIO(data)) as picture:
        ratio = result.picture.width / result.picture.height
        assert abs(picture.width - ratio * picture.height) <= max(1, ratio)
        if kind == "image/png" and picture.size == result.picture.size:
            assert hashlib.sha256(picture.tobytes()).hexdigest() == case.pixels
    with (
        mock.patch.dict(sys.modules, {"IPython": None}),
        mock.patch.object(Image.Image, "show") as show,
    ):
        run.show()
    show.assert_called_once_with()


@cache
def _load(name: str, **options: Any) -> Network:
    """A network by name, for 96 x 96 pixels: its own size takes five times as long."""
    loaded = load(name, **options)
    net = Network(loaded.module, **{**loaded.settings, "input_size": 96})
    net.source = loaded.source
    return net


def check_replay(case: Case) -> None:
    """A picture of the network that its command takes can be made again, pixel by pixel."""
    net = _load(case.technique.network, pretrained=True, checkpoint=None, device="cpu")
    run = case.run(net, images.open_image("sample:chelsea"))
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(replay, "load", _load):
        first = run.save(Path(folder, "first.png"))
        again = replay.remake(first, trust=True).save(Path(folder, "again.png"))
        assert read_provenance(first) == read_provenance(again)
        with Image.open(first) as old, Image.open(again) as new:
            assert old.tobytes() == new.tobytes()
