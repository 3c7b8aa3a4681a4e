"""Attacks on the server, and how it refuses them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from starlette.exceptions import HTTPException

from convscope.web import security, serving
from convscope.web.pages import Pages
from convscope.web.security import Access
from tests.helpers.explorer import RUN, TRAVERSALS, Visitor, served


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with served(tmp_path_factory.mktemp("explorer") / "runs") as visitor:
        yield visitor


# ------------------------------------------------------------------ who may ask


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example",
     "evil@127.0.0.1", "", None, "192.168.0.7", "0.0.0.0", "[::2]", "127.0.0.1:80:80"],
)  # fmt: skip
def test_a_foreign_host_is_refused(visitor: Visitor, host: str | None) -> None:
    """A name of a stranger that leads to this machine: DNS rebinding."""
    for path in ("/api/session", "/", f"/?token={visitor.access.token}"):
        reply = visitor.ask("GET", path, host=host)
        assert reply.status in (400, 403)
        assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:99", "[::1]:8642", "127.0.0.2"]
)
def test_the_machine_itself_has_several_names(visitor: Visitor, host: str) -> None:
    assert visitor.ask("GET", "/api/session", host=host).status == 200


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "http://127.0.0.1", "http://127.0.0.1:1",
     "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}/",
     "http://127.0.0.1:{port}.evil.example"],
)  # fmt: skip
def test_a_write_from_a_foreign_page_is_refused(visitor: Visitor, origin: str | None) -> None:
    origin = origin and origin.replace("{port}", str(visitor.access.port))
    writes = [
        ("POST", "/api/runs"),
        ("PUT", "/api/images?name=x.png"),
        ("DELETE", f"/api/runs/{RUN}"),
    ]
    for method, path in writes:
        kind = "image/png" if method == "PUT" else "application/json"
        assert visitor.ask(method, path, b"{}", origin=origin, content_type=kind).status == 403
    assert not visitor.get("runs")


@pytest.mark.parametrize(
    "cookie", [None, "", "{name}=", "{name}=wrong", "other={right}", "{name}=é"]
)
def test_without_the_cookie_nothing_is_told(visitor: Visitor, cookie: str | None) -> None:
    access = visitor.access
    text = cookie and cookie.replace("{name}", access.cookie_name).replace("{right}", access.cookie)
    for method, path in (("GET", "session"), ("GET", "runs"), ("GET", "events"), ("POST", "live")):
        reply = visitor.ask(method, f"/api/{path}", cookie=text)
        assert reply.status == 403
        assert "token" in reply.json["detail"]


def test_the_right_cookie_is_found_among_others(visitor: Visitor) -> None:
    right = f"{visitor.access.cookie_name}={visitor.access.cookie}"
    assert visitor.ask("GET", "/api/session", cookie=f"a=1; {right}; b=2").status == 200


def test_the_token_becomes_a_cookie(visitor: Visitor) -> None:
    access = visitor.access
    reply = visitor.ask("GET", f"/lab?a=1&token={access.token}&b=%26", cookie=None)
    assert reply.status == 303
    assert reply.headers["location"] == "/lab?a=1&b=%26"
    name, _, rest = reply.headers["set-cookie"].partition("=")
    assert name == access.cookie_name
    assert rest == f"{access.cookie}; Path=/; HttpOnly; SameSite=Strict"
    assert access.token not in rest


def test_a_wrong_token_gives_no_cookie(visitor: Visitor) -> None:
    for token in (
        "",
        "wrong",
        visitor.access.token[:-1],
        visitor.access.cookie,
        "%00",
        "é".encode("latin-1").hex(),
    ):
        reply = visitor.ask("GET", f"/?token={token}", cookie=None)
        assert "set-cookie" not in reply.headers
        assert reply.status != 303


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "///evil.example/%2e%2e", "/%5Cevil.example"]
)
def test_the_token_leads_to_no_other_host(visitor: Visitor, path: str) -> None:
    reply = visitor.ask("GET", f"{path}?token={visitor.access.token}")
    assert reply.status == 303
    assert reply.headers["location"].startswith("/evil.example")


def test_every_start_has_secrets_of_its_own() -> None:
    one, other = Access(1), Access(1)
    assert len({one.token, one.cookie, other.token, other.cookie}) == 4
    assert len(one.token) >= 32


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_of_this_machine_read_nothing(visitor: Visitor, site: str) -> None:
    """Cookies do not know ports: a page of another local server would send ours."""
    assert visitor.ask("GET", "/api/session", sec_fetch_site=site).status == 403
    assert visitor.ask("GET", "/api/session", sec_fetch_site="same-origin").status == 200


# ------------------------------------------------------------------ what may be asked


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonx", "text/json"],
)  # fmt: skip
def test_only_json_is_posted(visitor: Visitor, kind: str | None) -> None:
    for path in ("runs", "live", f"runs/{RUN}/cancel", "recipes/read"):
        assert visitor.ask("POST", f"/api/{path}", b"{}", content_type=kind).status == 415


def test_reading_changes_nothing(visitor: Visitor) -> None:
    paths = [f"runs/{RUN}/{verb}" for verb in ("pause", "go_on", "cancel", "again")]
    for path in [*paths, "recipes/write", "live", "stylize"]:
        assert visitor.ask("GET", f"/api/{path}").status in (404, 405)
    for method in ("HEAD", "OPTIONS", "TRACE", "PATCH"):
        status = visitor.ask(method, f"/api/runs/{RUN}", origin=visitor.origin).status
        assert status in (404, 405)


def test_no_other_page_is_allowed_to_read(visitor: Visitor) -> None:
    asked = {"origin": "https://evil.example", "access_control_request_method": "POST"}
    for method, path in (("OPTIONS", "/api/runs"), ("GET", "/api/session"), ("GET", "/")):
        headers = visitor.ask(method, path, **asked).headers
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/", "/lab", "/api/session", "/api/nothing", "/assets/nothing.js"]
)
def test_every_answer_says_what_browsers_may_do_with_it(visitor: Visitor, path: str) -> None:
    headers = visitor.ask("GET", path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize("id", TRAVERSALS, ids=range(len(TRAVERSALS)))
def test_no_id_is_a_path(visitor: Visitor, id: str) -> None:
    for path in (
        f"runs/{id}", f"runs/{id}/events", f"runs/{id}/frames/0", f"runs/{id}/picture",
        f"runs/{RUN}/frames/{id}", f"runs/{RUN}/frames/0/{id}", f"images/{id}",
        f"networks/{id}/graph", f"networks/n0/predictions?image={id}",
    ):  # fmt: skip
        reply = visitor.ask("GET", f"/api/{path}")
        assert reply.status in (404, 405, 422), path
        assert b"root:" not in reply.body
    assert visitor.ask("DELETE", f"/api/runs/{id}").status in (404, 405, 422)
    request = {"technique": "toy", "image": "../../etc/passwd"}
    assert visitor.ask("POST", "/api/runs", request).status == 422


@pytest.mark.parametrize("path", TRAVERSALS, ids=range(len(TRAVERSALS)))
def test_pages_do_not_leave_their_folder(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "static"
    inside.mkdir()
    (inside / "index.html").write_text("the page")
    (tmp_path / "secret").write_text("a secret")
    pages = Pages(inside)
    for name in (path, f"../{path}", "../secret", "assets/../../secret"):
        scope = {"type": "http", "method": "GET", "path": f"/{name}", "headers": []}
        try:
            response = anyio.run(pages.get_response, name, scope)
        except HTTPException as error:
            assert error.status_code == 404
        else:
            assert str(response.path) == str(inside / "index.html")  # type: ignore[attr-defined]


# ------------------------------------------------------------------ how much may be asked


def sent(visitor: Visitor, method: str, path: str, *lines: str) -> socket.socket:
    """A connection over which the head of a request went."""
    access = visitor.access
    connection = socket.create_connection(("127.0.0.1", access.port), timeout=10)
    head = [
        f"{method} {path} HTTP/1.1",
        f"host: 127.0.0.1:{access.port}",
        f"origin: {visitor.origin}",
        f"cookie: {access.cookie_name}={access.cookie}",
        *lines,
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    return connection


def flood(connection: socket.socket, part: bytes, most: int) -> int:
    """Send parts until the server closes; how many bytes went."""
    went = 0
    try:
        while went < most:
            connection.sendall(part)
            went += len(part)
    except OSError:
        pass
    return went


GIGABYTE = 10**9


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [("PUT", "/api/images?name=a.png", "image/png"), ("POST", "/api/live", "application/json")],
)
def test_a_gigabyte_is_refused_before_it_comes(
    visitor: Visitor, method: str, path: str, kind: str
) -> None:
    length = f"content-length: {GIGABYTE}"
    with sent(visitor, method, path, f"content-type: {kind}", length) as connection:
        assert connection.recv(12) == b"HTTP/1.1 413"
        assert flood(connection, bytes(2**16), GIGABYTE) < 2**24


def test_a_gigabyte_of_unknown_length_is_refused_at_the_bound(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "UPLOAD_LIMIT", 3_000_000)
    lines = ("content-type: image/png", "transfer-encoding: chunked")
    with sent(visitor, "PUT", "/api/images?name=a.png", *lines) as connection:
        part = b"10000\r\n" + bytes(2**16) + b"\r\n"
        went = flood(connection, part, GIGABYTE)
        assert 3_000_000 < went < 2**25
        assert connection.recv(12) in (b"HTTP/1.1 413", b"")
    assert not list(visitor.explorer.store.folder.glob("images/*"))
    assert visitor.get("session")


def test_a_body_that_comes_slowly_is_not_waited_for(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "BODY_SECONDS", 0.3)
    lines = ("content-type: application/json", "content-length: 100")
    with sent(visitor, "POST", "/api/live", *lines) as connection:
        connection.sendall(b"{")
        assert connection.recv(12) == b"HTTP/1.1 408"


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"])
def test_a_head_that_comes_slowly_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """A slow-loris client sends a letter now and then, on as many connections as it gets."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.4)
    with served(tmp_path / "runs") as visitor:
        address = ("127.0.0.1", visitor.access.port)
        connections = [socket.create_connection(address, timeout=10) for _ in range(30)]
        begun = time.monotonic()
        for connection in connections:
            connection.sendall(start)
        assert visitor.get("session")
        while time.monotonic() - begun < 5 and not closed(connections[0]):
            for connection in connections:
                flood(connection, b"x", 1)
        assert time.monotonic() - begun < 5
        for connection in connections:
            connection.close()


def closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
