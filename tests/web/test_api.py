"""The API as its schema says it is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from convscope.web.app import schema
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.helpers.explorer import Visitor, served

ROOT = Path(__file__).parents[2]

SCHEMA = ROOT / "frontend" / "openapi.json"

JPEG = b"\xff\xd8 a photograph"


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with served(tmp_path / "runs") as visitor:
        yield visitor


def is_tested(package: str) -> bool:
    """Whether it is here in the version that constraints.txt names."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return f"{package}=={version(package)}" in lines


@pytest.mark.skipif(
    not (is_tested("fastapi") and is_tested("pydantic")),
    reason="other versions of FastAPI and Pydantic write the same schema in other words",
)
def test_the_schema_for_the_pages_is_the_servers() -> None:
    assert SCHEMA.read_text("utf-8") == schema(), "run python scripts/openapi.py"


def test_the_server_imports_no_torch() -> None:
    code = (
        "import sys; from convscope.cli.commands import explore; import convscope.web.serving;"
        " from convscope.web.worker import main; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Streams do not end while a run does not; they have tests of their own.
STREAMS = ["followSession", "followRun"]
FUZZED = schemathesis.openapi.from_dict(json.loads(schema())).exclude(operation_id=STREAMS)

load_all_checks()
NAMES = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
CONFORMS: Any = CHECKS.get_by_names(NAMES)


def fuzz(case: schemathesis.Case[Any], visitor: Visitor) -> None:
    """Any request gets an answer that the schema knows."""
    access = visitor.access
    headers = {
        "cookie": f"{access.cookie_name}={access.cookie}",
        "origin": visitor.origin,
        "sec-fetch-site": "same-origin",
    }
    case.call_and_validate(
        base_url=visitor.origin,
        headers=headers,
        checks=CONFORMS,
        timeout=60,
    )


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with served(tmp_path_factory.mktemp("fuzzed") / "runs") as visitor:
        yield visitor


@FUZZED.parametrize()
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_quick_fuzz(case: schemathesis.Case[Any], fuzzed: Visitor) -> None:
    fuzz(case, fuzzed)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """The explorer as users have it, with a small network."""
    options = Options({"n0": {"name": "squeezenet1_1", "device": "cpu"}}, {})
    runs = tmp_path_factory.mktemp("fuzzed") / "runs"
    with served(runs, main=main, options=options) as visitor:
        yield visitor


@pytest.mark.slow
@FUZZED.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_long_fuzz(case: schemathesis.Case[Any], network: Visitor) -> None:
    fuzz(case, network)


def test_the_server_stops_although_a_question_waits(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        with served(tmp_path / "runs") as visitor:
            path = "/api/networks/n0/classes?search=sleep"
            replies = [pool.submit(visitor.ask, "GET", path) for _ in range(3)]
            while visitor.explorer.questions.waiting < 3:
                time.sleep(0.01)
            begun = time.monotonic()
        assert time.monotonic() - begun < 10
        assert {reply.result().status for reply in replies} == {422}
        assert "has ended" in replies[0].result().json["detail"]


def test_an_error_of_the_server_is_one_line(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(visitor.explorer), "session", property(lambda _: 1 / 0))
    reply = visitor.ask("GET", "/api/session")
    assert reply.status == 500
    assert "division by zero" in reply.json["detail"]
    assert reply.headers["x-content-type-options"] == "nosniff"
