"""Modules that only wrap another one, and modules that cannot be looked into."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convscope.errors import ConvscopeError

# The attribute that holds the module inside, by the class of the wrapper. Their packages need not
# be installed.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "ModelEmaV3": "module",
    "DeepSpeedEngine": "module",
    "_FabricModule": "_forward_module",
}


def unwrapped(module: nn.Module) -> nn.Module:
    """What wrappers such as `torch.compile`, DataParallel and Fabric's run."""
    while (inner := _inside(module)) is not None:
        module = inner
    return module


def unwrap_parts(module: nn.Module) -> None:
    """Replace every wrapper inside a module by what it wraps."""
    for part in list(module.modules()):
        for name, child in part._modules.items():
            if child is not None and (inner := unwrapped(child)) is not child:
                part._modules[name] = inner


def _inside(module: nn.Module) -> nn.Module | None:
    attribute = _WRAPPERS.get(type(module).__name__)
    inner = attribute and module._modules.get(attribute)
    return inner if isinstance(inner, nn.Module) else None


def need_readable(module: object) -> nn.Module:
    """The module, or an error that says what to pass instead."""
    if isinstance(module, torch.export.ExportedProgram):
        raise ConvscopeError("an ExportedProgram is no torch.nn.Module: pass its .module()")
    if isinstance(module, torch.jit.ScriptFunction):
        raise ConvscopeError("this is a TorchScript function: pass the nn.Module it was made from")
    if not isinstance(module, nn.Module):
        raise ConvscopeError(f"a Network wraps a torch.nn.Module, not {type(module).__name__}")
    if isinstance(module, torch.jit.ScriptModule):
        raise ConvscopeError(
            "this module is TorchScript, which hides its layers: pass the nn.Module that it was"
            " made from"
        )
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(value):
            raise ConvscopeError(
                f"{name!r} has no shape yet, as it is lazy: run your module on one batch first"
            )
        if value.is_meta:
            raise ConvscopeError(
                f"{name!r} is on the device 'meta' and has no numbers: load the weights of your"
                " module first"
            )
    return module
