"""Images over the API, with the decoder that users have."""

from __future__ import annotations

import io
import os
import signal
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import convscope as cs
from convscope.web.messages import Options
from convscope.web.worker import main
from tests.helpers.explorer import Visitor, served


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("explorer")
    (folder / "<b>cat.png").write_bytes(png((40, 30)))
    (folder / "text.png").write_text("this is no picture")
    files = [str(folder / "<b>cat.png"), str(folder / "text.png"), "sample:coffee"]
    with served(folder / "runs", *files, main=main, options=Options({}, {})) as visitor:
        yield visitor


def png(size: tuple[int, int], color: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (color, 100, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(visitor: Visitor, content: bytes, name: str = "a.png", kind: str = "image/png") -> Any:
    return visitor.ask("PUT", f"/api/images?name={name}", content, content_type=kind)


def test_images_have_opaque_ids(visitor: Visitor) -> None:
    found = visitor.get("images")
    named = {image["name"]: image for image in found}
    assert named["<b>cat.png"]["kind"] == "file"
    assert (named["<b>cat.png"]["width"], named["<b>cat.png"]["height"]) == (40, 30)
    for name in ("chelsea", "coffee", "rocket", "astronaut"):
        height, width = cs.open_image(f"sample:{name}").shape[2:]
        assert (named[name]["width"], named[name]["height"]) == (width, height)
    assert [image["name"] for image in found].count("coffee") == 1
    assert not [image for image in found if len(image["id"]) != 16]
    assert str(visitor.explorer.store.folder.parent) not in str(named["<b>cat.png"])


def test_a_file_that_is_no_image_says_so(visitor: Visitor) -> None:
    (text,) = (image for image in visitor.get("images") if image["name"] == "text.png")
    assert (text["width"], text["height"]) == (0, 0)
    assert text["problem"]
    assert visitor.ask("GET", f"/api/images/{text['id']}").status == 422


@pytest.mark.parametrize(("size", "longer"), [("thumbnail", 320), ("full", 451)])
def test_pictures_are_encoded_anew(visitor: Visitor, size: str, longer: int) -> None:
    (cat,) = (image for image in visitor.get("images") if image["name"] == "chelsea")
    reply = visitor.ask("GET", f"/api/images/{cat['id']}?size={size}")
    assert reply.headers["content-type"] in ("image/jpeg", "image/png")
    assert max(Image.open(io.BytesIO(reply.body)).size) == longer


def test_an_upload_is_kept(visitor: Visitor) -> None:
    reply = upload(visitor, png((20, 10), color=99), "mine%20%3Cscript%3E.png")
    assert reply.status == 200
    info = reply.json
    assert (info["name"], info["kind"]) == ("mine <script>.png", "upload")
    assert (info["width"], info["height"]) == (20, 10)
    assert upload(visitor, png((20, 10), color=99), "again.png").json == info
    assert info in visitor.get("images")
    (file,) = visitor.explorer.store.folder.glob("images/*.png")
    assert file.name == f"{info['id']}-mine-script.png"
    assert visitor.ask("GET", f"/api/images/{info['id']}").status == 200


def test_uploads_survive_a_restart(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as visitor:
        info = upload(visitor, b"\xff\xd8 a photograph", kind="image/jpeg").json
    with served(tmp_path / "runs") as visitor:
        assert info in visitor.get("images")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG of many pixels in few bytes: 50,000 lines of zeros deflate a thousandfold."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    deflate = zlib.compressobj(9)
    line = bytes(1 + side // 8)
    data = b"".join(deflate.compress(line) for _ in range(side)) + deflate.flush()
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_bomb_is_refused(visitor: Visitor) -> None:
    content = bomb(50_000)
    assert len(content) < 1_000_000
    begun = time.monotonic()
    reply = upload(visitor, content, "bomb.png")
    assert reply.status == 422
    assert "bomb.png" in reply.json["detail"]
    assert "megapixels" in reply.json["detail"]
    assert time.monotonic() - begun < 5
    assert not kept(visitor, content)


def kept(visitor: Visitor, content: bytes) -> list[Path]:
    files = visitor.explorer.store.folder.glob("images/*")
    return [file for file in files if file.suffix != ".json" and file.read_bytes() == content]


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a/*<script>alert(1)</script>*/", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
     b"%PDF-1.7", b"PK\x03\x04", b"<html><script>alert(1)</script>", png((90, 90))[:100]],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_image_is_refused(visitor: Visitor, content: bytes) -> None:
    reply = upload(visitor, content)
    assert reply.status == 422
    assert str(visitor.explorer.store.folder) not in reply.json["detail"]
    assert not kept(visitor, content)


def test_a_file_of_two_kinds_is_served_as_a_picture_only(visitor: Visitor) -> None:
    """A PNG with a page behind it: neither the page nor the rest of the file is ever sent."""
    content = png((12, 8), color=5) + b"<html><script>alert(1)</script></html>"
    reply = upload(visitor, content, "polyglot.html", kind="image/png")
    if reply.status == 422:
        return
    for size in ("thumbnail", "full"):
        served = visitor.ask("GET", f"/api/images/{reply.json['id']}?size={size}")
        assert served.headers["content-type"] in ("image/jpeg", "image/png")
        assert served.headers["x-content-type-options"] == "nosniff"
        assert b"script" not in served.body


def test_an_upload_says_that_it_is_an_image(visitor: Visitor) -> None:
    assert upload(visitor, png((9, 9)), kind="text/html").status == 415


def test_a_decoder_that_dies_starts_again(visitor: Visitor) -> None:
    assert upload(visitor, png((30, 11))).status == 200  # it has begun
    pid = visitor.explorer.questions.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while visitor.explorer.questions.worker.pid in (pid, None):
        time.sleep(0.02)
    assert upload(visitor, png((31, 11))).json["width"] == 31
    assert visitor.explorer.questions.worker.pid != pid


def test_an_image_that_kills_the_decoder_is_not_kept(tmp_path: Path) -> None:
    with served(tmp_path / "runs") as visitor:
        reply = upload(visitor, b"die")
        assert reply.status == 422
        assert "ended by itself" in reply.json["detail"]
        assert not kept(visitor, b"die")
        assert upload(visitor, b"\xff\xd8 a photograph").status == 200
