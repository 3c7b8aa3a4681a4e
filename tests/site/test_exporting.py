"""`cs.export` and `convscope export`: what becomes a site, and how it is followed and stopped."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import convscope as cs
from convscope.site.exporting import is_site
from tests.helpers.collections import Make, paint
from tests.helpers.shell import Shell
from tests.helpers.told import Told


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.site.exporting.Microscope", Told)


@pytest.fixture
def index(make: Make, tmp_path: Path) -> cs.Index:
    for seed in range(3):
        paint(tmp_path / "few" / f"{seed}.png", seed)
    return make(folder=tmp_path / "few", layers=("doubled",))


@pytest.mark.parametrize(
    ("name", "to", "site"),
    [
        ("site", None, True),
        ("site/", None, True),
        ("photos-site.html", None, True),
        ("site.HTML", None, True),
        ("map.html", None, False),
        ("map.html", "site", True),
        ("map", "page", False),
        ("map", "projector", False),
        ("map/projector_config.pbtxt", None, False),
        ("my.photos", None, False),
        ("my.photos", "site", True),
        ("map.parquet", None, False),
    ],
)
def test_what_becomes_a_site(name: str, to: str | None, site: bool) -> None:
    assert is_site(Path(name), to) == site


def test_from_python(index: cs.Index, own: cs.Network, tmp_path: Path) -> None:
    assert cs.export(index, tmp_path / "site", own) == tmp_path / "site"
    assert (tmp_path / "site" / "units" / "doubled" / "3.html").is_file()
    assert cs.export(index.path, tmp_path / "a.html", own, to="site").read_text("utf-8")
    with pytest.raises(cs.ConvscopeError, match=r"own: give the network too, export\(index, path"):
        cs.export(index, tmp_path / "other")
    with pytest.raises(cs.ConvscopeError, match="is not empty, and not a site of convscope"):
        cs.export(index, tmp_path, own, to="site")


def test_from_the_command_line(
    index: cs.Index, own: cs.Network, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: own)
    output = tmp_path / "site"
    words = ["export", str(index.path), "--model", "any", "-o", str(output)]
    assert shell.works(*words, "--layers", "doubled") == f"{output}\n"
    assert shell.works(*words) == f"{output}\n"
    told = shell.fails(*words, "--method", "pca")
    assert told == f"{output} is a site with another map; give another output, or delete it"
    told = shell.fails(*words[:-1], str(tmp_path / "other"), "--layers", "stem")
    assert "has no layer 'stem', but doubled" in told
    assert not (tmp_path / "other").exists()


def test_stopped(
    index: cs.Index, own: cs.Network, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.network.load", lambda *_, **__: own)
    output, real = tmp_path / "site", Told.photograph
    words = ["export", str(index.path), "--model", "any", "-o", str(output)]

    def pressed(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Told, "photograph", pressed)
    code, out, err = shell(*words)
    assert (code, out) == (130, "")
    assert err == (
        f"stopped; {output} keeps what is done, run the same command again to continue\n"
    )
    assert (output / "units" / "doubled" / "0.html").is_file()
    assert not (output / "map.html").exists()
    monkeypatch.setattr(Told, "photograph", real)
    shell.works(*words)
    assert (output / "map.html").is_file()
