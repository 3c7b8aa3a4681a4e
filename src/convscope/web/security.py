"""Who may talk to the explorer: the user's own browser, and no other page that it shows.

A page of a stranger can send requests to this server, too: by a link or a form, or under a name
that it points to this machine (DNS rebinding). So each request must name this machine as its host,
each request to the API must have the cookie, which only the address with the token gives, and each
write must come from a page of this very server.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/"

READS = ("GET", "HEAD")

JSON_LIMIT = 8_000_000  # bytes of a request's body

UPLOAD_LIMIT = 100_000_000

BODY_SECONDS = 120.0  # in which the body must have come

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Access:
    """What opens the door.

    Attributes:
        port: the server's own; the cookie is named after it, for cookies do not know ports.
        host: the address that the server listens on.
        token: what the first address holds.
        cookie: what the browser gets for the token.
    """

    port: int
    host: str = "127.0.0.1"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie_name(self) -> str:
        return f"convscope-{self.port}"

    @property
    def address(self) -> str:
        """The first address to open, with the token."""
        host = "127.0.0.1" if is_any(self.host) else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/?token={quote(self.token)}"

    def is_own(self, host: str) -> bool:
        """Whether a Host header names this machine.

        Over the network, any address in numbers is right: no stranger's name can hide behind it.
        """
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.strip("[]").lower()
        if name == "localhost" or is_loopback(name) or name == self.host.lower():
            return True
        return not is_loopback(self.host) and _number(name) is not None


def _number(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine only."""
    found = _number(host)
    return host == "localhost" or (found is not None and found.is_loopback)


def is_any(host: str) -> bool:
    """Whether an address stands for all addresses of this machine."""
    found = _number(host)
    return found is not None and found.is_unspecified


class Guard:
    """Refuses requests before the application sees them, and bounds what it reads."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(scope, MutableHeaders(scope=message))
            await send(message)

        if (refusal := self._refusal(scope, headers)) is not None:
            await _refuse(guarded_send, *refusal)
        elif (place := self._let_in(scope)) is not None:
            await self._give_cookie(guarded_send, place)
        else:
            await self._app(scope, _Bounded(receive, scope), guarded_send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """The status and the reason to refuse a request; None if it may pass."""
        host = headers.get("host", "")
        if not self._access.is_own(host):
            return 403, "the explorer answers under the address that the terminal shows, only"
        api = scope["path"].startswith(API)
        if api and not self._has_cookie(headers):
            return 403, "open the address that the terminal shows: it has a token in it"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and api:
            return 403, "the request comes from a page that is not the explorer's"
        if scope["method"] in READS:
            return None
        if not api:
            return 405, "pages can only be read"
        if headers.get("origin") != f"http://{host}":
            return 403, "the request comes from a page that is not the explorer's"
        return _bad_body(scope, headers)

    def _has_cookie(self, headers: Headers) -> bool:
        jar = SimpleCookie()
        for line in headers.getlist("cookie"):
            try:
                jar.load(line)
            except CookieError:
                continue
        found = jar.get(self._access.cookie_name)
        return found is not None and _same(found.value, self._access.cookie)

    def _let_in(self, scope: Scope) -> str | None:
        """Where to go on with a cookie, if the address of a page holds the right token."""
        if scope["path"].startswith(API):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(name == "token" and _same(text, self._access.token) for name, text in query):
            return None
        others = urlencode([one for one in query if one[0] != "token"])
        # One slash at the beginning: two would lead to another host.
        place = "/" + quote(scope["path"].lstrip("/\\"))
        return f"{place}?{others}" if others else place

    async def _give_cookie(self, send: Send, place: str) -> None:
        cookie = f"{self._access.cookie_name}={self._access.cookie}"
        headers = {
            "location": place,
            "set-cookie": f"{cookie}; Path=/; HttpOnly; SameSite=Strict",
            "cache-control": "no-store",
            "content-length": "0",
        }
        await _answer(send, 303, headers, b"")


def _same(one: str, other: str) -> bool:
    """Whether two secrets agree, in a time that says nothing about them."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _bad_body(scope: Scope, headers: Headers) -> tuple[int, str] | None:
    """The status and the reason to refuse the body of a write."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["method"] == "POST" and kind != "application/json":
        return 415, "send JSON, with the content type application/json"
    if scope["method"] == "PUT" and not kind.startswith("image/"):
        return 415, "send an image, with its content type"
    length, limit = headers.get("content-length", "0"), _limit(scope)
    if not length.isdecimal() or int(length) > limit:
        return 413, _too_large(limit)
    return None


def _limit(scope: Scope) -> int:
    return UPLOAD_LIMIT if scope["method"] == "PUT" else JSON_LIMIT


def _too_large(limit: int) -> str:
    return f"that is more than {limit // 1_000_000} MB, the most that the explorer takes"


class _Bounded:
    """Receives the body of a request up to a number of bytes and of seconds."""

    def __init__(self, receive: Receive, scope: Scope) -> None:
        self._receive, self._limit, self._size = receive, _limit(scope), 0
        self._end = monotonic() + BODY_SECONDS
        self._complete = scope["method"] in READS

    async def __call__(self) -> Message:
        if self._complete:  # all that can come is that the client leaves, after hours perhaps
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._end - monotonic())
        except TimeoutError as error:
            raise _problem(408, "the request came too slowly") from error
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _problem(413, _too_large(self._limit))
        self._complete = not message.get("more_body", False)
        return message


def _problem(status: int, detail: str) -> HTTPException:
    # The rest of the body is not read: the connection ends.
    return HTTPException(status, detail, {"connection": "close"})


def _add_headers(scope: Scope, headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers[name] = value
    if scope["path"].startswith(API):
        headers.setdefault("cache-control", "no-store")


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",  # a body is not read
    }
    await _answer(send, status, headers, body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
