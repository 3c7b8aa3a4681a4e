"""Whether the gradient of a network says where its scores rise (Croce and Hein 2020)."""

from __future__ import annotations

import torch

from convscope.attacks.aims import Aim

# Changes of every pixel along the sign of the gradient: so small that a score is nearly linear.
STEPS = (0.02 / 255, 0.1 / 255)


LEAST = 0.1  # fraction of what the gradient predicts that a score should rise by


RANDOM = 1e-3  # relative difference of two scores of one image that rounding does not make


def doubts(aim: Aim) -> tuple[str, ...]:
    """Why the success of an attack on this network says little; a sentence each.

    The first image is looked at, by one gradient and four forward passes.
    """
    one, name = aim[:1], aim.net.name
    with torch.no_grad():
        first, second = one.scores(one.inputs), one.scores(one.inputs)
    if not torch.allclose(first, second, rtol=RANDOM, atol=RANDOM * float(first.abs().amax())):
        return (
            f"{name} gives other scores for the same image each time, so an attack succeeds or"
            " fails by chance; attack the mean of many passes",
        )
    margin, gradient = one.climb(one.inputs)
    if not gradient.any():
        return (
            f"the gradient of {name} is zero everywhere, so failure is no sign of robustness; use"
            " an attack without gradients",
        )
    rises = [
        float(one.look((one.inputs + step * gradient.sign()).clamp(0, 1)) - margin) / step
        for step in STEPS
    ]
    if max(rises) < LEAST * float(gradient.abs().sum()):
        return (
            f"the scores of {name} do not follow its gradient (as behind rounding), so failure is"
            " no sign of robustness; use an attack without gradients",
        )
    return ()
