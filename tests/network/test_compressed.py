"""Files of compressed networks: their bytes, what comes out of them, and what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from torch import nn

import convscope as cs
from convscope.network import Shared, coding, save_compressed
from convscope.network.checkpoints.loading import Checkpoint
from convscope.network.compressed.files import KEY, SUM


def shared(value: torch.Tensor, levels: int) -> Shared:
    """A tensor rounded to a few numbers that float16 holds."""
    table = torch.linspace(float(value.min()), float(value.max()), levels).half().float()
    return Shared(table, (value[..., None] - table).abs().argmin(-1))


# ------------------------------------------------------------------------------- coding


@given(st.lists(st.integers(0, 18), min_size=1, max_size=200))
def test_codes_come_out_as_they_went_in(numbers: list[int]) -> None:
    indices = np.array(numbers)
    frequency = coding.frequencies(indices, 19)
    assert (
        coding.decode(coding.encode(indices, frequency), frequency, len(indices)) == indices
    ).all()
    packed = coding.pack(indices, 19)
    assert len(packed) == coding.packed_size(19, len(indices)) == -(-len(indices) * 5 // 8)
    assert (coding.unpack(packed, 19, len(indices)) == indices).all()


def test_codes_are_as_short_as_entropy_allows() -> None:
    indices = np.random.default_rng(0).binomial(30, 0.4, 100_000)
    counts = np.bincount(indices, minlength=31)
    chances = counts[counts > 0] / 100_000
    wanted = -100_000 * (chances * np.log2(chances)).sum()
    assert coding.entropy(counts) == pytest.approx(wanted)
    bits = 32 * len(coding.encode(indices, coding.frequencies(indices, 31)))
    assert wanted <= bits < wanted * 1.001


def test_length_of_a_huffman_code_worked_by_hand() -> None:
    # 45, 13, 12, 16, 9, 5 have codes of 1, 3, 3, 3, 4 and 4 bits (Cormen et al., section 16.3).
    assert coding.huffman_bits(np.array([45, 13, 12, 16, 9, 5])) == 45 + 3 * 41 + 4 * 14
    assert coding.huffman_bits(np.array([7, 0, 7])) == 14
    assert coding.huffman_bits(np.array([9])) == 9


def test_no_prefix_code_is_shorter_than_that_of_huffman() -> None:
    for counts in ([3, 1, 4, 1, 5], [10, 1, 1, 1, 1], [2, 2, 2, 3, 9]):
        lengths = (
            some
            for some in itertools.product(range(1, 6), repeat=len(counts))
            if sum(2.0**-length for length in some) <= 1  # Kraft
        )
        least = min(
            sum(n * length for n, length in zip(counts, some, strict=True)) for some in lengths
        )
        assert coding.huffman_bits(np.array(counts)) == least


# -------------------------------------------------------------------------------- files


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))


def saved(path: Path, forms: str = "coded", source: dict[str, object] | None = None) -> Path:
    state = module().state_dict()
    tensors = {
        name: (shared(value, 7), forms) if value.dim() > 1 and forms != "sparse" else (value, forms)
        for name, value in state.items()
        if value.is_floating_point()
    }
    save_compressed(path, tensors, source, {"by": "a test"})  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("form", ["coded", "packed"])
def test_shared_weights_come_out_bit_for_bit(tmp_path: Path, form: str) -> None:
    file, made = saved(tmp_path / "a.safetensors", form), module()
    Checkpoint(file).load(made)
    for name, value in module().state_dict().items():
        found = made.state_dict()[name]
        if value.dim() > 1:
            assert torch.equal(found, shared(value, 7).decoded)
        elif value.is_floating_point():
            assert torch.equal(found, value.half().float())


def test_pruned_weights_come_out_bit_for_bit(tmp_path: Path) -> None:
    state = {n: v for n, v in module().state_dict().items() if v.is_floating_point()}
    pruned = {name: value * (value.abs() > value.abs().mean()) for name, value in state.items()}
    sizes = save_compressed(
        tmp_path / "a.safetensors",
        {
            name: (value, "sparse" if value.dim() > 1 else "float32")
            for name, value in pruned.items()
        },
        None,
        {},
    )
    made = module()
    Checkpoint(tmp_path / "a.safetensors").load(made)
    assert all(torch.equal(made.state_dict()[name], value) for name, value in pruned.items())
    assert sizes.total == (tmp_path / "a.safetensors").stat().st_size
    kept = sum(int((value != 0).sum()) for value in pruned.values() if value.dim() > 1)
    assert sizes.weights >= 4 * kept


def test_parts_of_a_file_add_up_to_its_bytes(tmp_path: Path) -> None:
    weights = shared(torch.randn(64, 32, 3, 3), 16)
    bias = torch.randn(64)
    file = tmp_path / "a.safetensors"
    sizes = save_compressed(file, {"w": (weights, "packed"), "b": (bias, "float16")}, None, {})
    assert sizes.total == file.stat().st_size
    assert sizes.weights == 64 * 32 * 9 * 4 / 8
    assert sizes.levels == 16 * 2
    assert sizes.others == 64 * 2


def test_large_numbers_are_kept_in_float32(tmp_path: Path) -> None:
    made, file = nn.Linear(2, 1), tmp_path / "a.safetensors"
    state = {"weight": torch.tensor([[1e6, 1e-3]]), "bias": torch.tensor([3e38])}
    save_compressed(file, {name: (value, "float16") for name, value in state.items()}, None, {})
    Checkpoint(file).load(made)
    assert torch.equal(made.weight, state["weight"])
    assert torch.equal(made.bias, state["bias"])


def test_a_network_is_loaded_by_its_file(tmp_path: Path, squeezenet: cs.Network) -> None:
    file = tmp_path / "small.safetensors"
    state = squeezenet.module.state_dict()
    tensors = {name: (value, "float16") for name, value in state.items()}
    save_compressed(file, tensors, squeezenet.source, {})  # type: ignore[arg-type]
    small = cs.load(str(file), device="cpu")
    assert (small.name, small.labels) == (squeezenet.name, squeezenet.labels)
    assert small.source is not None
    assert small.source["checkpoint"] == str(file.resolve())
    again = cs.load("squeezenet1_1", checkpoint=file, device="cpu")
    assert again.digest == small.digest
    for name, value in small.module.state_dict().items():
        assert torch.equal(value, state[name].half().float())


@pytest.mark.parametrize("source", [None, {"name": "mine.py:make"}])
def test_foreign_code_is_not_run(tmp_path: Path, source: dict[str, object] | None) -> None:
    file = saved(tmp_path / "a.safetensors", source=source)
    with pytest.raises(cs.ConvscopeError, match="give that code as the network"):
        cs.load(str(file))


def test_damage_anywhere_is_told(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.safetensors", source={"name": "squeezenet1_1"})
    whole = file.read_bytes()
    for place in range(8, len(whole), 61):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(cs.ConvscopeError) as caught:
            Checkpoint(file).load(module())
        assert "\n" not in str(caught.value)
    for size in (len(whole) // 2, len(whole) - 1, 50):
        file.write_bytes(whole[:size])
        with pytest.raises(cs.ConvscopeError, match="damaged, or was not written to the end"):
            Checkpoint(file)
        with pytest.raises(cs.ConvscopeError, match="damaged, or was not written to the end"):
            cs.load(str(file))


def resealed(file: Path, **changes: object) -> None:
    """Change the description, and make the sum match it, as a stranger could."""
    from convscope.network.compressed.files import _read, _sum

    header, rows = _read(file)
    about = json.dumps({**json.loads(header[KEY]), **changes})
    save_file(load_file(file), file, {KEY: about, SUM: _sum(about, rows)})


@pytest.mark.parametrize(
    "entry",
    [
        ["0.weight", [8, 3, 3, 3], "coded", 7000, 3],
        ["0.weight", [1 << 40], "same", 1.0],
        ["0.weight", [-1, 4], "same", 1.0],
        ["0.weight", [2], "same", 1e999],
        ["0.weight", [8, 3, 3, 3], "float32", -1],
        ["0.weight", [8, 3, 3, 3], "other"],
    ],
)
def test_a_description_that_lies_is_refused(tmp_path: Path, entry: list[object]) -> None:
    file = saved(tmp_path / "a.safetensors")
    resealed(file, entries=[entry])
    with pytest.raises(cs.ConvscopeError, match=r"does not fit|far too large|nothing usable"):
        Checkpoint(file).load(module())


def test_other_files_of_safetensors_are_no_compressed_networks(tmp_path: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(cs.ConvscopeError, match="is a file of weights"):
        cs.load(str(tmp_path / "a.safetensors"))
