"""Networks by name: our own, those that packages add, timm's, torchvision's, and own code."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import unknown
from convscope.network.checkpoints.choosing import Classes
from convscope.network.checkpoints.labels_inside import GIVE_LABELS, choose_labels
from convscope.network.checkpoints.loading import Checkpoint
from convscope.network.compressed.sources import compressed_network
from convscope.network.heads.labels import as_labels
from convscope.network.heads.output_kinds import Labels
from convscope.network.heads.torchvision_detectors import Detections
from convscope.network.hog import NAME as HOG_NAME
from convscope.network.hog import hog
from convscope.network.network import Network
from convscope.network.preprocessing import as_size
from convscope.network.sources import timm_networks, torchvision_networks
from convscope.network.sources.own_code import check_is_name, own_network, resolved, runs_code
from convscope.network.sources.plugin_networks import Built, build_plugin, plugin_networks
from convscope.network.sources.squeezenet import NAME as SQUEEZENET
from convscope.network.sources.squeezenet import squeezenet
from convscope.system import quiet

DEFAULT = "efficientnet_lite0"
_LITE = ("efficientnet_lite0", "efficientnet_lite1")
_OURS = (*_LITE, SQUEEZENET, HOG_NAME)
_FAMILIES = ("timm", "torchvision")


class _OwnNames:
    """The names that packages cannot take: our own networks, timm/NAME and torchvision/NAME."""

    def __contains__(self, name: object) -> bool:
        return name in _OURS or str(name).partition("/")[0] in _FAMILIES


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
        name: "efficientnet_lite0" (the default), "efficientnet_lite1", "squeezenet1_1",
            "hog" (which has no weights), "timm/NAME", "torchvision/NAME", or a name that an
            installed package adds. "FILE.py:NAME" and "PACKAGE.MODULE:NAME" run your own code:
            NAME is a module or a `Network`, or a function without arguments that returns one.
            "FILE.pt2" is an exported program, which may run code too. "FILE.safetensors" is a
            network that `compress` has written.
        pretrained: whether to use trained weights. Random weights are the same every time. Trained
            weights of the two EfficientNets are in their Python packages, and those of SqueezeNet
            are in this one; timm and torchvision download theirs.
        checkpoint: a file with your own weights for this architecture, of torch.save or of
            safetensors, with any number of classes. FILE:NAME takes the weights under a name in it.
        labels: the names of the classes, as `Network` takes them; those in the checkpoint, or else
            those of the name, if not given.
        mean, std: mean and standard deviation of each channel, for images in [0, 1]; one number is
            that of all channels, where the name says how many there are. These and the following
            are those of the name if not given.
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
    if checkpoint is None and (found := compressed_network(name)):
        checkpoint, name, given = name, found.name, {**found.settings, **given}
    weights = None if checkpoint is None else Checkpoint(checkpoint)
    kept = {} if weights is None or runs_code(name) else weights.settings
    asked = {**kept, **given}
    built = _build(name, pretrained and weights is None, asked)
    notes: tuple[str, ...] = ()
    if weights is not None:
        built, notes = _with_weights(name, built, weights, asked)
        if kept.keys() - given.keys():
            words = ", ".join(word for word in kept if word not in given)
            notes += (f"{words}: those that {weights.file} was trained with, under 'args'",)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    module, settings = built
    net = Network(module, **{"name": name, **_settings(settings, asked), "device": device})
    if weights is not None and runs_code(name) and not net.labels:
        net, notes = _labeled(net, weights, notes)
    net.loading_notes = notes
    net.source = {
        "name": resolved(name),
        "pretrained": pretrained,
        "checkpoint": None if checkpoint is None else str(Path(checkpoint).resolve()),
        **({} if weights is None else {"checkpoint_sha256": weights.sha256}),
        **{word: getattr(net, word) for word in given if word != "labels"},
        **({"labels": given["labels"]} if "labels" in given else {}),
    }
    return net


def _settings(built: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are given, and those of the network's name."""
    channels = len(built.get("mean", ()))
    wide = {
        word: (given[word],) * channels
        for word in ("mean", "std")
        if channels and isinstance(given.get(word), int | float)
    }
    return {**built, **given, **wide}


