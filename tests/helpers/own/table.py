"""The modules by name: how each is built, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.quantization import quantize_dynamic
from torch.nn.utils import parametrizations

from tests.helpers.own import building as made
from tests.helpers.own.building import Own, small

_NO_RELU = {"guided_backprop": "ReLU"}
_NO_GRADIENT = "no gradient reaches the image"
_ASKING = ("predict", "saliency", "guided_backprop", "gradcam", "occlusion", "class_image")
_SEVERAL = dict.fromkeys(_ASKING, "several outputs")
_BOXES = dict.fromkeys(_ASKING, "no class scores")
_NO_CLASSES = dict.fromkeys(_ASKING, "no class scores") | {"class_image": "not a class"}
_VALUE = {"predict": "say so with labels", "class_image": "not a class"}
# Without gradients from the output; without any from the image; and not followed by the trace.
_CUT_AT_END = dict.fromkeys(("saliency", "guided_backprop", "class_image"), _NO_GRADIENT)
_CLIMBS = ("neuron_image", "deepdream", "invert")
_CUT_OFF = _CUT_AT_END | dict.fromkeys(_CLIMBS, _NO_GRADIENT)
_UNSEEN = _CUT_AT_END | {
    "gradcam": "feature maps",
    "activations": "cannot be read channel by channel",
    "neuron_image": "feature maps",
    "deepdream": "feature maps",
    "invert": "needs a layer",
}


def _first(output: Any) -> Tensor:
    scores: Tensor = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return scores


def _compiled(module: nn.Module) -> nn.Module:
    made: Any = torch.compile(module, backend="eager")
    result: nn.Module = made
    return result


def _column(output: Tensor) -> Tensor:
    return output.view(len(output), -1)


def _before(module: nn.Sequential) -> nn.Module:
    return module[0]


OUTPUTS: dict[str, Own] = {
    "a tuple": Own(made.returning(lambda y: (y, y.sum())), scores=_first),
    "a dict of logits": Own(
        made.returning(lambda y: {"logits": y, "loss": y.sum()}), scores=_first
    ),
    "a dataclass": Own(made.returning(made.Output), scores=lambda out: out.logits),
    "a list of one": Own(made.returning(lambda y: [y]), scores=_first),
    "two heads": Own(
        made.returning(lambda y: {"color": y[:, :3], "shape": y[:, 3:]}),
        scores=None,
        lines=_SEVERAL,
    ),
    "one number": Own(partial(small, classes=1), lines=_VALUE),
    "one number, squeezed": Own(
        made.returning(lambda y: y.squeeze(1), 1), scores=_column, lines=_VALUE
    ),
    "one probability": Own(lambda: nn.Sequential(small(1), nn.Sigmoid()), inner=_before),
    "many probabilities": Own(lambda: nn.Sequential(small(), nn.Sigmoid()), inner=_before),
    "softmax inside": Own(lambda: nn.Sequential(small(), nn.Softmax(1)), inner=_before),
    "log softmax inside": Own(lambda: nn.Sequential(small(), nn.LogSoftmax(1)), inner=_before),
    "classes as maps of one pixel": Own(
        made.returning(lambda y: y[..., None, None]), scores=_column
    ),
    "a map of logits": Own(made.unet, scores=None),
    "logits of tokens": Own(
        made.returning(lambda y: y[:, None].expand(-1, 9, -1)), scores=None, lines=_NO_CLASSES
    ),
    "an image": Own(made.autoencoder, scores=None),
    "an embedding": Own(
        made.returning(lambda y: nn.functional.normalize(y, dim=1)), scores=None, lines=_NO_CLASSES
    ),
    "half of a latent": Own(made.returning(lambda y: y.chunk(2, 1)[0], 8)),
    "a list of boxes": Own(
        made.returning(lambda y: [{"boxes": v[:4], "scores": v[4:]} for v in y]),
        scores=None,
        lines=_BOXES,
    ),
}

STRUCTURES: dict[str, Own] = {
    "LeNet": Own(made.Lenet, size=28, channels=1, lines=_NO_RELU),
    "PyTorch's tutorial": Own(made.Tutorial),
    "attention": Own(lambda: made.tokens(made.Attention()), lines=_NO_RELU),
    "attention with a mask": Own(lambda: made.tokens(made.Masked()), lines=_NO_RELU),
    "encoder layer": Own(
        lambda: made.tokens(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True))
    ),
    "encoder layer, tokens first": Own(
        lambda: made.tokens(nn.TransformerEncoderLayer(16, 2, 32), first=False)
    ),
    "LSTM over tokens": Own(
        lambda: made.tokens(made.Recurrent(16, 16, batch_first=True)), lines=_NO_RELU
    ),
    "shared in-place ReLU": Own(made.shared_in_place),
    "branches by value": Own(
        made.branching,
        lines=dict.fromkeys(
            ("neuron_image", "deepdream", "invert"), "its path depends on the image"
        ),
    ),
    "changes its input": Own(made.changes_input),
    "checkpointed": Own(lambda: made.checkpointed(False)),
    "checkpointed, reentrant": Own(lambda: made.checkpointed(True)),
    "siamese with a fixed image": Own(lambda: made.siamese(torch.rand(1, 3, 32, 32)), lines=_VALUE),
    "a clip of equal frames": Own(
        lambda: made.Does(
            lambda s, x: s.body(x[:, :, None].expand(-1, -1, 4, -1, -1)), body=made.conv3d()
        ),
        lines={"filters": "no convolution over the rows and columns"},
    ),
    "hooks that keep outputs": Own(made.hooked),
    "more arguments": Own(
        lambda: made.Does(lambda s, x, targets=None: s.body(x), body=small())  # type: ignore[misc]
    ),
    "its own autograd function": Own(made.own_function),
    "every smooth activation": Own(made.every_activation, lines=_NO_RELU),
    "PReLU": Own(partial(small, act=nn.PReLU), lines=_NO_RELU),
    "RReLU": Own(partial(small, act=nn.RReLU)),
    "not square": Own(small, size=(24, 48)),
}

KINDS: dict[str, Own] = {
    "float64": Own(lambda: small().double()),
    "float16": Own(lambda: small().half(), digits=5e-2),
    "bfloat16": Own(lambda: small().bfloat16(), digits=5e-2),
    "autocast inside": Own(made.mixed_precision, digits=5e-2),
    "training mode": Own(lambda: small().train()),
    "traced by fx": Own(lambda: torch.fx.symbolic_trace(small().eval())),
    "exported": Own(lambda: made.exported(False)),
    "exported for any batch": Own(lambda: made.exported(True)),
    "compiled": Own(lambda: _compiled(small())),
    "DataParallel": Own(lambda: nn.DataParallel(small())),
    "quantized dynamically": Own(
        lambda: quantize_dynamic(small().eval(), {nn.Linear}),
        lines=_CUT_AT_END | {"gradcam": "does not depend on layer"},
    ),
    "spectral norm": Own(lambda: made.reparametrized(parametrizations.spectral_norm)),
    "weight norm": Own(lambda: made.reparametrized(parametrizations.weight_norm)),
    "old weight norm": Own(lambda: made.reparametrized(nn.utils.weight_norm)),
    "pruned": Own(made.pruned),
    "statistics of the batch": Own(
        lambda: made.normalized_by(partial(nn.BatchNorm2d, track_running_stats=False))
    ),
    "group norm": Own(lambda: made.normalized_by(partial(nn.GroupNorm, 4))),
    "instance norm": Own(lambda: made.normalized_by(partial(nn.InstanceNorm2d, affine=True))),
    "two channels": Own(partial(small, channels=2), channels=2),
    "four channels": Own(partial(small, channels=4), channels=4),
    "six channels": Own(partial(small, channels=6), channels=6),
    "no gradient": Own(lambda: made.without_gradient(torch.no_grad), lines=_CUT_OFF),
    "inference mode": Own(lambda: made.without_gradient(torch.inference_mode), lines=_UNSEEN),
    "NumPy": Own(
        lambda: made.Does(
            lambda s, x: s.body(torch.from_numpy(x.detach().numpy().copy())), body=small()
        ),
        lines=_UNSEEN,
    ),
}

# What cannot be a Network, and what the line says.
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (lambda: torch.jit.script(small().eval()), "TorchScript"),
    "traced": (lambda: torch.jit.trace(small().eval(), torch.rand(1, 3, 32, 32)), "TorchScript"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU()), "on one batch first"),
    "meta": (lambda: nn.Conv2d(3, 8, 3, device="meta"), "meta"),
    "casts to half": (
        lambda: made.Does(lambda s, x: s.body(x.bfloat16()), body=small().bfloat16()),
        "take the conversion out",
    ),
    "two inputs": (
        lambda: made.Does(lambda s, a, b: s.body(a) - s.body(b), body=small()),  # type: ignore[arg-type,misc]
        "wrap it",
    ),
    "volumes": (made.conv3d, "clips or volumes"),
}
MODULES = OUTPUTS | STRUCTURES | KINDS
