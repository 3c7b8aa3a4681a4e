"""Long runs without gradients: by torch, or by a program where that is faster."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.alone import Values
from convscope.network.judging import By, Judged, ReaderName, is_installed, is_possible
from convscope.network.network import Network
from convscope.network.reading import Programs, Reader
from convscope.network.sizes import Sizes

# From how many images on it is worth while to make a program, the fastest first.
FEWEST: dict[ReaderName, int] = {"openvino": 128, "fused": 96}

_MISSING: dict[ReaderName, str] = {
    "fused": "this torch has no fused convolutions; use the reader 'torch', and another output",
    "openvino": "openvino is not installed: pip install 'convscope[openvino]'",
}


def for_passes(net: Network, count: int) -> Network:
    """The network that reads `count` images fastest.

    Where gradients are off, it reads by a program that gives the same values and takes less time.
    This is found out at the first few images.
    """
    names = programs(net, count)
    return _by(net, By(names)) if names else net


def programs(net: Network, count: int) -> tuple[ReaderName, ...]:
    """The programs that are worth while for so many images, the fastest first."""
    if not is_possible(net.sizes.reader):
        return ()
    return tuple(n for n, fewest in FEWEST.items() if count >= fewest and is_installed(n))


def fastest(net: Network, images: Tensor, layers: Collection[str], count: int) -> ReaderName:
    """What reads layers of `count` images like these (N, C, H, W) fastest."""
    names = programs(net, count)
    found = judged(net, images, layers, *names) if names else None
    return "torch" if found is None or found.program is None else found.name


def reading_by(net: Network, reader: ReaderName) -> Network:
    """The network that reads layers by torch or by a program, however long this takes.

    Raises:
        ConvscopeError: what the program needs is not there, or the network does not run on a
            processor. Raised later: the program does not give the same values.
    """
    if reader == "torch":
        return net
    if not is_installed(reader):
        raise ConvscopeError(_MISSING[reader])
    if not is_possible(net.sizes.reader):
        raise ConvscopeError(
            f"the reader {reader!r} cannot read {net.name} (only float32 on a processor, in"
            " batches); use the reader 'torch', and another output"
        )
    return _by(net, By((reader,), needed=True))


def judged(net: Network, images: Tensor, layers: Collection[str], *names: ReaderName) -> Judged:
    """The first of these programs that is of use for images (N, C, H, W), or else the last.

    The images have the network's size. The first few of them show it.
    """
    if not is_possible(net.sizes.reader):
        return Judged(names[-1], None, "only float32 on a processor, in batches")
    asking = _Asking(By(names))
    with torch.no_grad():
        _by(net, asking).activations(images, layers)
    return asking.found


class _Asking:
    """Remembers what became of programs, and reads nothing."""

    found: Judged

    def __init__(self, by: By) -> None:
        self.by = by

    def read(self, reader: Reader, x: Tensor, names: list[str]) -> Values | None:
        self.found = self.by.judged(reader, x, names)
        return dict.fromkeys(names, x)  # nobody looks at them


def _by(net: Network, programs: Programs) -> Network:
    made = object.__new__(Network)
    vars(made).update(vars(net))
    made.sizes = Sizes(net.sizes.reader.by(programs), net.device)
    return made