def _with_weights(
    name: str, built: Built, weights: Checkpoint, given: Mapping[str, Any]
) -> tuple[Built, tuple[str, ...]]:
    """A network with the weights of a checkpoint and its labels, and what was assumed."""
    with quiet():  # torch warns of parts of exported programs
        module, settings = copy.deepcopy(built) if runs_code(name) else built
    count = len(settings.get("labels") or ()) or getattr(module, "num_classes", 0)
    classes = None
    if count and name in _OwnNames():
        classes = Classes(count, lambda number: _inner(_build(name, False, given, number)[0]))
    loaded = weights.load(_inner(module), classes)
    if loaded.module is not _inner(module):
        settings = {**settings, "labels": None, "output": None}
        module = Detections(loaded.module) if isinstance(module, Detections) else loaded.module
    if "labels" in given or loaded.classes is None:
        return (module, settings), loaded.notes
    labels, note = choose_labels(weights.file, weights.labels, loaded.classes)
    if labels is None and settings["labels"] is None and not note:
        note = (
            f"classes are named by their numbers, as {weights.file} holds no labels: {GIVE_LABELS}"
        )
    settings = {**settings, "labels": labels or settings["labels"]}
    return (module, settings), (*loaded.notes, *([note] if note else []))


def _inner(module: nn.Module) -> nn.Module:
    """The module that people train and save; `Detections` stands around a detector."""
    return module.detector if isinstance(module, Detections) else module


def _labeled(
    net: Network, weights: Checkpoint, notes: tuple[str, ...]
) -> tuple[Network, tuple[str, ...]]:
    """A network of own code with the labels of its checkpoint, if it has classes."""
    if net.num_classes is None:
        return net, notes
    labels, note = choose_labels(weights.file, weights.labels, net.num_classes)
    if labels is not None:
        net = Network(net.module, **{**net.settings, "labels": labels})
    return net, (*notes, *([note] if note else []))


def build(name: str, pretrained: bool = True) -> Built:
    """The unprepared module that `load` wraps, and the other arguments of its `Network`.

    Random weights are the same every time. The state of torch's random numbers is left as it was.

    Raises:
        ConvscopeError: the name is unknown, or the weights cannot be downloaded.
    """
    return _build(name, pretrained, {})


def _build(
    name: str, pretrained: bool, given: Mapping[str, Any], num_classes: int | None = None
) -> Built:
    family, _, rest = name.partition("/")
    sizes: dict[str, Any] = {"num_classes": num_classes, "input_size": given.get("input_size")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in _LITE:
            return timm_networks.efficientnet_lite(name, pretrained, **sizes)
        if name == SQUEEZENET:
            return squeezenet(pretrained, num_classes)
        if name == HOG_NAME:
            return hog()
        if family == "timm" and rest:
            return timm_networks.from_timm(rest, pretrained, **sizes)
        if family == "torchvision" and rest:
            labels = timm_networks.imagenet_labels()
            return torchvision_networks.from_torchvision(
                rest, pretrained, labels, num_classes=num_classes
            )
        if runs_code(name):
            return own_network(name, given)
        added = plugin_networks(_OwnNames())
        if name in added:
            return build_plugin(added[name], pretrained)
    check_is_name(name)
    hint = "timm/NAME and torchvision/NAME work too ('convscope models')"
    raise unknown("network", name, [*_OURS, *added, *_of_a_family(name)], hint)


def _of_a_family(rest: str) -> list[str]:
    """The names of timm and torchvision that end in a name without its family."""
    return [name for name in models(rest) if name.partition("/")[2] == rest]


def comes_along(name: str) -> bool:
    """Whether a network and its weights are in packages that convscope installs."""
    return name in _OURS


def models(contains: str = "") -> list[str]:
    """The names that `load` knows and that contain a text, in upper or lower case."""
    timm = timm_networks.timm_package()
    names = [*_OURS, *plugin_networks(_OwnNames())]
    names += [f"timm/{n}" for n in timm.list_models()]
    names += [f"torchvision/{n}" for n in torchvision_networks.names()]
    return [n for n in names if contains.lower() in n.lower()]
