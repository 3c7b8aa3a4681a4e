"""The ways that gradients take back from the values that were read to the image.

`WaysBack` follows the graph that autograd recorded in a forward pass. It holds only the operations
that lie between the image and the values, so that what merely ran (a branch that is thrown away, a
cut-off one) does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

# Operations whose derivative is zero or not defined: what lies before them gets no gradient.
CUTS = frozenset(
    {"Round", "Floor", "Ceil", "Trunc", "Sign", "NotImplemented", "WarnNotImplemented"}
)


def kind(node: Node) -> str:
    """The operation whose gradient a node computes: "Relu" for ReluBackward0."""
    return node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


class WaysBack:
    """The operations between an image and values that depend on it.

    Attributes:
        nodes: what autograd recorded of them, those near the image first. The image is not among
            them.
        kinds: the operation of each node, as `kind` names it.
        receivers: for each node, the slots in which it hands a gradient on, and the number of the
            node that receives it; -1 is the image.
        roots: for each of the values, the number of the node that made it; None where no way leads
            back to the image, -1 where the value is the image itself.
    """

    def __init__(self, values: Iterable[Tensor], image: Tensor) -> None:
        end = get_gradient_edge(image).node
        tops = [value.grad_fn if value is not image else end for value in values]
        number: dict[Node, int] = {end: -1}
        self.nodes: list[Node] = []
        self.kinds: list[str] = []
        self.receivers: list[list[tuple[int, int]]] = []
        for node in _children_first([top for top in tops if top is not None], end):
            slots = [
                (slot, number[child])
                for slot, (child, _) in enumerate(node.next_functions)
                if child in number
            ]
            made = kind(node) if slots else ""
            if slots and made not in CUTS:
                number[node] = len(self.nodes)
                self.nodes.append(node)
                self.kinds.append(made)
                self.receivers.append(slots)
        self.roots = [None if top is None else number.get(top) for top in tops]

    def avoid(self, barriers: Collection[int]) -> bool:
        """Whether a way from a value to the image passes none of the nodes `barriers`."""
        free = {-1}
        for i, receivers in enumerate(self.receivers):
            if i not in barriers and any(j in free for _, j in receivers):
                free.add(i)
        return any(root in free for root in self.roots)

    def only_pixels(self, allowed: Collection[str]) -> set[int]:
        """The nodes that have nothing but operations of the kinds `allowed` before them."""
        found = {-1}
        for i, receivers in enumerate(self.receivers):
            if self.kinds[i] in allowed and all(j in found for _, j in receivers):
                found.add(i)
        return found


def _children_first(tops: Iterable[Node], end: Node) -> list[Node]:
    """All nodes below `tops` down to `end`, each after those that it hands its gradient to."""
    order: list[Node] = []
    opened, done = {end}, {end}
    stack = list(tops)
    while stack:
        node = stack[-1]
        if node not in opened:
            opened.add(node)
            stack += [child for child, _ in node.next_functions if child and child not in opened]
            continue
        stack.pop()
        if node not in done:
            done.add(node)
            order.append(node)
    return order


class Flow:
    """How much gradient every operation hands on, measured while a backward pass runs.

    The sizes are sums of absolute values, one for each image. What several operations hand to the
    same tensor can be compared, for it is in the same units there. So a walk is defined, from the
    image to the values, that goes to each operation in proportion to the gradient that comes from
    it: the main way is walked nearly always, a gate (squeeze-and-excite) hardly ever.
    """

    def __init__(self, ways: WaysBack, count: int) -> None:
        self.ways, self.count = ways, count
        self._sizes: dict[tuple[int, int], Tensor] = {}
        for i, node in enumerate(ways.nodes):
            node.register_hook(_measuring(self._sizes, i, ways.receivers[i], count))

    def walks(self, stations: Collection[int]) -> tuple[Tensor, Tensor]:
        """What a walk meets of the nodes `stations`, for each image.

        Returns:
            The mean number of stations that it meets, and the probability that it meets any.
        """
        senders: dict[int, list[tuple[int, Tensor]]] = {}
        for (i, slot), size in self._measured().items():
            receiver = dict(self.ways.receivers[i])[slot]
            senders.setdefault(receiver, []).append((i, size))
        zero = torch.zeros(self.count, dtype=torch.float64)
        here = dict.fromkeys(range(-1, len(self.ways.nodes)), zero)
        free = dict(here)
        here[-1] = free[-1] = torch.ones_like(zero)
        met = any_met = zero
        for i in range(-1, len(self.ways.nodes)):
            if i in stations:
                met, any_met, free[i] = met + here[i], any_met + free[i], zero
            total = sum((size for _, size in senders.get(i, [])), start=zero)
            for sender, size in senders.get(i, []):
                share = torch.where(total > 0, size / total.clamp_min(1e-300), zero)
                here[sender] = here[sender] + share * here[i]
                free[sender] = free[sender] + share * free[i]
        return met, any_met

    def _measured(self) -> dict[tuple[int, int], Tensor]:
        if not self._sizes:
            return {}
        sizes = torch.stack(list(self._sizes.values())).double().cpu()
        return dict(zip(self._sizes, sizes, strict=True))


def _measuring(
    sizes: dict[tuple[int, int], Tensor], i: int, receivers: Sequence[tuple[int, int]], count: int
) -> Callable[[Sequence[Tensor | None], object], None]:
    """A hook of node i. It must not hold the node: autograd's graph is not garbage collected."""

    def measure(gradients: Sequence[Tensor | None], _: object) -> None:
        for slot, _receiver in receivers:
            gradient = gradients[slot]
            if gradient is not None:
                sizes[i, slot] = _per_image(gradient, count)

    return measure


def _per_image(gradient: Tensor, count: int) -> Tensor:
    """The sum of absolute values of each image's part, (count,).

    Parts of an image (windows, tokens) may be folded into the first dimension. A gradient that has
    no such dimension counts as everybody's.
    """
    folded = gradient.dim() > 0 and len(gradient) > 0 and len(gradient) % count == 0
    parts = gradient.detach().reshape(count if folded else 1, -1)
    sizes: Tensor = torch.linalg.vector_norm(parts, 1, dim=1)
    return sizes.expand(count)
