"""TODO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, first_line


def load_checkpoint(module: nn.Module, path: str | Path) -> None:
    """Load a state dict into `module`: `.safetensors`, or `.pt`/`.pth` without running its code.

    A checkpoint that wraps the state dict under "state_dict" or "model", and one saved from
    DataParallel ("module." before every name) or torch.compile ("_orig_mod."), are understood.

    Raises:
        ConvscopeError: no such file, not tensors alone, or other names or shapes than the module's.
    """
    path = Path(path)
    if not path.is_file():
        raise ConvscopeError(f"no checkpoint at {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has errors of its own; all mean the same to the user
        raise ConvscopeError(
            f"{path.name} is no checkpoint of tensors alone ({first_line(error)[:120]}); save it as"
            " .safetensors"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise ConvscopeError(f"{path.name} holds a {type(state).__name__}, not a state dict")
    for prefix in ("module.", "_orig_mod."):
        wrapped = all(str(k).startswith(prefix) for k in state)
        if wrapped and not any(k.startswith(prefix) for k in module.state_dict()):
            state = {str(k).removeprefix(prefix): v for k, v in state.items()}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ConvscopeError(f"{path.name} does not fit: {' '.join(lines)[:300]}") from error
