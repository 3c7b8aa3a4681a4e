"""Collections of images on the command line: index, what is built on one, and export."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

import convscope as cs
from convscope import progress, replay
from convscope.cli import main, summaries, terminal
from convscope.collection.build import Indexing
from convscope.files import read_provenance
from convscope.network import zoo
from tests.helpers.aged import without_peaks
from tests.helpers.collections import paint
from tests.helpers.networks import own_network
from tests.helpers.shell import Shell

_index = partial(cs.index, shard=3, batch_size=2, top=2, workers=0)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ten pictures in the working folder, and a small network that goes by any name."""
    monkeypatch.chdir(tmp_path)
    for i in range(10):
        paint(Path("photos") / ("ab"[i % 2]) / f"{i}.png", i)

    def load(name: str = zoo.DEFAULT, **options: Any) -> cs.Network:
        net = own_network()
        net.name = name
        net.source = {"name": name, "pretrained": options["pretrained"], "checkpoint": None}
        return net

    monkeypatch.setattr("convscope.network.load", load)
    monkeypatch.setattr(replay, "load", load)
    return tmp_path


def index(shell: Shell, *words: str) -> tuple[int, str, str]:
    return shell("index", "photos", "--workers", "0", *words)


def test_index(shell: Shell) -> None:
    assert index(shell) == (0, "photos-index\n", "images: 10 indexed, 0 left out\n")
    assert len(cs.open_index("photos-index")) == 10
    assert index(shell, "-o", "other", "--top", "2")[1] == "other\n"
    found = cs.open_index("other")
    assert found.channels["norm"].top.values.shape == (8, 2)


def test_what_was_left_out_is_told(shell: Shell) -> None:
    for i in range(7):
        (Path("photos") / f"bad{i}.png").touch()
    embedding, out, err = index(shell)
    assert (embedding, out) == (0, "photos-index\n")
    lines = err.splitlines()
    assert lines[0] == "left out: bad0.png: bad0.png is empty"
    assert lines[5] == "left out: 2 more, which `convscope index --info photos-index` lists"
    assert lines[6] == "images: 10 indexed, 7 left out"


def test_info(shell: Shell) -> None:
    (Path("photos") / "bad.png").touch()
    index(shell, "--model", "timm/nonesuch")
    told = shell.works("index", "--info", "photos-index")
    assert re.search(r"photos-index: 10 images in .*photos by timm/nonesuch", told)
    assert "2 labels" in told
    assert re.search(r"^norm +8 +1,024 ", told, re.MULTILINE)
    assert "left out: bad.png: bad.png is empty" in told
    values = json.loads(shell.works("index", "--info", "photos-index", "--json"))
    assert values["images"] == 10
    assert values["network"] == "timm/nonesuch"
    assert values["unreadable"] == {"bad.png": "bad.png is empty"}
    assert values["layers"]["norm"]["channels"] == 8
    assert json.loads(index(shell, "--model", "timm/nonesuch", "--json")[1]) == values


def test_info_of_an_older_index_says_what_it_lacks(shell: Shell) -> None:
    index(shell)
    assert json.loads(shell.works("index", "--info", "photos-index", "--json"))["peaks"] is True
    assert "peaks" not in shell.works("index", "--info", "photos-index")
    without_peaks(Path("photos-index"))
    told = " ".join(shell.works("index", "--info", "photos-index").split())
    assert "photos-index has no peaks; convscope index" in told
    assert json.loads(shell.works("index", "--info", "photos-index", "--json"))["peaks"] is False


def test_an_index_knows_its_network(shell: Shell) -> None:
    index(shell, "--model", "timm/nonesuch")
    shell.works("patches", "--index", "photos-index", "--count", "2", "--limit", "1")
    recipe = read_provenance("patches.png")
    assert recipe["network"]["name"] == "timm/nonesuch"
    assert recipe["parameters"]["index"] == str(Path("photos-index").resolve())
    assert index(shell)[0] == 0, "the same command goes on, with the index's own network"
    paint(Path("photos") / "new.png", 99)
    assert "update the index (--update" in index(shell)[2]
    assert index(shell, "--update")[2] == "images: 11 indexed, 0 left out\n"


