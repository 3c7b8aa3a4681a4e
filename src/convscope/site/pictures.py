"""The pictures of a site: each photograph once."""

from __future__ import annotations

import torch
from PIL import Image

from convscope.collection import Index
from convscope.errors import ConvscopeError
from convscope.files import thumbnail, webp
from convscope.network import Network

LONGEST = 320  # pixels of a photograph's longer side

QUALITY = 80  # of WebP


def photograph(net: Network, index: Index, row: int) -> bytes:
    """A photograph as a WebP file.

    Of one that is gone or has changed, the index still has what the network saw, small.
    """
    try:
        rgb = index.photo(row)[0].expand(3, -1, -1)
        shown = Image.fromarray((rgb.permute(1, 2, 0) * 255).round().byte().numpy())
    except ConvscopeError:
        shown = _from_thumbnail(net, index, row)
    shown.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return webp(shown, QUALITY)


def _from_thumbnail(net: Network, index: Index, row: int) -> Image.Image:
    """A thumbnail where it lies in its photograph, which is gray elsewhere."""
    height, width = (index.images[name][row].as_py() for name in ("height", "width"))
    scale = min(1.0, LONGEST / max(height, width))
    shown = Image.new("RGB", (max(1, round(width * scale)), max(1, round(height * scale))), "gray")
    box = net.box(torch.empty(()).expand(1, 3, height, width))  # only its size counts
    small = thumbnail(index.thumbnails([row])[0])
    sides = max(1, round(box.width * scale)), max(1, round(box.height * scale))
    shown.paste(small.resize(sides), (round(box.left * scale), round(box.top * scale)))
    return shown
