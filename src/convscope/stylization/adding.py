"""New styles for a trained network: new scales and offsets, and everything else as it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convscope.errors import ConvscopeError
from convscope.stylization.network import StyleNetwork

OWN = ("gamma", "beta")  # the numbers that a style has for itself


def new_rows(base: StyleNetwork, styles: Sequence[str]) -> StyleNetwork:
    """A network of new styles with the convolutions of another, which do not learn.

    Each style begins as the blend of all styles of the other network.

    Raises:
        ConvscopeError: the other network has a style of this name.
    """
    if both := set(styles) & set(base.styles):
        raise ConvscopeError(
            f"the network has a style {min(both)!r} already: give the new one another name"
        )
    net = StyleNetwork(styles, base.channels, base.blocks)
    state = base.state_dict()
    for name, values in state.items():
        if name.endswith(OWN):
            state[name] = values.mean(0, keepdim=True).repeat(len(styles), 1)
    net.load_state_dict(state)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.endswith(OWN))
    return net


def joined(base: StyleNetwork, new: StyleNetwork) -> StyleNetwork:
    """A network with the styles of both; those of the first stay bit for bit as they are."""
    net = StyleNetwork((*base.styles, *new.styles), base.channels, base.blocks)
    state, more = base.state_dict(), new.state_dict()
    for name in state:
        if name.endswith(OWN):
            state[name] = torch.cat([state[name], more[name].to(state[name])])
    net.load_state_dict(state)
    return net.eval().requires_grad_(False)
