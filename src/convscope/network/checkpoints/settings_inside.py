"""How a training program prepared its images, where its checkpoint says so."""

from __future__ import annotations

from typing import Any

from convscope.network.checkpoints.stored import members


def settings_inside(values: Any) -> dict[str, Any]:
    """What timm's training was asked for instead of the network's own settings.

    Args:
        values: what the checkpoint holds. timm keeps the options of its command under "args".
    """
    options = members(members(values).get("args"))
    if "crop_pct" not in options:  # another program's
        return {}
    found = {
        "mean": _numbers(options.get("mean"), 3),
        "std": _numbers(options.get("std"), 3),
        "input_size": _size(options),
        "crop": options.get("crop_pct"),
        "interpolation": options.get("interpolation"),
    }
    if found["interpolation"] not in ("bicubic", "bilinear"):
        del found["interpolation"]
    if not isinstance(found["crop"], float):
        del found["crop"]
    return {word: value for word, value in found.items() if value is not None}


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, list | tuple) or len(value) != count:
        return None
    return tuple(value) if all(isinstance(one, int | float) for one in value) else None


def _size(options: Any) -> tuple[int, int] | None:
    """`--input-size` channels rows columns, or `--img-size` for a square."""
    sizes = _numbers(options.get("input_size"), 3)
    side = options.get("img_size")
    if sizes is not None:
        return int(sizes[1]), int(sizes[2])
    return (side, side) if isinstance(side, int) else None
