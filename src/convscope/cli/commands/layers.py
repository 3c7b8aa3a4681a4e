"""`convscope layers`."""

from __future__ import annotations

from convscope.cli.options import Contains, Json, WeightOptions
from convscope.cli.terminal import print_json
from convscope.errors import ConvscopeError


def layers(
    *,
    weights: WeightOptions = WeightOptions(),
    contains: Contains = "",
    json: Json = False,
) -> int:
    """List a network's layers: output shape, stride, receptive field, parameters."""
    from convscope.cli.tables import layer_rows, print_layers

    net = weights.load("cpu")
    chosen = [layer for layer in net.layers if contains in layer.name]
    if not chosen:
        raise ConvscopeError(f"no layer of {net.name} has {contains!r} in its name")
    if json:
        print_json(layer_rows(chosen))
    else:
        print_layers(net, chosen)
    return 0
