"""Quick settings for every example, where the environment has CONVSCOPE_QUICK_DOCS.

`make test` builds the pages to see that their code runs and that no link is broken. For that a few
optimization steps are enough. `make docs` runs everything in full.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from convscope.ascent import Recipe
from convscope.runs.registry import Technique

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STEPS = 4
# The largest value of each option; of `stride` the smallest.
LIMITS = {
    "steps": STEPS, "samples": 2, "count": 16, "tries": 2, "octaves": 2, "frames": 8,
    "height": 48, "width": 48, "limit": 1000, "probes": 2,
}  # fmt: skip
STRIDE = 56


def quick(values: Mapping[str, Any]) -> dict[str, Any]:
    """A technique's options, within the limits."""
    found = dict(values)
    for name, limit in LIMITS.items():
        if isinstance(found.get(name), int):
            found[name] = min(found[name], limit)
    if isinstance(found.get("stride"), int):
        found["stride"] = max(found["stride"], min(STRIDE, found.get("patch") or STRIDE))
    return found


def _limited(validate: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def limited(self: Technique, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return quick(validate(self, parameters))

    return limited


def _short(begin: Callable[..., None]) -> Callable[..., None]:
    def short(self: Recipe, *values: Any, **options: Any) -> None:
        begin(self, *values, **options)
        object.__setattr__(self, "steps", min(self.steps, STEPS))

    return short


def limit() -> None:
    """Let every technique and recipe of this process run at quick settings."""
    Technique.validate = _limited(Technique.validate)  # type: ignore[method-assign]
    Recipe.__init__ = _short(Recipe.__init__)  # type: ignore[method-assign]


def setup(_app: Sphinx) -> dict[str, bool]:
    if os.environ.get("CONVSCOPE_QUICK_DOCS"):
        limit()
    return {"parallel_read_safe": True}
