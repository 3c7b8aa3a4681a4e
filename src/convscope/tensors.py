"""Tensor arithmetic that several rooms need: color, Fourier images, blur, total variation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Correlation of natural images' colors (Olah, Mordvintsev & Schubert 2017): columns are the
# directions in which photographs vary most, each scaled by how much.
COLOR_DIRECTIONS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite. The extremes tell, many times faster than a mask."""
    return values.numel() == 0 or bool(torch.stack(values.aminmax()).isfinite().all())


def color_matrix(like: Tensor) -> Tensor:
    """(3, 3): decorrelated color to RGB, over its largest column norm."""
    matrix = torch.tensor(COLOR_DIRECTIONS, dtype=like.dtype, device=like.device)
    largest: Tensor = torch.linalg.vector_norm(matrix, dim=0).max()
    return matrix / largest


def correlate_colors(image: Tensor) -> Tensor:
    """Decorrelated colors (N, 3, H, W) to RGB, without the sigmoid."""
    rgb: Tensor = torch.einsum("rc,nchw->nrhw", color_matrix(image), image)
    return rgb


def decorrelate_colors(image: Tensor) -> Tensor:
    """The inverse of `correlate_colors`."""
    inverse = torch.linalg.inv(color_matrix(image))
    colors: Tensor = torch.einsum("cr,nrhw->nchw", inverse, image)
    return colors


def bounded(values: Tensor) -> Tensor:
    """Decorrelated values (N, C, H, W) of any size as an image in [0, 1]."""
    return torch.sigmoid(correlate_colors(values) if values.shape[1] == 3 else values)


def unbounded(image: Tensor, margin: float = 1e-3) -> Tensor:
    """The inverse of `bounded`, of pixels at least `margin` from 0 and 1."""
    values = torch.logit(image, eps=margin)
    return decorrelate_colors(values) if values.shape[1] == 3 else values


def frequencies(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Length of each frequency of `rfft2` in cycles a pixel, (H, W // 2 + 1)."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None, :]
    return torch.hypot(rows, columns)


def fourier_scale(
    height: int, width: int, decay: float, device: torch.device | None = None
) -> Tensor:
    """Weight 1 / f^decay of each frequency, capped at the lowest, as natural images fall off."""
    lowest = 1.0 / max(height, width)
    scale: Tensor = frequencies(height, width, device).clamp_min(lowest) ** -decay
    return scale


def gaussian_kernel(sigma: float, like: Tensor) -> Tensor:
    """A normalized one-dimensional Gaussian out to three sigma."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W), the border repeated outwards; sigma in pixels."""
    if sigma <= 0:
        return image
    kernel = gaussian_kernel(sigma, image).tolist()
    reach = len(kernel) // 2
    # Sums of shifted images need a quarter of a convolution's memory and time, with few channels.
    for dim, pad in ((-2, (0, 0, reach, reach)), (-1, (reach, reach, 0, 0))):
        wide, length = F.pad(image, pad, mode="replicate"), image.shape[dim]
        image = wide.narrow(dim, 0, length) * kernel[0]
        for i, weight in enumerate(kernel[1:], 1):
            image = image.add_(wide.narrow(dim, i, length), alpha=weight)
    return image


def total_variation(image: Tensor, beta: float = 2.0) -> Tensor:
    """Sum of (dx^2 + dy^2)^(beta / 2) over channels and pixels, a number an image: (N,).

    Differences go right and down; beyond the last row and column there is none (Mahendran and
    Vedaldi 2015).
    """
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    if beta == 2:
        norms = (torch.linalg.vector_norm(d.flatten(1), dim=1) for d in (across, down))
        return sum((norm.square() for norm in norms), start=image.new_zeros(len(image)))
    squares = F.pad(across, (0, 1, 0, 0)).square() + F.pad(down, (0, 0, 0, 1)).square()
    # The root has no slope at zero.
    return (squares + 1e-12).pow(beta / 2).flatten(1).sum(1)


def warp(image: Tensor, theta: Tensor, padding: str, mode: str = "bilinear") -> Tensor:
    """(N, C, H, W) seen through one affine map (2, 3), in units of half the image."""
    # The map is worked out once a thread, not once an image: all images are channels of a few.
    groups = math.gcd(len(image), torch.get_num_threads())
    height, width = image.shape[-2:]
    grid = F.affine_grid(theta[None], [1, 1, height, width], align_corners=False)
    grid = grid.expand(groups, -1, -1, -1)
    stacked = image.reshape(groups, -1, height, width)
    seen = F.grid_sample(stacked, grid, mode, padding, align_corners=False)
    return seen.view(image.shape)


def gram(values: Tensor) -> Tensor:
    """Inner products of the maps (N, C, ...) of every two channels, the mean over places:
    (N, C, C)."""
    flat = values.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic, antialiased; (N, C, H, W) to (N, C, *size)."""
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)


def around_gray(values: Tensor, clip: float = 0.99, gamma: float = 0.7) -> Tensor:
    """Signed values (C, H, W) as a picture: gray is zero, full color the quantile `clip` of |v|.

    Strides leave a checkerboard of single pixels in gradients; the mean over 2 x 2 takes it away.
    """
    soft = F.avg_pool2d(values[None], 2, stride=1)[0]
    sizes = soft.abs().flatten()
    top = sizes.kthvalue(max(1, int(clip * len(sizes)))).values.clamp_min(1e-30)
    scaled = (soft / top).clamp(-1, 1)
    return 0.5 + 0.5 * scaled.sign() * scaled.abs() ** gamma
