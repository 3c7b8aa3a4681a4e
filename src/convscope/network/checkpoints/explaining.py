"""Says in one line why a checkpoint does not fit, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import short
from convscope.network.checkpoints.fitting import Fit

SHOWN = 3
LONGEST = 60  # characters of a name

# What names in a state dict show about its network. The first that is found counts.
_SIGNS = {
    ".attn.qkv.weight": "a vision transformer of timm",
    ".self_attention.in_proj_weight": "a vision transformer of torchvision",
    ".attention.attention.query.weight": "a vision transformer of Hugging Face's transformers",
    "model.0.conv.weight": "a YOLO of Ultralytics",
    "roi_heads.box_predictor": "a detector of torchvision that proposes boxes first",
    "backbone.fpn.": "a detector with a feature pyramid",
    "layer4.0.conv1.weight": "a ResNet",
    "stages.0.blocks.0.conv_dw.weight": "a ConvNeXt of timm",
    "features.denseblock1": "a DenseNet",
    "fire": "a SqueezeNet",
    "features.0.0.weight": "a network of torchvision such as MobileNet, EfficientNet or ConvNeXt",
    "features.0.weight": "a VGG or an AlexNet",
    "blocks.0.0.conv_pw.weight": "an EfficientNet or a MobileNet of timm",
    "conv_stem.weight": "an EfficientNet or a MobileNet of timm",
}


def does_not_fit(file: str, tried: Sequence[Fit], architecture: str) -> str:
    """Why no state dict fits.

    Args:
        file: the checkpoint's name.
        tried: how each state dict fits, the best first.
        architecture: the name that the training program gave the network; "" if it is not there.
    """
    if not tried:
        return f"{file} holds no weights"
    fit = tried[0]
    where = f" (under {fit.place!r})" if fit.place else ""
    problems = []
    if fit.missing:
        problems.append(f"{listed(fit.missing)} missing")
    if fit.other_shapes:
        problems += [
            f"{_short(name)} is {_shape(theirs)}, not {_shape(fit.wanted[name].shape)}"
            for name, theirs in list(fit.other_shapes.items())[:SHOWN]
        ]
    if len(fit.other_shapes) > SHOWN:
        problems.append(f"{len(fit.other_shapes) - SHOWN} more differ")
    others = fit.may_be_layers(fit.others())
    if others and fit.missing:
        problems.append(f"{listed(others)} not known")
    way = _way(fit, others, architecture)
    return f"{file}{where} does not fit the network: {'; '.join(problems)}; {way}"


def _way(fit: Fit, others: Sequence[str], architecture: str) -> str:
    if not fit.missing and any("pos_embed" in name for name in fit.other_shapes):
        return "if it was trained on another size of images, give that as input_size (--input-size)"
    if not fit.other_shapes and not others and len(fit.missing) <= 2:
        return "it has no classifier: load weights that have one"
    if architecture and (fit.missing or len(fit.other_shapes) > SHOWN):
        return f"it was saved from {short(architecture)}: load that network"
    if 2 * len(fit.found) >= len(fit.wanted):
        return (
            "write a function that builds the module that was trained, and load FILE.py:FUNCTION"
            " with these weights"
        )
    looks = next((what for sign, what in _SIGNS.items() if _has(fit, sign)), None)
    seems = f"its names look like {looks}" if looks else "it is of another network"
    return f"{seems}: load the network that was trained, by its name or as FILE.py:FUNCTION"


def _has(fit: Fit, sign: str) -> bool:
    return any(sign in f".{name}" for name in fit.state.tensors)


def too_much(file: str, fit: Fit, others: Sequence[str]) -> str:
    """Why weights that fit are refused: the checkpoint has other layers beside them."""
    inside = any(name.startswith(fit.prefix) for name in others)
    way = (
        "delete them from the state dict in Python, and torch.save it"
        if inside or not fit.place
        else f"load {file}:{fit.place}"
    )
    return (
        f"{file} does not fit the network: it also holds {listed(others)}, which the network does"
        f" not have; if they are not used, {way}"
    )


def listed(names: Sequence[str]) -> str:
    """The first few names, each with quotes."""
    shown = ", ".join(_short(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _short(name: str) -> str:
    """A name from a file, which may be of any length and hold any letters."""
    text = repr(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}...'"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
