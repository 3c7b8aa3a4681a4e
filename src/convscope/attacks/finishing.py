"""From an attacked input to a saved photograph, and what the network says of both."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.attacks.adversarial import Adversarial
from convscope.attacks.aims import Aim
from convscope.attacks.carrying import carried, in_bytes


def finished(
    aim: Aim,
    photograph: Tensor,
    raw: Tensor,
    gradients: Tensor,
    limit: float | None = None,
    notes: tuple[str, ...] = (),
) -> Adversarial:
    """The result of an attack: everything is measured anew, by a forward pass of each image.

    Args:
        aim: what the attack was to reach.
        photograph: (N, 3, H, W), what the user gave.
        raw: (N, C, h, w), the attacked inputs.
        gradients: (N,), forward and backward passes that each image took.
        limit: largest change of a pixel of the photograph.
        notes: what is wrong with the network or the attack.
    """
    photograph = aim.net.as_input(photograph.detach())
    saved = in_bytes(photograph, carried(aim.net, photograph, raw - aim.inputs), limit)
    with torch.no_grad():
        images = (aim.inputs, raw, aim.net.preprocess(saved))
        logits, raw_logits, saved_logits = (aim.scores(one) for one in images)
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
        notes=notes,
    )
