"""The explorer as users have it: the server with its workers and a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from convscope.web.messages import Options
from convscope.web.worker import main
from tests.helpers.explorer import Visitor, served

OPTIONS = Options({"n0": {"name": "squeezenet1_1", "device": "cpu"}}, {})


def begin(visitor: Visitor) -> str:
    options = {"target": 281, "steps": 60, "size": 64}
    request = {"technique": "class_image", "network": "n0", "options": options}
    return str(visitor.post("runs", request, 201)["id"])


def last_picture(visitor: Visitor, run: str) -> bytes:
    number = visitor.get(f"runs/{run}")["frames"] - 1
    return visitor.ask("GET", f"/api/runs/{run}/frames/{number}/0").body


@pytest.mark.slow
def test_a_climb_goes_on_when_the_server_starts_again(tmp_path: Path) -> None:
    """And ends with the very picture that it would have had without."""
    runs = tmp_path / "runs"
    with served(runs, main=main, options=OPTIONS) as visitor:
        whole = begin(visitor)
        visitor.until(whole, "done", seconds=200)
        broken = begin(visitor)
        events = visitor.events(f"runs/{broken}/events")
        next(data for name, data, _ in events if name == "frame" and data["step"] >= 10)
    with served(runs, main=main, options=OPTIONS) as visitor:
        visitor.until(broken, "done", seconds=200)
        frames = visitor.events(f"runs/{broken}/events")
        steps = [data["step"] for name, data, _ in frames if name == "frame"]
        assert steps == sorted(set(steps))
        assert steps[-1] == 60
        assert last_picture(visitor, broken) == last_picture(visitor, whole)
        picture = visitor.ask("GET", f"/api/runs/{broken}/picture?format=png")
        assert picture.body.startswith(b"\x89PNG")
        assert b"class_image" in picture.body  # its provenance
        assert visitor.ask("DELETE", f"/api/runs/{broken}").status == 204
        assert not (runs / broken).exists()
