"""The layers of a network, and which of them feeds which."""

from __future__ import annotations

from convscope.network import Joint
from convscope.types import Layer
from convscope.web.models import Graph, Node
from convscope.web.requests import Place


def graph(place: Place, network: str | None) -> Graph:
    """The layers that do the work, and where branches meet, each behind what it reads."""
    net = place.networks.get(network)
    flow, layers = net.flow, {layer.name: layer for layer in net.layers}
    joined = {joint.name for joint in flow.joints}
    named = {name for edge in flow.edges for name in edge} - joined
    nodes = [_node(one) for one in net.layers if (one.name in named if named else one.leaf)]
    for joint in flow.joints:
        place_of = {node.name: i for i, node in enumerate(nodes)}
        sources = [place_of[first] for first, second in flow.edges if second == joint.name]
        nodes.insert(max(sources) + 1, _joint(joint, layers))
    return Graph(nodes=nodes, edges=[*flow.edges])


def _node(layer: Layer) -> Node:
    return Node(
        name=layer.name,
        kind=layer.type,
        shape=[*layer.shape],
        parameters=layer.num_parameters,
        stride=_largest(layer.stride),
        receptive_field=_largest(layer.receptive_field),
    )


def _joint(joint: Joint, layers: dict[str, Layer]) -> Node:
    """A place where branches meet. Its parameters are those of the layers before it."""
    if joint.layer:
        node = _node(layers[joint.name])
        return node.model_copy(update={"kind": joint.type, "parameters": 0, "joint": True})
    shape = [*joint.shape]
    return Node(
        name=joint.name, kind=joint.type, shape=shape, parameters=0, layer=False, joint=True
    )


def _largest(sizes: tuple[float, float] | None) -> int | None:
    return None if sizes is None else round(max(sizes))
