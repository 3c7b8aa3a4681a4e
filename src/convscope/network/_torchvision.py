"""Importing torchvision beside a build of torch that its compiled operators do not fit."""

from __future__ import annotations

import contextlib
import importlib
import sys
from functools import cache
from typing import Any

import torch


@cache
def torchvision() -> Any:
    """torchvision, also beside a build of torch that its compiled operators do not fit.

    A wheel built for CUDA does not load its operators beside a CPU build of torch, and then the
    import fails for want of two names (nms, qnms). Declaring their schemas is enough to import;
    nothing here calls them.
    """
    with contextlib.suppress(RuntimeError):
        return importlib.import_module("torchvision")
    for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        del sys.modules[module]
    library: Any = torch.library.Library("torchvision", "DEF")
    torchvision.operators = library  # type: ignore[attr-defined]  # undeclared when collected
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
