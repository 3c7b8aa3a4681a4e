"""Importing torchvision together with a build of torch that does not fit its operators."""

from __future__ import annotations

import contextlib
import importlib
import sys
from functools import cache
from typing import Any

import torch


@cache
def torchvision() -> Any:
    """The module torchvision.

    A wheel built for CUDA cannot load its compiled operators together with a CPU build of torch.
    The import then fails because two operators (nms, qnms) are not declared. Declaring them is
    enough for the import; nothing here calls them.
    """
    with contextlib.suppress(RuntimeError):
        return importlib.import_module("torchvision")
    for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        del sys.modules[module]
    library: Any = torch.library.Library("torchvision", "DEF")
    torchvision.operators = library  # type: ignore[attr-defined]  # kept: the declarations go when it is collected
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
