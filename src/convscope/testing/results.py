"""Checks of what a technique gives: finite numbers of the promised shapes."""

from __future__ import annotations

import json
import re

import numpy as np
import torch
from pydantic import TypeAdapter

from convscope.errors import ConvscopeError
from convscope.runs import frame_and_summary
from convscope.testing.cases import (
    Case,
    numbers,
    small_network,
    small_photograph,
)


def check_attribution(case: Case) -> None:
    """An attribution maps a photograph for a target, by a heatmap or a gradient."""
    if not case.technique.attribution:
        return
    assert case.technique.takes_image
    assert "target" in case.technique.model.model_fields
    net = small_network()
    result = case.run(net, target=2).result()
    assert result.summary["target"] == "class 2"
    maps = [array for array in (result.heatmap, result.gradient) if array is not None]
    assert maps, "neither a heatmap nor a gradient"
    assert all(array.shape[-2:] == net.input_size for array in maps)
    if "score" not in case.technique.model.model_fields:  # where it is the user's choice
        logit = float(net.logits(small_photograph())[0, 2])
        np.testing.assert_allclose(result.score, logit, rtol=1e-4)  # type: ignore[arg-type]


def check_numbers(case: Case) -> None:
    """Numbers are finite and of the promised shapes, for color, gray and double precision."""
    for net in (small_network(), small_network(channels=1), small_network(dtype=torch.float64)):
        result = case.run(net).result()
        for name, array in numbers(result).items():
            assert np.isfinite(array).all(), f"{name} is not finite"
        if result.image is not None:
            assert result.image.ndim == 4
            channels = len(net.mean) if case.technique.takes_network else 3
            assert result.image.shape[3] == channels
            assert 0 <= result.image.min() <= result.image.max() <= 1
        for maps in (result.gradient, result.heatmap):
            assert maps is None or maps.dtype == str(net.dtype).removeprefix("torch.")
        if result.heatmap is not None:
            assert result.heatmap.shape == net.input_size
        assert min(result.picture.size) >= 16
        assert result.picture.mode == "RGB"


def check_summary(case: Case) -> None:
    """The summary is plain data, and what the return annotation says."""
    summary = dict(case.run(small_network()).result().summary)
    assert summary, "something to quote"
    json.dumps(summary, allow_nan=False)
    _, declared = frame_and_summary(case.technique.function)
    if declared is not None:
        assert TypeAdapter(declared).validate_python(summary, strict=True) == summary


def check_sizes(case: Case) -> None:
    """A photograph of an odd size is handled, or refused with its size."""
    for height, width in ((1, 1), (7, 300), (300, 7)):
        try:
            result = case.run(small_network(), small_photograph(height, width)).result()
        except ConvscopeError as error:
            assert f"{height} x {width}" in str(error)
        else:
            assert min(result.picture.size) > 0


def check_flat_photograph(case: Case) -> None:
    """A photograph of one color is handled, or refused in one line."""
    if not case.technique.takes_image:
        return
    for value in (0.0, 0.5, 1.0):
        try:
            result = case.run(small_network(), torch.full((1, 3, 40, 48), value)).result()
        except ConvscopeError as error:
            assert re.search(r"too plain|\b40 x 48\b", str(error))
            assert "\n" not in str(error)
        else:
            for array in (result.gradient, result.heatmap):
                assert array is None or np.isfinite(array).all()
            json.dumps(dict(result.summary), allow_nan=False)
            assert min(result.picture.size) > 0


def check_two_photographs(case: Case) -> None:
    """Two photographs give what each gives alone, or are refused."""
    if not case.technique.takes_image:
        return
    net, first = small_network(), small_photograph()
    try:
        together = case.run(net, torch.cat([first, first.flip(3)])).result()
    except ConvscopeError as error:
        assert re.search(r"\bone image|several images|not 2\b", str(error))
        return
    assert min(together.picture.size) > 0
    alone = case.run(net, first).result()
    for name in ("gradient", "heatmap"):
        array = getattr(alone, name)
        if array is not None:
            np.testing.assert_allclose(
                getattr(together, name)[0], array, rtol=1e-4, atol=1e-5 * np.abs(array).max()
            )
