"""Files of weights that are damaged, that lie, or that are something else: one line, no memory."""

from __future__ import annotations

import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from convscope.errors import ConvscopeError
from convscope.network.checkpoints.loading import Checkpoint


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 8))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.save(module().state_dict(), tmp_path / "a.pt")
    return tmp_path / "a.pt"


def refused(path: Path, message: str, most: int = 8 << 20) -> None:
    """It is refused in one line, and uses at most so many bytes."""
    made = module()
    kept = {name: value.clone() for name, value in made.state_dict().items()}
    tracemalloc.start()
    try:
        with pytest.raises(ConvscopeError) as caught:
            Checkpoint(path).load(made)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert re.search(message, text), text
    assert text.isprintable()
    assert len(text) < 300
    assert used < most
    assert all(torch.equal(value, kept[name]) for name, value in made.state_dict().items())


def rewritten(
    path: Path,
    change: Callable[[str, bytes], bytes] = lambda _, data: data,
    how: int = zipfile.ZIP_STORED,
    more: Iterable[tuple[str, bytes]] = (),
) -> Path:
    """The same archive with other entries."""
    new = path.with_name("b.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", how) as archive:
        for name in old.namelist():
            archive.writestr(name, change(name, old.read(name)))
        for name, data in more:
            archive.writestr(name, data)
    return new


def with_pickle(path: Path, data: bytes) -> Path:
    return rewritten(path, lambda name, old: data if name.endswith("data.pkl") else old)


# ------------------------------------------------------------------------------ archives


