"""Runs over the API: the queue, streams, control, crashes, restarts."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.web import events, queueing
from convscope.web.frames import Frames
from convscope.web.models import RunInfo
from tests.helpers.explorer import Visitor, served
from tests.helpers.toy_worker import stillborn


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with served(tmp_path_factory.mktemp("explorer") / "runs") as visitor:
        yield visitor


def test_a_run_streams_its_frames_in_order(visitor: Visitor) -> None:
    run = visitor.begin(frames=5)
    *events, last = visitor.events(f"runs/{run}/events")
    frames = [(data["number"], data["step"], id) for name, data, id in events if name == "frame"]
    assert frames == [(i, i + 1, str(i)) for i in range(5)]
    assert last[0] == "run"
    assert last[1]["state"] == "done"
    assert (last[1]["step"], last[1]["steps"], last[1]["frames"]) == (5, 5, 5)
    assert last[1]["seconds_left"] is None


def test_frames_and_blobs_can_be_asked_for_by_number(visitor: Visitor) -> None:
    run = visitor.begin(frames=3, size=1000)
    visitor.until(run, "done")
    assert visitor.get(f"runs/{run}/frames/1")["step"] == 2
    blob = visitor.ask("GET", f"/api/runs/{run}/frames/1/0")
    assert blob.body == bytes([2]) * 1000
    assert blob.headers["content-type"] == "image/png"
    assert "immutable" in blob.headers["cache-control"]
    for path in ("frames/3", "frames/3/0", "frames/1/1"):
        assert visitor.ask("GET", f"/api/runs/{run}/{path}").status == 404


def test_a_listener_that_comes_again_gets_what_it_does_not_know(visitor: Visitor) -> None:
    run = visitor.begin(frames=4)
    visitor.until(run, "done")
    events = visitor.events(f"runs/{run}/events", last_event_id="1")
    assert [id for name, _, id in events if name == "frame"] == ["2", "3"]
    assert [name for name, *_ in visitor.events(f"runs/{run}/events", last_event_id="9")] == ["run"]


def test_runs_wait_for_each_other(visitor: Visitor) -> None:
    first, second = visitor.begin(frames=100, seconds=0.02), visitor.begin()
    assert visitor.get(f"runs/{second}")["state"] == "waiting"
    visitor.until(first, "running")
    visitor.post(f"runs/{first}/cancel")
    visitor.until(first, "canceled")
    visitor.until(second, "done")


def test_a_run_that_waits_is_canceled_at_once(visitor: Visitor) -> None:
    first, second = visitor.begin(frames=100, seconds=0.02), visitor.begin()
    assert visitor.post(f"runs/{second}/cancel")["state"] == "canceled"
    visitor.post(f"runs/{first}/cancel")
    visitor.until(first, "canceled")


def test_a_paused_run_stands_still(visitor: Visitor) -> None:
    run = visitor.begin(frames=500, seconds=0.01)
    visitor.until(run, "running")
    assert visitor.post(f"runs/{run}/pause")["state"] == "paused"
    assert visitor.ask("POST", f"/api/runs/{run}/pause").status == 409
    assert visitor.post(f"runs/{run}/go_on")["state"] == "running"
    visitor.post(f"runs/{run}/cancel")
    visitor.until(run, "canceled")


def test_a_canceled_run_goes_on_where_it_was(visitor: Visitor) -> None:
    run = visitor.begin(frames=40, seconds=0.02)
    events = visitor.events(f"runs/{run}/events")
    next(data for name, data, _ in events if name == "frame" and data["step"] == 3)
    visitor.post(f"runs/{run}/cancel")
    there = visitor.until(run, "canceled")["frames"]
    assert 3 <= there < 40
    visitor.post(f"runs/{run}/again")
    done = visitor.until(run, "done")
    assert done["frames"] == 40
    steps = [visitor.get(f"runs/{run}/frames/{i}")["step"] for i in (0, there - 1, there, 39)]
    assert steps == [1, there, there + 1, 40]


def test_a_run_that_fails_says_why(visitor: Visitor) -> None:
    run = visitor.begin(end="fail")
    assert visitor.until(run, "failed")["problem"] == "toy: it does not work; take another"


def test_a_canceled_run_that_does_not_listen_is_ended(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "PATIENCE", 0.3)
    run = visitor.begin(deaf=60)
    visitor.until(run, "running")
    visitor.post(f"runs/{run}/cancel")
    assert visitor.until(run, "canceled")["problem"] is None
    visitor.until(visitor.begin(), "done")


def test_a_run_whose_frames_cannot_be_written_fails(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Frames, "append", full)
        run = visitor.begin(frames=100, seconds=0.01)
        info = visitor.until(run, "failed")
    assert info["problem"] == "its frames cannot be written (No space left on device)"
    visitor.until(visitor.begin(), "done")


def test_workers_that_cannot_begin_are_told_of(tmp_path: Path) -> None:
    with served(tmp_path / "runs", main=stillborn) as visitor:
        while visitor.get("session")["networks"][0]["state"] == "loading":
            time.sleep(0.02)
        (network,) = visitor.get("session")["networks"]
        assert network["state"] == "failed"
        assert network["problem"] == "the process that loads it ended by itself with exit code 7"
        reply = visitor.ask("GET", "/api/techniques")
        assert reply.status == 422
        assert "ended by itself" in reply.json["detail"]


def test_what_cannot_run_is_refused_with_the_line_of_the_command_line(visitor: Visitor) -> None:
    request = {"technique": "toy", "options": {"frames": 0}}
    reply = visitor.ask("POST", "/api/runs", request)
    assert reply.status == 422
    line = "toy: frames: input should be greater than or equal to 1, not 0"
    assert reply.json == {"detail": line}


@pytest.mark.parametrize(
    ("code", "how"), [(3, "ended by itself with exit code 3"), (None, "was ended by SIGKILL")]
)
def test_a_run_whose_process_dies_can_be_run_again(
    visitor: Visitor, code: int | None, how: str
) -> None:
    if code is None:
        run = visitor.begin(frames=50, seconds=0.02)
        visitor.until(run, "running")
        pid = visitor.explorer.queue.worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    else:
        run = visitor.begin(frames=5, dies_at=3, code=code)
    crashed = visitor.until(run, "crashed")
    assert how in crashed["problem"]
    assert "run it again" in crashed["problem"]
    visitor.post(f"runs/{run}/again")
    if code is None:  # the toy dies at the same step again, but a killed one does not
        assert visitor.until(run, "done")["frames"] == 50
    assert visitor.begin() in [info["id"] for info in visitor.get("runs")]


def test_all_runs_are_told_to_who_follows_the_session(visitor: Visitor) -> None:
    events = visitor.events("events")
    name, session, _ = next(events)
    assert name == "session"
    assert [network["id"] for network in session["networks"]] == ["n0"]
    run = visitor.begin(frames=2)
    done = (data for name, data, _ in events if name == "run" and data["id"] == run)
    assert any(info["state"] == "done" for info in done)


def test_results_can_be_taken_home(visitor: Visitor) -> None:
    run = visitor.begin()
    visitor.until(run, "done")
    picture = visitor.ask("GET", f"/api/runs/{run}/picture?format=svg")
    assert picture.body == f"picture of {run}".encode()
    assert picture.headers["content-disposition"].startswith("attachment")
    assert visitor.ask("GET", f"/api/runs/{run}/film?format=gif").body == f"film of {run}".encode()
    assert visitor.get(f"runs/{run}/call")["command"] == "convscope"


def test_a_run_that_is_over_can_be_deleted(visitor: Visitor) -> None:
    run = visitor.begin(frames=3, size=100)
    visitor.until(run, "done")
    place = visitor.explorer.store.place(run)
    assert place.is_dir()
    assert visitor.ask("DELETE", f"/api/runs/{run}").status == 204
    assert not place.exists()
    assert visitor.ask("GET", f"/api/runs/{run}").status == 404


def test_all_who_look_hear_of_a_deletion(visitor: Visitor) -> None:
    run = visitor.begin(frames=1)
    visitor.until(run, "done")
    events = visitor.events("events")
    assert next(events)[0] == "session"
    assert visitor.ask("DELETE", f"/api/runs/{run}").status == 204
    assert next(data for name, data, _ in events if name == "deleted") == {"id": run}


def test_a_run_is_deleted_when_its_end_has_been_written(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked, written = visitor.explorer.store, threading.Event(), threading.Event()
    write = store.write

    def slowly(info: RunInfo) -> None:
        if info.state == "done":
            asked.wait(10)
        write(info)
        if info.state == "done":
            written.set()

    monkeypatch.setattr(store, "write", slowly)
    run = visitor.begin(frames=1)
    visitor.until(run, "done")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(visitor.ask, "DELETE", f"/api/runs/{run}")
        time.sleep(0.3)
        asked.set()
        assert reply.result().status == 204
    assert written.wait(10)
    assert not store.place(run).exists()


def test_a_folder_that_cannot_be_deleted_is_one_line(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = visitor.begin(frames=1)
    visitor.until(run, "done")

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "rmdir", refuse)
    reply = visitor.ask("DELETE", f"/api/runs/{run}")
    assert reply.status == 422
    assert reply.json["detail"].startswith(f"cannot delete {visitor.explorer.store.place(run)}")


def test_nothing_of_somebody_else_is_deleted(visitor: Visitor) -> None:
    run = visitor.begin(frames=3)
    visitor.until(run, "done")
    place = visitor.explorer.store.place(run)
    (place / "notes.txt").write_text("mine")
    reply = visitor.ask("DELETE", f"/api/runs/{run}")
    assert reply.status == 422
    assert "'notes.txt'" in reply.json["detail"]
    assert (place / "notes.txt").read_text() == "mine"
    assert (place / "run.json").exists()


def test_runs_survive_a_restart(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with served(runs) as visitor:
        done = visitor.begin(frames=2)
        visitor.until(done, "done")
        broken = visitor.begin(frames=60, seconds=0.02)
        waiting = visitor.begin(frames=3)
        events = visitor.events(f"runs/{broken}/events")
        next(data for name, data, _ in events if name == "frame" and data["step"] == 5)
    notes = [json.loads(file.read_text())["run"] for file in runs.glob("*/run.json")]
    states = {note["id"]: note["state"] for note in notes}
    assert states == {done: "done", broken: "running", waiting: "waiting"}
    with served(runs) as visitor:
        assert visitor.until(broken, "done")["frames"] == 60
        assert visitor.until(waiting, "done")["frames"] == 3
        assert visitor.get(f"runs/{done}")["frames"] == 2
        events = visitor.events(f"runs/{broken}/events")
        numbers = [data["number"] for name, data, _ in events if name == "frame"]
        assert numbers == list(range(60))


def test_one_explorer_has_a_folder(tmp_path: Path) -> None:
    with (
        served(tmp_path / "runs"),
        pytest.raises(ConvscopeError, match="another explorer keeps"),
        served(tmp_path / "runs"),
    ):
        pass


def test_an_empty_folder_of_runs_is_not_left_behind(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as visitor:
        visitor.get("session")
    assert not (tmp_path / "runs").exists()


def test_runs_that_are_over_leave_memory_and_can_still_be_asked_for(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as visitor:
        runs = [visitor.begin(frames=2) for _ in range(3)]
        for run in runs:
            visitor.until(run, "done")
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) is queueing.Record]
        assert [info["id"] for info in visitor.get("runs?limit=2")] == runs[:0:-1]
        assert visitor.get(f"runs/{runs[0]}/frames/1")["step"] == 2


def test_who_is_too_far_behind_asks_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends after what it may have missed; a browser then connects again."""
    monkeypatch.setattr(events, "CALM", 1.0)
    monkeypatch.setattr(queueing, "REMEMBERED", 2)
    with served(tmp_path / "runs") as visitor:
        stream = visitor.events("events")
        assert next(stream)[0] == "session"
        for _ in range(6):
            run = visitor.begin()
        visitor.until(run, "done")
        assert "deleted" not in [name for name, *_ in stream]
