"""Type checks the Python of the documentation, as strictly as a user may: mypy and pyright.

Each page becomes a module in which every statement keeps its line, so that an error names the line
of the page. Run it from the root of the project: `python docs/_ext/typecheck.py`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a page may use without saying where it comes from, as the first line of its module.
GIVEN = 'import convscope as cs; net = cs.load(); image = cs.open_image("cat.jpg")'
# Packages without types of their own, and what only a notebook does: a value alone on its line.
MYPY = f"""[mypy]
strict = true
mypy_path = {ROOT}/src:{ROOT}/docs/_ext
[mypy-sklearn.*,skimage.*,scipy.*,timm.*,torchvision.*]
ignore_missing_imports = true
"""
PYRIGHT = {"reportUnusedExpression": False, "extraPaths": [f"{ROOT}/src", f"{ROOT}/docs/_ext"]}


def pages() -> Iterator[Path]:
    """Every page and example that shows Python."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").glob("*.md"))
    yield from sorted((ROOT / "docs" / "examples").glob("plot_*.py"))


def python(page: Path) -> str:
    """The Python of a page, each statement on the line that it has there; "" for none."""
    text = page.read_text("utf-8")
    if page.suffix == ".py":
        return text
    lines, inside, found = [GIVEN], False, False
    for line in text.splitlines()[1:]:
        if line.startswith("```"):
            inside = not inside and bool(re.fullmatch(r"```(python|\{run\})", line))
            found |= inside
            line = ""
        lines.append(line if inside else "")
    return "\n".join(lines) + "\n" if found else ""


def main() -> int:
    """Check all pages; returns how many checkers complain."""
    with tempfile.TemporaryDirectory(prefix="convscope-pages-") as folder:
        names = {}
        for page in pages():
            if code := python(page):
                module = Path(folder, f"page_{page.stem.lower()}.py")
                module.write_text(code, encoding="utf-8")
                names[str(module)] = str(page.relative_to(ROOT))
        Path(folder, "mypy.ini").write_text(MYPY, encoding="utf-8")
        Path(folder, "pyrightconfig.json").write_text(json.dumps(PYRIGHT), encoding="utf-8")
        cache = ["--cache-dir", str(ROOT / ".mypy_cache" / "pages")]
        mypy = ["mypy", "--config-file", f"{folder}/mypy.ini", *cache, *names]
        pyright = ["pyright", "--pythonpath", sys.executable, "--project", folder]
        return sum(_fails(command, names) for command in (mypy, pyright))


def _fails(command: list[str], names: dict[str, str]) -> bool:
    """Whether a checker complains; what it says names the pages instead of the modules."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    said = done.stdout + done.stderr
    for module, page in names.items():
        said = said.replace(module, page)
    print(f"{command[0]}: {said.strip()}")
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