def test_what_inflates_is_not_inflated(saved: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return bytes(64 << 20) if name.endswith("data/0") else data

    bomb = rewritten(saved, change, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    refused(bomb, r"b\.pt is no checkpoint: its tensors are compressed", most=1 << 20)


def test_a_flipped_bit_is_found(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    numbers = torch.load(saved, weights_only=True)["0.weight"].numpy().tobytes()
    data[data.find(numbers) + 1000] ^= 1
    saved.write_bytes(data)
    assert torch.load(saved, weights_only=True)  # torch does not look
    refused(saved, "its sums do not match: it is damaged; copy it again")


def test_files_whose_sums_were_left_out_load(tmp_path: Path) -> None:
    state = module().state_dict()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    loaded = Checkpoint(tmp_path / "a.pt").load(module())
    assert torch.equal(loaded.module.state_dict()["0.weight"], state["0.weight"])


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_every_place_where_a_file_may_be_cut(old: bool, saved: Path) -> None:
    torch.save(module().state_dict(), saved, _use_new_zipfile_serialization=not old)
    whole = saved.read_bytes()
    for end in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        saved.write_bytes(whole[:end])
        refused(saved, r"a\.pt (is no checkpoint|cannot be loaded|holds no)")


def test_flips_anywhere_are_named_or_harmless(saved: Path) -> None:
    """What loads in spite of a flipped byte has the very same numbers."""
    whole, right = saved.read_bytes(), torch.load(saved, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for place in torch.randint(len(whole), (120,), generator=generator).tolist():
        data = bytearray(whole)
        data[place] ^= 0x55
        saved.write_bytes(data)
        try:
            loaded = Checkpoint(saved).load(module()).module.state_dict()
        except ConvscopeError:
            continue
        assert all(torch.equal(value, right[name]) for name, value in loaded.items())


def test_archives_that_are_something_else(saved: Path) -> None:
    refused(rewritten(saved, more=[("other/data.pkl", b"")]), "is a zip archive, but not one of")
    refused(rewritten(saved, more=[("a/constants.pkl", b"")]), "is TorchScript, which hides")
    refused(rewritten(saved, more=[("a/archive_format", b"")]), "give it as the network, with --m")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = rewritten(saved, more=[("a/data/0", b"")])
    refused(twice, "two entries of one name")
    big = rewritten(saved, lambda n, data: b"big" if n.endswith("byteorder") else data)
    refused(big, "puts the high bytes first")
    short = rewritten(saved, lambda n, data: data[:8] if n.endswith("data/0") else data)
    refused(short, "the numbers of a tensor are missing, or not all are there")


def test_an_archive_of_very_many_entries(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 50 bytes in the file, and `zipfile` makes an object of it."""
    record64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**7, 10**7, 10**9, 0)
    whole = saved.read_bytes()
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(whole) - 22, 1)
    big = saved.with_name("c.pt")
    big.write_bytes(whole[:-22] + record64 + locator + whole[-22:])
    refused(big, "holds far more than weights", most=1 << 20)
    monkeypatch.setattr("convscope.network.checkpoints.zip_files.LARGEST_DIRECTORY", 3000)
    refused(rewritten(saved, more=[(f"a/data/x{n}", b"") for n in range(50)]), "far more than")
    Checkpoint(saved)


# ------------------------------------------------------------------------------- pickles


def tensor(storage: bytes, offset: int, shape: bytes, stride: bytes) -> bytes:
    """The pickle of {"0.weight": a tensor}, in protocol 2 and by hand."""
    return (
        b"\x80\x02}X\x08\x00\x00\x000.weightctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"J"
        + struct.pack("<i", offset)
        + shape
        + stride
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )


STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuM\x00"
    b"\x04tQ"
)


def test_the_pickle_by_hand_is_right(saved: Path) -> None:
    made = with_pickle(saved, tensor(STORAGE, 0, b"K K \x86", b"K K\x01\x86"))
    (state,) = Checkpoint(made)._states
    assert state.tensors["0.weight"].shape == (32, 32)  # type: ignore[union-attr]


LIES = {
    "far too large": tensor(STORAGE, 0, b"\x8a\x06\x00\x00\x00\x00\x00\x01K \x86", b"K K\x01\x86"),
    "behind the end": tensor(STORAGE, 1, b"K K \x86", b"K K\x01\x86"),
    "before the beginning": tensor(STORAGE, -1, b"K K \x86", b"K K\x01\x86"),
    "steps backwards": tensor(STORAGE, 0, b"K K \x86", b"K J\xff\xff\xff\xff\x86"),
    "no shape": tensor(STORAGE, 0, b"X\x01\x00\x00\x00a", b"K\x01\x85"),
    "storage of nothing": tensor(b"K\x01", 0, b"K K \x86", b"K K\x01\x86"),
    "a number in the memo": b"\x80\x02}r\xff\xff\xff\xff.",
    "bytes of a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 10**12) + b".",
    "text of a terabyte": b"\x80\x04\x8d" + struct.pack("<Q", 10**12) + b".",
    "a number of many digits": b"\x80\x02I" + b"9" * 100_000 + b"\n.",
    "tuples in tuples as a key": b"\x80\x02})" + b"2\x86" * 300 + b"K\x01s.",
    "an extension": b"\x80\x02\x82\x01.",
    "nothing": b"",
    "no end": b"\x80\x02}",
    "a set of lists": b"\x80\x02]q\x00ccopyreg\n_reconstructor\nR.",
    "a storage of no type": tensor(
        b"(X\x07\x00\x00\x00storageK\x01K\x01K\x01K\x01tQ", 0, b")", b")"
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_pickles_that_lie(lie: str, saved: Path) -> None:
    refused(with_pickle(saved, LIES[lie]), r"b\.pt (is no checkpoint: |holds no state dict)")


def test_a_pickle_that_grows_is_stopped(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte of a pickle can be 64 bytes in memory, and a copy of all that is there."""
    monkeypatch.setattr("convscope.network.checkpoints.pickles.MOST_OPERATIONS", 20_000)
    many = b"]q\x00(" + b"K\x01" * 5000 + b"e"
    sets = b"c__builtin__\nset\nq\x01" + b"h\x01h\x00\x85R" * 1000
    keys = b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(5000))
    objects = b"}q\x00(" + keys + b"u" + b"cfoo\nBar\n)\x81h\x00b" * 1000
    for data in (b"}" * 1_000_000, many + sets, objects):
        refused(with_pickle(saved, b"\x80\x02" + data + b"."), "holds far more than weights")


def module_of(parameters: bytes, modules: bytes) -> bytes:
    """The pickle of a module by hand: its dict of parameters, and that of the modules in it."""
    names = (b"X\x0b\x00\x00\x00_parameters", b"X\x08\x00\x00\x00_modules")
    return b"cmine\nNet\n)\x81}(" + names[0] + parameters + names[1] + modules + b"ub"


def test_modules_in_modules_are_not_listed_without_end(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 40 modules is twice in the next one: there would be 2 ** 40 names."""
    monkeypatch.setattr("convscope.network.checkpoints.states.MOST_NAMES", 5000)
    twice = b"}(X\x01\x00\x00\x00ah\x01X\x01\x00\x00\x00bh\x01u"
    one = module_of(b"}K\x01Ns", b"}") + b"q\x01"
    for _ in range(40):
        one = b"(" + one + b"1" + module_of(b"}", twice) + b"q\x01"
    refused(with_pickle(saved, b"\x80\x02" + one + b"."), "holds far more than weights")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_of_every_protocol(protocol: int) -> None:
    import io

    from convscope.network.checkpoints.pickles import read_pickle

    value: dict[Any, Any] = {
        "list": [1, -2, 2**70, 0.5, True, None, "tëxt", b"bytes", bytearray(b"x")],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        3: {"again": "again", "set": {7}, "frozen": frozenset({8})},
        "long": ["x" * 300] * 2 + list(range(3000)),
    }
    found = read_pickle(io.BytesIO(pickle.dumps(value, protocol)))
    assert (found[3].pop("set"), found[3].pop("frozen")) == ([7], [8])
    del value[3]["set"], value[3]["frozen"]
    if protocol < 3:  # bytes are calls of a function there
        found["list"][7:] = value["list"][7:]
    if protocol in (3, 4):
        found["list"][8:] = value["list"][8:]
    assert found == value


# --------------------------------------------------------------------------- safetensors


def header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        header(b'{"a":{"dtype":"F32","shape":[4000000000,9],"data_offsets":[0,4]}}', b"1234"),
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
               b'"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"1234"),
        header(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"1234"),
        header(b"{not json}"),
        struct.pack("<Q", 1 << 60) + b"{",
        struct.pack("<Q", 15 << 20) + b"{",
    ],
)  # fmt: skip
def test_headers_of_safetensors_that_lie(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    refused(path, r"a\.safetensors is no checkpoint: (it is damaged|its header is far too large)")


def test_headers_of_every_length(tmp_path: Path) -> None:
    """The first byte, the length of the header, may be that of a pickle or of an archive."""
    path, firsts = tmp_path / "a.safetensors", set()
    for length in range(0, 300, 8):
        save_file({"w": torch.ones(2)}, path, {"text": "x" * length})
        firsts.add(path.read_bytes()[0])
        assert Checkpoint(path)._states
    assert 0x80 in firsts


# -------------------------------------------------------------------------- other files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"123", "it is damaged, or no file of weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run `git lfs pull`"),
        (b"\n<!DOCTYPE html><html>", "it is a web page: download the file itself"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 file of Keras"),
        (b"\x1f\x8b\x08", "it is compressed: unpack it"),
        (b"x" * 257 + b"ustar", "it is a tar archive: unpack it"),
        (pickle.dumps({"a": 1}), "it is a pickle, but not one of torch.save"),
    ],
)
def test_files_of_another_kind(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.pth.tar").write_bytes(content)
    refused(tmp_path / "a.pth.tar", r"a\.pth\.tar is no checkpoint: .*" + message)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "loop.pt").symlink_to("loop.pt")
    (tmp_path / "folder.pt").mkdir()
    for name in ("nowhere.pt", "pipe.pt", "loop.pt"):
        refused(tmp_path / name, f"no checkpoint at .*{name}")
    refused(tmp_path / "folder.pt", "which is a folder: give a file in it")
