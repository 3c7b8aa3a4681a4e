"""Damage to the files of an index: it is named and mended, or refused in one line; never silent."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import convscope as cs
from convscope.collection import cached_layout, channel_table
from convscope.collection.reading import Index
from convscope.collection.sealed import SEAL, write_sealed
from convscope.files import digest
from tests.helpers.collections import paint, same
from tests.helpers.networks import own_network

LAYOUT = "pca"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures, one of them broken, in three shards; `whole` and `other` are indexes."""
    home = tmp_path_factory.mktemp("home")
    for i in range(7):
        paint(home / "photos" / "ab"[i % 2] / f"{i}.png", i)
    (home / "photos" / "broken.png").write_bytes(b"no picture")
    for name, top in (("whole", 2), ("other", 3)):
        cs.index(own_network(), home / "photos", home / name, top=top, shard=3, workers=0).result()
        cached_layout(Index(home / name), LAYOUT)
    return home


def everything(path: Path) -> dict[str, Any]:
    """All that an index can say; everything in it is read."""
    index = Index(path)
    return {
        "images": index.images.to_pylist(),
        "heavy": index.table(["embedding", "thumbnail", "pixels"]).to_pylist(),
        "unreadable": index.unreadable,
        "embeddings": index.embeddings.tolist(),
        "pixels": index.pixels.tolist(),
        "peaks": [index.peaks.values.tolist(), index.peaks.positions.tolist()],
        "channels": channel_table.to_table(index.channels).to_pylist(),
        "layout": cached_layout(index, LAYOUT).places.tolist(),
    }


def judge(home: Path, broken: Path) -> str:
    """What becomes of a damaged index: it is "named" and mended, or "refused".

    Caches, and what cannot be told from an index that is not finished, are "mended" without a name.
    It is "sound" if nothing was damaged.
    """
    whole, before = everything(home / "whole"), same(home / "whole", broken)
    try:
        assert everything(broken) == whole, "what is read is what was written"
    except cs.ConvscopeError as error:
        assert "\n" not in str(error)
    try:
        indexing = cs.index(own_network(), home / "photos", broken, workers=0)
        damaged = [name for progress in indexing for name in progress.damaged]
    except cs.ConvscopeError as error:
        assert "\n" not in str(error)
        assert "damaged; delete" in str(error) or "made with" in str(error), error
        return "refused"
    cached_layout(indexing.result(), LAYOUT)
    assert same(home / "whole", broken)
    Index(broken).check_files()
    return "sound" if before else "named" if damaged else "mended"


def again(home: Path, place: Path) -> Index:
    return cs.index(own_network(), home / "photos", place, workers=0).result()


def files(index: Path) -> list[Path]:
    return sorted(p.relative_to(index) for p in index.rglob("*") if p.is_file())


def flip(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def cut(file: Path, chance: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: chance.randrange(len(content))])


def delete(file: Path, _: random.Random) -> None:
    file.unlink()


def lengthen(file: Path, chance: random.Random) -> None:
    file.write_bytes(file.read_bytes() + chance.randbytes(chance.randint(1, 99)))


