"""Files of weights: state dicts, read without running any code in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, first_line


def load_checkpoint(module: nn.Module, path: str | Path) -> None:
    """Load a state dict from a `.safetensors`, `.pt` or `.pth` file into a module.

    The state dict may be inside a dict, under "state_dict" or "model". Its names may begin with
    "module." (saved from DataParallel) or "_orig_mod." (saved from torch.compile).

    Raises:
        ConvscopeError: there is no such file, it holds more than tensors, or its names or shapes
            are not those of the module.
    """
    state = _unwrapped(_read(Path(path)), module, Path(path).name)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise ConvscopeError(f"{Path(path).name} does not fit: {' '.join(lines)[:300]}") from error


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ConvscopeError(f"no checkpoint at {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each format has its own errors; all mean the same to the user
        raise ConvscopeError(
            f"{path.name} is not a checkpoint that holds only tensors ({first_line(error)[:120]});"
            " save it as .safetensors"
        ) from error


def _unwrapped(state: Any, module: nn.Module, file: str) -> Any:
    """The state dict in what a file holds, with the names that the module has."""
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise ConvscopeError(f"{file} holds a {type(state).__name__}, not a state dict")
    for prefix in ("module.", "_orig_mod."):
        wrapped = all(str(k).startswith(prefix) for k in state)
        if wrapped and not any(k.startswith(prefix) for k in module.state_dict()):
            state = {str(k).removeprefix(prefix): v for k, v in state.items()}
    return state
