"""Files of style networks: what is written is read, and what is damaged is refused in one line."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from convscope import ConvscopeError
from convscope.stylization import SHIPPED, StyleNetwork, open_styles, save_styles

KEY = "convscope_styles"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_styles(
        tmp_path / "a.safetensors", StyleNetwork(["sea", "fire"], 2, 1), {"steps": 3}
    )


def test_what_is_written_is_read(saved: Path) -> None:
    net, about = open_styles(saved)
    assert net.styles == about.styles == ("sea", "fire")
    assert about.made == {"steps": 3}
    stored = load_file(saved)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    for name, value in net.state_dict().items():
        assert torch.equal(value, stored[name].float())
    assert not net.training
    assert not any(value.requires_grad for value in net.parameters())


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    other = tmp_path / "b.safetensors"
    save_file({"a": torch.zeros(2)}, other)
    with pytest.raises(ConvscopeError, match="not made by convscope"):
        save_styles(other, StyleNetwork(["sea"], 2, 1), {})


def header(**changes: object) -> dict[str, str]:
    told = {"styles": ["sea", "fire"], "channels": 2, "blocks": 1, "made": {}} | changes
    return {KEY: json.dumps(told)}


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({}, "no style network"),
        ({KEY: "{"}, "says nothing usable"),
        ({KEY: "[" * 100_000}, "says nothing usable"),
        ({KEY: "[]"}, "says nothing usable"),
        (header(styles=[]), "says nothing usable"),
        (header(styles=["sea", "sea"]), "says nothing usable"),
        (header(channels=10**9), "says nothing usable"),
        (header(blocks=-1), "says nothing usable"),
        (header(channels=3), "not those of its styles"),
        (header(blocks=2), "not those of its styles"),
        (header(styles=["sea"]), "not those of its styles"),
    ],
)
def test_damaged_headers(saved: Path, metadata: dict[str, str], match: str) -> None:
    save_file(load_file(saved), saved, metadata)
    with pytest.raises(ConvscopeError, match=match) as caught:
        open_styles(saved)
    assert "\n" not in str(caught.value)


def test_damaged_numbers(saved: Path) -> None:
    numbers = load_file(saved)
    first = min(numbers)
    save_file(numbers | {first: numbers[first].float()}, saved, header())
    with pytest.raises(ConvscopeError, match="float16"):
        open_styles(saved)
    save_file(numbers | {first: numbers[first] * torch.nan}, saved, header())
    with pytest.raises(ConvscopeError, match="not finite"):
        open_styles(saved)


def test_a_file_that_breaks_off(saved: Path) -> None:
    content = saved.read_bytes()
    for length in (0, 4, 20, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(ConvscopeError, match=r"a\.safetensors is no checkpoint"):
            open_styles(saved)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match="no checkpoint at"):
        open_styles(tmp_path / "none.safetensors")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ConvscopeError, match="no file of weights"):
        open_styles(picture)
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ConvscopeError, match="no style network"):
        open_styles(tmp_path / "other.pt")


def test_the_network_that_comes_with_the_package() -> None:
    net, about = open_styles()
    assert len(net.styles) >= 12
    assert about.made["network"] == "squeezenet1_1"
    assert SHIPPED.stat().st_size < 1_100_000
    image = torch.rand(1, 3, 32, 32)
    pictures = [net(image, net.weights(name)) for name in net.styles]
    assert torch.stack(pictures).isfinite().all()
    different = [(one - other).abs().mean() for one, other in itertools.combinations(pictures, 2)]
    assert min(different) > 0.01
