"""Checks of what a technique declares: its documentation, its options, what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from convscope.errors import ConvscopeError
from convscope.network import DEFAULT
from convscope.testing.cases import (
    Case,
    Own,
    small_network,
    small_photograph,
)


def check_documentation(case: Case) -> None:
    """It has a title, one sentence, a paragraph, and a paper with its address."""
    technique = case.technique
    assert re.fullmatch(r"[A-Z].{20,}[^.]\.", technique.summary), "one line, one sentence"
    assert not re.search(r"[.!?] [A-Z]", technique.summary), "one sentence"
    assert len(technique.description) > 80, "a paragraph says how it works or how to read it"
    assert re.search(r"[A-Z]\w+.* (19|20)\d\d", technique.paper), "authors and year"
    assert re.fullmatch(r"https://\S+", technique.url), "the address of the paper"
    assert re.fullmatch(r"[A-Z][\w ,'+-]+", technique.title), "a title"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", technique.name), "a function's name"


def check_options(case: Case) -> None:
    """Every option has a description, and its default is valid."""
    technique, required = case.technique, {}
    for name, field in technique.model.model_fields.items():
        assert field.description, f"{name} has no description"
        assert field.description[0].islower(), f"{name}: begins in lower case, as in the help"
        assert not field.description.endswith("."), f"{name}: no full stop, as in the help"
        if field.is_required():
            required[name] = case.options_for(small_network())[name]
    checked = technique.validate(required)
    assert technique.validate(checked) == checked


def check_bounds(case: Case) -> None:
    """Every number among the options has a lower and an upper bound."""
    for name, schema in case.technique.schema()["properties"].items():
        for kind in schema.get("anyOf", [schema]):
            if name not in ("target", "label") and kind.get("type") in ("integer", "number"):
                assert {"minimum", "exclusiveMinimum"} & set(kind), f"{name} has no lower bound"
                assert {"maximum", "exclusiveMaximum"} & set(kind), f"{name} has no upper bound"


def check_unknown_option(case: Case) -> None:
    """An unknown option is refused, and the nearest named."""
    name = next(iter(case.technique.model.model_fields), None)
    if name is not None:
        message = _refusal(partial(case.run, small_network(), None, **{f"{name}x": 1}))
        assert re.search(rf"unknown option .*did you mean.*{name!r}", message)


def check_wrong_network(case: Case) -> None:
    """What is no network is refused, and by a technique that takes none, any."""
    use = case.technique.network_use
    expected = "takes no network" if use == "none" else "needs a Network first"
    wrong: list[Any] = [DEFAULT, Own(), *([None] if use == "needed" else [])]
    for net in wrong:
        message = _refusal(partial(case.technique.run, net, small_photograph()))
        assert expected in message


def check_wrong_image(case: Case) -> None:
    """What is no image in [0, 1] is refused."""
    net = small_network()
    options = case.options_for(net)
    first = net if case.technique.takes_network else None
    for kind, image in _wrong_images().items():
        message = _refusal(partial(case.technique.run, first, image, **options))
        assert case.technique.takes_image or "takes no image" in message, kind
    if case.technique.needs_image:
        _refusal(partial(case.technique.run, first, None, **options))


def _wrong_images() -> Mapping[str, Any]:
    photo = small_photograph()
    return {
        "path": "cat.jpg",
        "NumPy": np.zeros((1, 3, 40, 48), np.float32),
        "bytes": torch.zeros(1, 3, 40, 48, dtype=torch.uint8),
        "no batch": photo[0],
        "list": [photo, photo],
        "channels last": photo.permute(0, 2, 3, 1),
        "five channels": torch.zeros(1, 5, 40, 48),
        "normalized": (photo - 0.45) / 0.22,
        "up to 255": photo * 255,
        "NaN": photo.where(photo < 0.5, torch.nan),
        "infinity": photo.where(photo < 0.5, torch.inf),
        "no pixels": torch.zeros(1, 3, 0, 48),
        "no images": torch.zeros(0, 3, 40, 48),
    }


def _refusal(call: Callable[[], object]) -> str:
    """The message of the ConvscopeError that a call must raise: one line, not too long."""
    try:
        call()
    except ConvscopeError as error:
        message = str(error)
        assert "\n" not in message
        assert len(message) < 200
        return message
    raise AssertionError("nothing was refused")


CHECKS: tuple[Callable[[Case], None], ...] = tuple(
    value for name, value in dict(globals()).items() if name.startswith("check_")
)
