"""Runs on disk: what a crash leaves, what others put there, what is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.web import clock
from convscope.web.clock import Clock
from convscope.web.frames import BLOBS, FRAMES, PLACES, Frames
from convscope.web.models import FrameInfo, RunInfo, RunRequest
from convscope.web.store import Store


def frame(step: int) -> FrameInfo:
    return FrameInfo(number=99, step=step, steps=9, panels=[], summary={"word": "é\n\u2028"})


def blobs(step: int) -> list[tuple[str, bytes]]:
    return [("image/png", bytes([step]) * step), ("text/plain", b"end")]


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    """Three frames, of steps 1, 2 and 3."""
    made = Frames(tmp_path)
    for step in (1, 2, 3):
        assert made.append(frame(step), blobs(step)).number == step - 1
    return made


def steps(frames: Frames) -> list[int]:
    lines = frames.lines(0, len(frames))
    assert [json.loads(line)["number"] for line in lines] == [*range(len(frames))]
    return [json.loads(line)["step"] for line in lines]


def check_blobs(frames: Frames) -> None:
    for number, step in enumerate(steps(frames)):
        assert frames.blob(number, 0) == ("image/png", bytes([step]) * step)
        assert frames.blob(number, 1) == ("text/plain", b"end")
        assert frames.blob(number, 2) is None
    assert frames.blob(len(frames), 0) is None


def test_frames_are_found_again(frames: Frames) -> None:
    for found in (frames, Frames(frames.folder)):
        assert steps(found) == [1, 2, 3]
        check_blobs(found)
        assert FrameInfo.model_validate_json(found.lines(1, 2)[0]).summary["word"] == "é\n\u2028"
        assert found.lines(3, 9) == found.lines(2, 1) == []


@pytest.mark.parametrize("name", [FRAMES, PLACES, BLOBS])
@pytest.mark.parametrize("lost", [1, 5, 30])
def test_a_crash_loses_no_more_than_the_last_frame(frames: Frames, name: str, lost: int) -> None:
    """The files of a frame are written one after the other: behind the torn one there is none."""
    order = [BLOBS, PLACES, FRAMES]
    for later in order[order.index(name) + 1 :]:
        file = frames.folder / later
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    torn = frames.folder / name
    kept = torn.read_bytes()[: -min(lost, 5 if name == BLOBS else lost)]
    torn.write_bytes(kept)
    found = Frames(frames.folder)
    assert steps(found) == [1, 2]
    check_blobs(found)
    found.append(frame(7), blobs(7))
    for one in (found, Frames(frames.folder)):
        assert steps(one) == [1, 2, 7]
        check_blobs(one)


@pytest.mark.parametrize(("step", "left"), [(1, []), (2, [1]), (3, [1, 2]), (4, [1, 2, 3])])
def test_a_run_that_goes_on_replaces_what_came_behind(
    frames: Frames, step: int, left: list[int]
) -> None:
    frames.keep(frames.before(step))
    assert steps(frames) == steps(Frames(frames.folder)) == left
    frames.append(frame(step), blobs(step))
    for found in (frames, Frames(frames.folder)):
        assert steps(found) == [*left, step]
        check_blobs(found)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "runs")
    store.open()
    yield store
    store.close()


def run(store: Store, title: str = "a run") -> RunInfo:
    request = RunRequest(technique="toy")
    info = RunInfo(id=store.new_id(), request=request, title=title, state="done", created=1.0)
    store.write(info)
    return info


def test_runs_are_found_again(store: Store) -> None:
    one = run(store, "<b>one</b>")
    run(store, "other")
    store.frames(one.id).append(frame(1), blobs(1))
    again = Store(store.folder)
    assert again.find(one.id) == one.model_copy(update={"frames": 1})
    assert sorted(info.title for info in again.newest()) == ["<b>one</b>", "other"]
    assert again.find("20260101-000000-abcdef") is None


def test_the_newest_runs_are_listed_and_the_unfinished_ones_known(store: Store) -> None:
    ids = [f"2026010{day}-000000-abcdef" for day in range(1, 5)]
    for id, state in zip(ids, ("waiting", "done", "running", "failed"), strict=True):
        info = run(store).model_copy(update={"id": id, "state": state})
        store.write(info)
    mine = [info.id for info in store.newest() if info.id in ids]
    assert mine == ids[::-1]
    assert [info.id for info in store.unfinished()] == [ids[0], ids[2]]
    assert len(store.newest(3)) == 3


def test_what_is_damaged_or_foreign_is_passed_over(store: Store) -> None:
    for content in ("", "{", "[]", "{}", '{"run": 1}', '{"run": {"id": "x"}}'):
        (store.place(run(store).id) / "run.json").write_text(content)
    moved = store.place(run(store).id)
    moved.rename(store.place(store.new_id()))
    (store.folder / "notes").mkdir()
    (store.folder / "20260101-000000-abcdef").write_text("a file")
    good = run(store)
    assert [info.id for info in store.newest()] == [good.id]


def test_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "run.json").write_text("mine")
    info = run(store)
    place = store.place(info.id)
    (place / "run.json").unlink()
    place.rmdir()
    place.symlink_to(elsewhere)
    store.delete(info.id)
    assert (elsewhere / "run.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "result", "frames.jsonl.bak", "resume/notes.txt"])
def test_nothing_of_somebody_else_is_deleted(store: Store, name: str) -> None:
    info = run(store)
    store.frames(info.id).append(frame(1), blobs(1))
    place = store.place(info.id)
    (place / "resume").mkdir()
    (place / "resume" / "1.pt").write_text("a state")
    (place / name).write_text("mine")
    with pytest.raises(ConvscopeError, match=r"holds '\S+', which is not convscope's"):
        store.delete(info.id)
    assert (place / name).read_text() == "mine"
    assert (place / "run.json").exists()
    (place / name).unlink()
    store.delete(info.id)
    assert not place.exists()


def test_no_id_leads_out_of_the_folder(store: Store) -> None:
    for id in ("", "..", "../x", "/etc", "20260101-000000-abcdef/..", "20260101-000000-abcdef\n"):
        with pytest.raises(ValueError):
            store.place(id)


def test_the_clock_stands_still_while_a_run_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    watch = Clock(5)
    assert watch.seconds == 5
    watch.start()
    assert watch.left(1, 11) is None
    now[0] += 4
    assert watch.seconds == 9
    assert watch.left(3, 11) == 16  # two steps took four seconds; eight are left
    watch.stop()
    now[0] += 1000
    watch.start()
    now[0] += 4
    assert watch.seconds == 13
    assert watch.left(5, 11) == 12