def overwrite(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    begin = chance.randrange(len(content))
    some = chance.choice((bytes, chance.randbytes))(min(64, len(content) - begin))
    content[begin : begin + len(some)] = some or b"x"
    file.write_bytes(content)


def swap(file: Path, chance: random.Random) -> None:
    others = [p for p in file.parent.iterdir() if p.suffix == file.suffix and p != file]
    others = [p for p in others if {p.name, file.name} != set(IDENTITIES)]
    if others:
        other = chance.choice(others)
        one, two = file.read_bytes(), other.read_bytes()
        file.write_bytes(two)
        other.write_bytes(one)


ODD: list[Any] = [0, -1, 1, 7, 2**31, 2**70, 10**400, 0.5, math.nan, math.inf, None, True]
ODD += ["", "x" * 9999, "../../..", "\0", [], {}, [[]], json.loads("[" * 500 + "]" * 500)]


def edit(file: Path, chance: random.Random) -> None:
    """Put an odd value into JSON, which still parses."""
    if file.suffix != ".json":
        return flip(file, chance)
    values = json.loads(file.read_text())
    where = values
    while True:
        key: Any = chance.choice(list(where) if isinstance(where, dict) else range(len(where)))
        if not isinstance(where[key], dict | list) or not where[key] or chance.random() < 0.3:
            break
        where = where[key]
    before = where[key]
    where[key] = chance.choice([odd for odd in ODD if odd != before or odd is not before])
    file.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    return None


DAMAGES: list[Callable[[Path, random.Random], None]] = [
    flip, cut, delete, lengthen, overwrite, swap, edit,
]  # fmt: skip


IDENTITIES = ("index.json", "manifest.json")  # what it is an index of, twice

NAMELESS = ("done.json", "layouts/")


def test_each_file(home: Path, tmp_path: Path) -> None:
    chance = random.Random(0)
    for number, name in enumerate(files(home / "whole")):
        broken = shutil.copytree(home / "whole", tmp_path / str(number))
        harm = (flip, cut, delete)[number % 3]
        harm(broken / name, chance)
        outcome = judge(home, broken)
        nameless = name.as_posix().startswith(NAMELESS)
        assert outcome == "named" or (nameless and outcome == "mended"), (name, harm)


def test_without_either_copy_of_what_it_is_an_index_is_refused(home: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(home / "whole", tmp_path / "broken")
    one, other = (broken / name for name in IDENTITIES)
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert judge(home, broken) == "refused"


def test_all_damage_is_told_without_mending(home: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(home / "whole", tmp_path / "broken")
    Index(broken).check_files()
    names = ["manifest.parquet", "shards/000001-channels.parquet", "pixels.npy"]
    for name in names:
        flip(broken / name, random.Random(0))
    with pytest.raises(cs.ConvscopeError, match=r"^manifest.parquet in .* is damaged; convscope"):
        Index(broken).check_files()
    shutil.copy(home / "whole" / names[0], broken / names[0])
    told = r"^shards/000001-\*.parquet, pixels.npy in .* is damaged; convscope index .* repairs it"
    with pytest.raises(cs.ConvscopeError, match=told):
        Index(broken).check_files()


@pytest.mark.slow
def test_two_hundred_damages(home: Path, tmp_path: Path) -> None:
    """Each of the files is flipped, cut, deleted, swapped, edited or that of another index."""
    chance = random.Random(1)
    names = files(home / "whole")
    outcomes: Counter[str] = Counter()
    while outcomes["named"] + outcomes["mended"] < 200:
        broken = shutil.copytree(home / "whole", tmp_path / "broken")
        name = chance.choice(names)
        if chance.random() < 0.15 and (home / "other" / name).exists():
            shutil.copy(home / "other" / name, broken / name)
        else:
            chance.choice(DAMAGES)(broken / name, chance)
        outcome = judge(home, broken)
        outcomes[outcome] += 1
        nameless = name.as_posix().startswith(NAMELESS)
        assert outcome in ("sound", "named") or (nameless and outcome == "mended"), name
        shutil.rmtree(broken)


# ---------------------------------------------------- indexes whose checksums are right: forged


def forge(index: Path, name: str, write: Callable[[Path], object]) -> None:
    """Replace a merged file or a table of images, and say so in done.json."""
    write(index / name)
    done = json.loads((index / "done.json").read_text())
    del done[SEAL]
    if name in done["sha256"]:
        done["sha256"][name] = digest(index / name)
        done["sizes"][name] = (index / name).stat().st_size
    else:
        done["tables"][int(name[7:13])] = digest(index / name)
    write_sealed(index / "done.json", done)


def with_column(name: str, values: list[Any]) -> Callable[[Path], None]:
    """Rewrite a table with other values in the first rows of a column."""

    def write(file: Path) -> None:
        table = pq.read_table(file)
        kept = [*values, *table[name].to_pylist()[len(values) :]]
        kind = table.schema.field(name).type
        at = table.schema.get_field_index(name)
        pq.write_table(table.set_column(at, name, pa.array(kept, kind)), file)

    return write


def with_array(array: Any) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        with file.open("wb") as opened:
            np.save(opened, array, allow_pickle=True)

    return write


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


def bomb(file: Path) -> None:
    """A few kilobytes that are a hundred gigabytes of text."""
    table = pq.read_table(file)
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 10_000_000, pa.int32()), ["x" * 10_000])
    columns = {n: pa.nulls(len(long), table.schema.field(n).type) for n in table.column_names}
    pq.write_table(pa.table(columns | {"path": long}), file)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("images.parquet", with_column("path", ["../secret.png"])),
        ("images.parquet", with_column("path", ["/etc/passwd"])),
        ("images.parquet", with_column("path", ["a/../../b.png"])),
        ("images.parquet", with_column("path", ["a\0b.png"])),
        ("images.parquet", with_column("reason", ["gone"])),
        ("images.parquet", with_column("classes", [[-1]])),
        ("images.parquet", with_column("classes", [[0, 1, 2, 2**31 - 1]])),
        ("images.parquet", with_column("classes", [[]])),
        ("images.parquet", bomb),
        ("images.parquet", lambda file: pq.write_table(pa.table({"path": ["a.png"]}), file)),
        ("channels.parquet", with_column("top_row", [[0, 10**9]])),
        ("channels.parquet", with_column("top_position", [[-1, 0]])),
        ("channels.parquet", with_column("top_position", [[0]])),
        ("channels.parquet", with_column("images", [10**12])),
        ("channels.parquet", with_column("bottom_value", [[math.nan, 0]])),
        ("channels.parquet", with_column("total", [None])),
        ("channels.parquet", with_column("histogram", [[1] * 127])),
        ("embeddings.npy", with_array(np.array([Evil()], object))),
        ("embeddings.npy", with_array(np.zeros((8, 12), np.float16))),
        ("embeddings.npy", with_array(np.zeros((7, 12), np.float64))),
        ("embeddings.npy", with_array(np.zeros((7, 4, 3), np.float16))),
        ("pixels.npy", lambda file: file.write_bytes(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535)),
        ("shards/000000-images.parquet", with_column("reason", ["gone"])),
        ("shards/000000-images.parquet", lambda file: pq.write_table(pa.table({}), file)),
    ],
)
def test_what_no_index_can_hold(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = shutil.copytree(home / "whole", tmp_path / "broken")
    forge(broken, name, write)
    with pytest.raises(cs.ConvscopeError, match=f"{name} in .* holds what no index holds; delete"):
        everything(broken)
    assert not Path("executed").exists()


def test_a_shard_is_not_lost_by_a_count(home: Path, tmp_path: Path) -> None:
    """The receipt of a shard says that there is nothing in it, with a checksum that is right."""
    broken = shutil.copytree(home / "whole", tmp_path / "broken")
    receipt = broken / "shards" / "000001.json"
    values = json.loads(receipt.read_text())
    del values[SEAL]
    write_sealed(receipt, {**values, "images": 0, "unreadable": 3})
    assert judge(home, broken) == "named"


@pytest.mark.parametrize("text", ["[]", "[" * 10**5, '{"a": NaN}'])
@pytest.mark.parametrize("name", ["index.json", "manifest.json", "done.json", "shards/000000.json"])
def test_json_that_is_something_else(home: Path, tmp_path: Path, name: str, text: str) -> None:
    broken = shutil.copytree(home / "whole", tmp_path / "broken")
    (broken / name).write_text(text)
    assert judge(home, broken) == "named"


def test_a_folder_in_the_place_of_a_file(home: Path, tmp_path: Path) -> None:
    for name in files(home / "whole"):
        broken = shutil.copytree(home / "whole", tmp_path / name.name)
        (broken / name).unlink()
        (broken / name).mkdir()
        for run in (everything, lambda place: again(home, place)):
            try:
                run(broken)
            except cs.ConvscopeError as error:
                assert "\n" not in str(error)


def test_only_files_of_shards_are_deleted(home: Path, tmp_path: Path) -> None:
    index = shutil.copytree(home / "whole", tmp_path / "index")
    (index / "shards" / "holiday.jpg").write_bytes(b"mine")
    (index / "shards" / "000009-images.parquet").write_bytes(b"of no shard")
    (index / "done.json").unlink()
    again(home, index)
    assert (index / "shards" / "holiday.jpg").exists()
    assert not (index / "shards" / "000009-images.parquet").exists()
    elsewhere = tmp_path / "elsewhere"
    (index / "shards").rename(elsewhere)
    (index / "shards").symlink_to(elsewhere)
    with pytest.raises(cs.ConvscopeError, match="shards is not a folder of its own"):
        again(home, index)
