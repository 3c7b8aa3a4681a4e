"""From an attacked input to a saved photograph, and what the network says of both."""

from __future__ import annotations

from torch import Tensor

from convscope.attacks.adversarial import Adversarial
from convscope.attacks.aims import Aim
from convscope.attacks.carrying import carried
from convscope.attacks.descent import Ball
from convscope.attacks.rounding import in_bytes


def finished(
    aim: Aim,
    photograph: Tensor,
    raw: Tensor,
    gradients: Tensor,
    ball: Ball | None = None,
    notes: tuple[str, ...] = (),
) -> Adversarial:
    """The result of an attack: everything is measured anew, by a forward pass of each image.

    Args:
        aim: what the attack was to reach.
        photograph: (N, 3, H, W), what the user gave.
        raw: (N, C, h, w), the attacked inputs.
        gradients: (N,), forward and backward passes that each image took.
        ball: what the saved photograph must not leave.
        notes: what is wrong with the network or the attack.
    """
    photograph = aim.net.as_input(photograph.detach())
    saved = in_bytes(photograph, carried(aim.net, photograph, raw - aim.inputs), ball)
    images = (aim.inputs, raw, aim.net.preprocess(saved))
    logits, raw_logits, saved_logits = map(aim.logits, images)
    return Adversarial(
        photograph=photograph,
        inputs=aim.inputs,
        raw=raw,
        saved=saved,
        labels=aim.labels,
        targets=aim.targets,
        logits=logits,
        raw_logits=raw_logits,
        saved_logits=saved_logits,
        success=aim.margins(raw_logits) > 0,
        saved_success=aim.margins(saved_logits) > 0,
        gradients=gradients,
        notes=notes + _errors_before(aim, logits),
    )


def _errors_before(aim: Aim, logits: Tensor) -> tuple[str, ...]:
    """What to know of images that need no attack."""
    wrong, net = aim.margins(logits) > 0, aim.net
    if not wrong.any():
        return ()
    if len(aim) == 1:
        said, label = net.label(int(logits[0].argmax())), net.label(int(aim.labels[0]))
        return (f"{net.name} says {said!r} without any change, not the label {label!r}",)
    return (f"{net.name} errs on {int(wrong.sum())} of {len(aim)} images without any change",)
