"""What commands print never controls the terminal, and passes in any encoding."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Table
from rich.text import Text

import convscope as cs
from convscope.cli import terminal
from convscope.errors import in_one_line, visible
from tests.helpers.shell import Shell

# A screen cleared, a title, an 8-bit control sequence, a line taken back, text turned around.
EVIL = "a\x1b[2J\x1b]0;title\x07\x9b31m\rb\u202eb\u2028c\x7f\n"

CONTROLS = {*map(chr, range(32)), "\x7f", *map(chr, range(128, 160)), "\u202e", "\u2028"} - {"\n"}


def test_letters_that_control_a_terminal_are_written_out() -> None:
    written = in_one_line(EVIL)
    assert written == (r"a\x1b[2J\x1b]0;title\x07\x9b31m b\u202eb c\x7f")
    assert visible("a\tb\nc\x1b", kept="\n") == "a\\tb\nc\\x1b"
    assert in_one_line("\udcff") == "\\udcff"
    plain = "Größe \u732b \N{CAT FACE} \u00a0\u3000 \u0645\u06cc\u200c\u062e\u0648\u0627"
    assert in_one_line(plain) == plain


def test_errors_are_safe_and_bounded_whoever_raises_them() -> None:
    message = str(cs.ConvscopeError(f"no layer {EVIL}"))
    assert not CONTROLS & {*message, "\n"} - {"\n"}
    assert "\n" not in message
    long = str(cs.ConvscopeError("begins " + "x" * 10**6 + " and says what to do"))
    assert len(long) <= 1000
    assert long.startswith("begins ")
    assert long.endswith(" and says what to do")


def test_consoles_write_only_their_own_styles() -> None:
    screen = io.StringIO()
    console = terminal.SafeConsole(file=screen, force_terminal=True, color_system=None, width=200)
    table = Table("name", EVIL)
    table.add_row(EVIL, "[bold]b[/]")
    console.print(EVIL, table, Text(EVIL), Text.assemble((EVIL, "bold")))
    assert not CONTROLS & {*screen.getvalue()}


def test_results_keep_the_bytes_of_their_names(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.show(Path("a\x1b[2J\udcff\n"))
    assert capfd.readouterr().out in ("a\\x1b[2J\udcff\\n\n", "a\\x1b[2J\\udcff\\n\n")


def test_json_is_ascii(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({EVIL: ["\udcff", "\u732b"]})
    out = capfd.readouterr().out
    assert json.loads(out) == {EVIL: ["\udcff", "\u732b"]}
    assert out.isascii()
    assert not CONTROLS & {*out}


NAMES = ["a\x1b[2J\x07.png", "tab\tnewline\n.png", "\u202egnp.png", "\udcff\udc9b.png", "Größe.png"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_passes_and_none_controls(here: Path, shell: Shell, name: str) -> None:
    """A photograph of that name, in messages, results, JSON, tables, pictures and folders."""
    os.rename("my photo.png", name)
    os.mkdir("photos")
    os.link(name, os.path.join("photos", name))
    Path("photos", f"z{name}").write_text("no image")
    said = [
        shell("saliency", name, "--json"),
        shell("saliency", name, "-o", f"out {name}"),
        shell("replay", f"out {name}", "--image", name, "-o", "again.png"),
        shell("saliency", f"no{name}"),
        shell("saliency", "photos", "-o", f"dir {name[:-4]}"),
        shell("saliency", "photos", "-o", f"dir {name[:-4]}", "--json"),
        shell("spectrum", "photos"),
        shell("class_image", "--target", name),
        shell("saliency", name, "--target", f"like:{name}", "-o", "like.png"),
    ]  # fmt: skip
    assert [code for code, _, _ in said] == [0, 0, 0, 2, 1, 1, 1, 2, 0], said
    for _, out, err in said:
        assert not CONTROLS & {*out, *err}
    assert Image.open("again.png").tobytes() == Image.open(f"out {name}").tobytes()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal(here: Path, encoding: str) -> None:
    """Also that of LC_ALL=C, which has ASCII only."""
    script = (
        "import sys, pathlib; from convscope.cli import terminal\n"
        "for stream in (sys.stdout, sys.stderr): terminal.make_safe(stream)\n"
        "terminal.show(pathlib.Path('\\u732b\\udcff')); terminal.tell('\\u732b\\udcff')\n"
        "terminal.results.print('\\u732b\\udcff')"
    )
    env = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, check=True)
    cat = "\u732b".encode() if encoding == "utf-8" else b"\\u732b"
    assert done.stdout.splitlines() == [cat + b"\\udcff"] * 2
    assert done.stderr.splitlines() == [cat + b"\\udcff"]
