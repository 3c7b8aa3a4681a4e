"""Quick settings for every example, where the environment has CONVSCOPE_QUICK_DOCS.

`make test` builds the pages to see that their code runs and that no link is broken. For that a few
optimization steps are enough. `make docs` runs everything in full.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from convscope.ascent import Recipe
from convscope.runs.registry import Technique

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STEPS = 4
# The largest value of each option; of `stride` the smallest.
LIMITS = {
    "steps": STEPS, "samples": 2, "count": 16, "tries": 2, "octaves": 2, "frames": 8,
    "height": 48, "width": 48, "limit": 1000, "probes": 2, "batch_size": 4,
}  # fmt: skip
STRIDE = 56
# Those of an atlas, which would be gray after so few steps.
ATLAS = {"grid": 3, "images": 32, "each": 3, "steps": 16}
PHOTOGRAPHS = 4  # of a folder, and those that `compress` is calibrated with


def quick(values: Mapping[str, Any]) -> dict[str, Any]:
    """A technique's options, within the limits."""
    found = dict(values)
    limits = LIMITS | ATLAS if ATLAS.keys() <= found.keys() else LIMITS
    for name, limit in limits.items():
        if isinstance(found.get(name), int):
            found[name] = min(found[name], limit)
    if isinstance(found.get("epsilons"), tuple):  # of `transfer`
        found["epsilons"] = found["epsilons"][:1]
    if "folder" in found and isinstance(found.get("limit"), int):
        found["limit"] = min(found["limit"], PHOTOGRAPHS)
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


def _whole(*, steps: int, **parts: Any) -> Recipe:
    recipe = Recipe(steps=steps, **parts)
    object.__setattr__(recipe, "steps", steps)
    return recipe


def limit() -> None:
    """Let every technique and recipe of this process run at quick settings."""
    import_module("convscope.techniques.compress").CALIBRATION = PHOTOGRAPHS
    import_module("convscope.ascent.map_images").Recipe = _whole
    Technique.validate = _limited(Technique.validate)  # type: ignore[method-assign]
    Recipe.__init__ = _short(Recipe.__init__)  # type: ignore[method-assign]


def setup(_app: Sphinx) -> dict[str, bool]:
    if os.environ.get("CONVSCOPE_QUICK_DOCS"):
        limit()
    return {"parallel_read_safe": True}