MAP = ["map", "--perplexity", "3"]  # as large as ten images allow; a larger one has a note


@pytest.mark.parametrize(
    "words",
    [["patches", "--limit", "2"], ["neighbors", "photos/a/0.png"], MAP, ["confusions"]],
    ids=lambda words: words[0],
)
def test_techniques(shell: Shell, words: list[str]) -> None:
    index(shell)
    picture = shell.works(*words, "--index", "photos-index").splitlines()[-1]
    with Image.open(picture) as opened:
        assert min(opened.size) > 100
    told = json.loads(shell.works(*words, "--index", "photos-index", "--json"))
    assert told["picture"] == picture
    shell.works("replay", picture, "--trust")


def test_both_tables_of_neighbors_as_csv(shell: Shell) -> None:
    index(shell)
    words = ("neighbors", "photos/a/0.png", "--index", "photos-index", "--count", "3")
    summary = json.loads(shell.works(*words, "--json"))
    shell.works(*words, "-o", "near.csv")
    with Path("near.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["table"] for row in rows] == ["embedding"] * 3 + ["pixels"] * 3
    told = [*summary["embedding"], *summary["pixels"]]
    assert [row["path"] for row in rows] == [row["path"] for row in told]
    assert [float(row["distance"]) for row in rows] == [row["distance"] for row in told]


def test_neighbors_of_a_folder_of_queries(shell: Shell) -> None:
    index(shell)
    embedding, out, err = shell("neighbors", "photos/a", "--index", "photos-index", "-o", "near")
    assert (embedding, out, err) == (0, "near\n", "pictures: 5 made\n")
    assert {p.name for p in Path("near").iterdir()} == {f"{i}.png.png" for i in (0, 2, 4, 6, 8)}


def test_an_index_of_ones_own_network_needs_none(shell: Shell) -> None:
    """What is in the index is shown; for the rest, the network is asked for by name."""
    _index(own_network(), "photos", "own").result()
    for words in (["confusions"], MAP, ["neighbors", "photos/a/0.png"]):
        picture = shell.works(*words, "--index", "own").splitlines()[-1]
        assert read_provenance(picture)["network"] is None
    told = shell.works("confusions", "--index", "own", "-o", "all.csv")
    assert told.splitlines()[-1] == "all.csv"
    assert len(Path("all.csv").read_text("utf-8").splitlines()) == 11
    for words in (["patches"], ["neighbors", "sample:coffee"]):
        assert "network" in shell.fails(*words, "--index", "own")
    assert "made by a network of your own, 'Own'; name it" in shell.fails(
        "patches", "--index", "own"
    )


def test_many_mistakes_are_cut_on_the_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(shell)
    wrong = len(
        json.loads(shell.works("confusions", "--index", "photos-index", "--json"))["mistakes"]
    )
    monkeypatch.setattr(summaries, "FIRST", 1)
    told = shell.works("confusions", "--index", "photos-index")
    assert f"... and {wrong - 1} more, which --json lists" in told


def test_damage_is_told_by_info(shell: Shell) -> None:
    index(shell)
    file = Path("photos-index/pixels.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    told = shell.fails("index", "--info", "photos-index")
    assert told.startswith("pixels.npy in photos-index is damaged; convscope index ")


@pytest.mark.parametrize("words", [["patches"], ["map"], ["confusions"], ["neighbors", "a.png"]])
def test_no_index(shell: Shell, words: list[str]) -> None:
    paint(Path("a.png"), 0)
    told = shell.fails(*words, "--index", "nowhere")
    assert re.search(r"no index at .*nowhere; convscope index FOLDER -o INDEX makes one", told)


def test_what_is_no_folder_of_images(shell: Shell) -> None:
    assert shell.fails("index", "nowhere") == "no folder nowhere"
    Path("empty").mkdir()
    assert re.fullmatch(r"no photograph in .*/empty", shell.fails("index", "empty"))
    assert not Path("empty-index").exists()
    assert "no index at photos" in shell.fails("index", "--info", "photos")


# ---------------------------------------------------------------------------------- export


def test_export(shell: Shell) -> None:
    index(shell)
    assert shell.works("export", "photos-index", "-o", "map.html") == "map.html\n"
    page = Path("map.html").read_text("utf-8")
    assert "<title>" in page
    assert "a/0.png" in page
    shell.works("export", "photos-index", "-o", "atlas.parquet", "--method", "pca")
    table = pq.read_table("atlas.parquet")
    assert table["path"].to_pylist() == cs.open_index("photos-index").images["path"].to_pylist()
    assert {"x", "y", "thumbnail", "label", "prediction", "neighbors"} <= set(table.column_names)
    first = table["neighbors"][0].as_py()
    assert len(first["ids"]) == 9
    assert 0 not in first["ids"]
    shell.works("export", "photos-index", "-o", "samples.json")
    samples = json.loads(Path("samples.json").read_text("utf-8"))["samples"]
    assert samples[0]["filepath"] == str(Path("photos/a/0.png").resolve())
    assert samples[0]["ground_truth"]["label"] == "a"
    projector = "projector/projector_config.pbtxt"
    assert shell.works("export", "photos-index", "-o", projector) == "projector\n"
    assert (Path("projector") / "projector_config.pbtxt").exists()
    shell.works("export", "photos-index", "-o", "folder.d", "--to", "projector")
    assert (Path("folder.d") / "embeddings.bytes").stat().st_size == 10 * 12 * 4


def test_an_ending_that_says_nothing(shell: Shell) -> None:
    index(shell)
    told = shell.fails("export", "photos-index", "-o", "map.xyz")
    assert told.startswith("map.xyz: end it in .html for a page")
    assert "no index at photos" in shell.fails("export", "photos", "-o", "map.html")


# ------------------------------------------------------------------------------ long work


def broken_off(monkeypatch: pytest.MonkeyPatch, after: int, then: Callable[[], None]) -> None:
    real = Indexing.__iter__

    def followed(self: Indexing) -> Iterator[Any]:
        for step in real(self):
            yield step
            if step.done >= after:
                then()

    monkeypatch.setattr(Indexing, "__iter__", followed)


def test_ctrl_c_keeps_what_is_done(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        broken_off(patch, 7, interrupt)
        embedding, out, err = index(shell, "--shard", "3", "--batch-size", "1")
    assert (embedding, out) == (130, "")
    assert err == (
        "stopped; photos-index keeps what is done, run the same command again to continue\n"
    )
    assert len(list(Path("photos-index/shards").glob("*.json"))) == 2
    told = shell.fails("index", "--info", "photos-index")
    assert "is not finished; convscope index" in told
    assert index(shell)[:2] == (0, "photos-index\n")


def test_what_is_damaged_is_told_and_mended(shell: Shell) -> None:
    index(shell, "--shard", "3")
    (Path("photos-index") / "shards" / "000001-images.parquet").write_bytes(b"")
    embedding, _, err = index(shell)
    assert embedding == 0
    assert err.splitlines()[0] == (
        "photos-index/shards/000001-*.parquet was damaged and is made again"
    )


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Screen()
    monkeypatch.setattr(terminal, "errors", Console(file=shown, force_terminal=True, width=120))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(progress, "LATE", 0)
    with pytest.raises(SystemExit):
        main.main(["index", "photos", "--workers", "0", "--batch-size", "1"])
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue())
    assert re.search(r"index .*10/10", text)
    assert "images/s" in text
