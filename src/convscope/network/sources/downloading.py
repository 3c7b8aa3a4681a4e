"""Weights that another library downloads."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import nn

from convscope.errors import ConvscopeError


def downloaded(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    """The module that `build` makes, which downloads its weights.

    Raises:
        ConvscopeError: they cannot be downloaded.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it logs every retry
    # Downloads raise many kinds of error; none helps the user more than this line.
    try:
        return build()
    except Exception as error:
        raise ConvscopeError(
            f"{name}: the weights cannot be downloaded ({type(error).__name__}); use --checkpoint"
            " FILE, or --random-weights for the untrained network"
        ) from error
