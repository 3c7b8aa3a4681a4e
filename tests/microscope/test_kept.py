"""What is kept in an index: whole or not there, whoever writes, and whatever kills the writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.files import atomic
from convscope.microscope.kept import STALE, Kept

WRITER = """
import sys
from pathlib import Path
from convscope.microscope.kept import Kept
kept = Kept(Path(sys.argv[1]), "images", ["key"])
print("begun", flush=True)
while True:
    kept.write("a:1", {"text": "x" * 200_000})
"""


def test_names_may_have_any_characters(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "notes")
    for name in ("blocks.4.pre:12", "a/b:1", "../up:0", "é %", "." * 3):
        kept.write(name, {"name": name})
        assert kept.read(name) == {"name": name}
        assert kept.stem(name) in kept.names()
        assert kept.file(name).parent == tmp_path / "microscope" / "notes"
    kept.delete("a/b:1")
    assert kept.read("a/b:1") is None


def test_other_keys_are_other_files(tmp_path: Path) -> None:
    one, other = Kept(tmp_path, "images", ["digest", 96]), Kept(tmp_path, "images", ["digest", 97])
    one.write("a:1", {"value": 1})
    assert other.read("a:1") is None
    assert not other.names()
    assert Kept(tmp_path, "images", ["digest", 96]).read("a:1") == {"value": 1}


def test_a_writer_that_is_killed_leaves_nothing_half_written(tmp_path: Path) -> None:
    for pause in (0.0, 0.004, 0.013):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, os.fspath(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        kept = Kept(tmp_path, "images", ["key"])
        while kept.read("a:1") is None:
            time.sleep(0.001)
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert kept.read("a:1") == {"text": "x" * 200_000}


def test_several_writers_at_once(tmp_path: Path) -> None:
    def write(number: int) -> None:
        kept = Kept(tmp_path, "images", ["key"])
        for round_ in range(20):
            kept.write("a:1", {"number": number, "round": round_, "text": str(number) * 999})
            found = kept.read("a:1")
            assert found is not None
            assert found["text"] == str(found["number"]) * 999

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert [p.name for p in (tmp_path / "microscope" / "images").rglob("*.json")] == ["a%3A1.json"]


def test_what_killed_writers_left_is_deleted_a_day_later(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "notes")
    kept.folder.mkdir(parents=True)
    old, new = (kept.folder / f"{atomic.TEMPORARY}{name}.json" for name in ("old", "new"))
    for file in (old, new):
        file.write_text("{")
    os.utime(old, (time.time() - STALE - 60,) * 2)
    kept.write("a:1", {})
    assert not old.exists()
    assert new.exists()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "microscope").write_text("a file")
    kept = Kept(tmp_path, "notes")
    kept.try_write("a:1", {})
    with pytest.raises(ConvscopeError):
        kept.write("a:1", {})
