"""The feed-forward network of Johnson et al. 2016 with the many styles of Dumoulin et al. 2017."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.errors import ConvscopeError, unknown

STRIDE = 4  # pixels that become one, at the network's narrowest


class ConditionalNorm(nn.Module):
    """Instance normalization with a scale (gamma) and an offset (beta) for each style.

    Attributes:
        gamma: (styles, channels).
        beta: (styles, channels).
    """

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(1 + 0.01 * torch.randn(styles, channels))
        self.beta = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, values: Tensor, weights: Tensor) -> Tensor:
        """Normalize (N, C, H, W), each image in the styles of its row of `weights` (N, styles)."""
        gamma, beta = mixed(self.gamma, weights), mixed(self.beta, weights)
        return F.instance_norm(values) * gamma + beta


def mixed(values: Tensor, weights: Tensor) -> Tensor:
    """The sum of the rows of `values` (styles, C) with each row of `weights` (N, styles), as
    (N, C, 1, 1).

    It is no matrix product: some processors round those, and one style alone is to be exact.
    """
    return (weights[:, :, None] * values).sum(1)[:, :, None, None]


class Stage(nn.Module):
    """Enlarge, convolve, normalize, rectify: the network is a row of these."""

    def __init__(
        self,
        styles: int,
        channels: tuple[int, int],
        size: int = 3,
        *,
        stride: int = 1,
        enlarge: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.enlarge, self.relu = enlarge, relu
        # Reflected, so that no border is drawn around the picture.
        self.conv = nn.Conv2d(
            *channels, size, stride, size // 2, bias=False, padding_mode="reflect"
        )
        self.norm = ConditionalNorm(styles, channels[1])

    def forward(self, values: Tensor, weights: Tensor) -> Tensor:
        if self.enlarge > 1:  # and not a transposed convolution, which draws checkerboards
            values = F.interpolate(values, scale_factor=self.enlarge, mode="nearest")
        values = self.norm(self.conv(values), weights)
        return F.relu(values) if self.relu else values


class Residual(nn.Module):
    """Two stages whose output is added to their input."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.first = Stage(styles, (channels, channels))
        self.second = Stage(styles, (channels, channels), relu=False)

    def forward(self, values: Tensor, weights: Tensor) -> Tensor:
        changed: Tensor = self.second(self.first(values, weights), weights)
        return values + changed


class StyleNetwork(nn.Module):
    """Draws photographs in its styles, and in blends of them.

    Args:
        styles: the names of the styles.
        channels: the channels of the first stage; the narrowest stages have four times as many.
        blocks: the number of residual blocks.
    """

    def __init__(self, styles: Sequence[str], channels: int = 16, blocks: int = 5) -> None:
        super().__init__()
        self.styles, self.channels, self.blocks = tuple(styles), channels, blocks
        c, n = channels, len(self.styles)
        self.stages = nn.ModuleList(
            [
                Stage(n, (3, c), 9),
                Stage(n, (c, 2 * c), stride=2),
                Stage(n, (2 * c, 4 * c), stride=2),
                *(Residual(n, 4 * c) for _ in range(blocks)),
                Stage(n, (4 * c, 2 * c), enlarge=2),
                Stage(n, (2 * c, c), enlarge=2),
                Stage(n, (c, 3), 9, relu=False),
            ]
        )

    def forward(self, image: Tensor, weights: Tensor) -> Tensor:
        """Draw images.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], at least 16 pixels high and wide.
            weights: (N, styles), the share of each style; a row with a single 1 is one style.

        Returns:
            The pictures, (N, 3, H, W) in [0, 1].
        """
        height, width = image.shape[-2:]
        values = F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect")
        for stage in self.stages:
            values = stage(values, weights)
        return values[..., :height, :width].float().sigmoid()

    def weights(self, styles: str | Mapping[str, float]) -> Tensor:
        """The row of weights, (1, styles), for one style or for a blend by name.

        Raises:
            ConvscopeError: there is no such style.
        """
        shares = {styles: 1.0} if isinstance(styles, str) else styles
        for name in shares:
            if name not in self.styles:
                # `unknown` lists a dozen by itself.
                hint = f"there are {', '.join(self.styles)}" if len(self.styles) > 12 else ""
                raise unknown("style", name, self.styles, hint)
        if not shares:
            raise ConvscopeError("a blend needs at least one style")
        row = [[shares.get(name, 0.0) for name in self.styles]]
        return torch.tensor(row, device=next(self.parameters()).device)
