"""Tensor arithmetic for several rooms: colors, Fourier images, blur, total variation."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Correlation of colors in natural images (Olah, Mordvintsev & Schubert 2017). Columns are the
# directions in which the colors of photographs vary most, scaled by how much they vary.
COLOR_DIRECTIONS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


def changes(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors of inference mode do not count that."""
    return 0 if tensor.is_inference() else tensor._version


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite. Only the extremes are checked, which is much faster."""
    return values.numel() == 0 or bool(torch.stack(values.aminmax()).isfinite().all())


def color_matrix(like: Tensor) -> Tensor:
    """The matrix (3, 3) from decorrelated colors to RGB; its largest column norm is 1."""
    matrix = torch.tensor(COLOR_DIRECTIONS, dtype=like.dtype, device=like.device)
    largest: Tensor = torch.linalg.vector_norm(matrix, dim=0).max()
    return matrix / largest


def correlate_colors(image: Tensor) -> Tensor:
    """Turn decorrelated colors (N, 3, H, W) into RGB, without the sigmoid."""
    rgb: Tensor = torch.einsum("rc,nchw->nrhw", color_matrix(image), image)
    return rgb


def decorrelate_colors(image: Tensor) -> Tensor:
    """The inverse of `correlate_colors`."""
    inverse = torch.linalg.inv(color_matrix(image))
    colors: Tensor = torch.einsum("cr,nrhw->nchw", inverse, image)
    return colors


# How bright red, green and blue appear (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """The brightness (N, 1, H, W) of RGB images (N, 3, H, W)."""
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device)
    brightness: Tensor = torch.einsum("c,nchw->nhw", weights, image)[:, None]
    return brightness


def recolored(brightness: Tensor, image: Tensor) -> Tensor:
    """The colors of an image (N, 3, H, W) in [0, 1] with another brightness (N, 1, H, W).

    The differences between red, green and blue stay exactly as they are: a brightness that no
    color of [0, 1] has with them is moved to the nearest that one has.
    """
    colors = image - luma(image)
    low, high = -colors.amin(1, keepdim=True), 1 - colors.amax(1, keepdim=True)
    return colors + brightness.clamp(low, high)


def bounded(values: Tensor) -> Tensor:
    """Turn decorrelated colors (N, C, H, W), of any values, into an image in [0, 1]."""
    return torch.sigmoid(correlate_colors(values) if values.shape[1] == 3 else values)


def unbounded(image: Tensor, margin: float = 1e-3) -> Tensor:
    """The inverse of `bounded`. Pixels are first moved to at least `margin` from 0 and 1."""
    values = torch.logit(image, eps=margin)
    return decorrelate_colors(values) if values.shape[1] == 3 else values


def frequencies(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """The length of each frequency of `rfft2` in cycles per pixel, (H, W // 2 + 1)."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None, :]
    return torch.hypot(rows, columns)


def fourier_scale(
    height: int, width: int, decay: float, device: torch.device | None = None
) -> Tensor:
    """The weight 1 / f^decay of each frequency f: the spectrum of natural images falls off so.

    The weight of the zero frequency is that of the lowest other one.
    """
    lowest = 1.0 / max(height, width)
    scale: Tensor = frequencies(height, width, device).clamp_min(lowest) ** -decay
    return scale


def gaussian_kernel(sigma: float, like: Tensor) -> Tensor:
    """A one-dimensional Gaussian of sum 1, cut off at three sigma."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W). Border pixels are repeated outwards; sigma is in pixels."""
    if sigma <= 0:
        return image
    kernel = gaussian_kernel(sigma, image).tolist()
    reach = len(kernel) // 2
    # With few channels, sums of shifted images take a quarter of a convolution's memory and time.
    for dim, pad in ((-2, (0, 0, reach, reach)), (-1, (reach, reach, 0, 0))):
        wide, length = F.pad(image, pad, mode="replicate"), image.shape[dim]
        image = wide.narrow(dim, 0, length) * kernel[0]
        for i, weight in enumerate(kernel[1:], 1):
            image = image.add_(wide.narrow(dim, i, length), alpha=weight)
    return image


def total_variation(image: Tensor, beta: float = 2.0) -> Tensor:
    """The sum of (dx^2 + dy^2)^(beta / 2) over channels and pixels of each image, (N,).

    dx and dy are the differences to the next pixel right and down; they are zero at the border
    (Mahendran and Vedaldi 2015).
    """
    across = image[..., :, 1:] - image[..., :, :-1]
    down = image[..., 1:, :] - image[..., :-1, :]
    if beta == 2:
        norms = (torch.linalg.vector_norm(d.flatten(1), dim=1) for d in (across, down))
        return sum((norm.square() for norm in norms), start=image.new_zeros(len(image)))
    squares = F.pad(across, (0, 1, 0, 0)).square() + F.pad(down, (0, 0, 0, 1)).square()
    # The square root has no derivative at zero.
    return (squares + 1e-12).pow(beta / 2).flatten(1).sum(1)


def warp(image: Tensor, theta: Tensor, padding: str, mode: str = "bilinear") -> Tensor:
    """Images (N, C, H, W) under one affine map (2, 3), in units of half the image."""
    # The grid is computed once for each thread, not for each image: images become channels.
    groups = math.gcd(len(image), torch.get_num_threads())
    height, width = image.shape[-2:]
    grid = F.affine_grid(theta[None], [1, 1, height, width], align_corners=False)
    grid = grid.expand(groups, -1, -1, -1)
    stacked = image.reshape(groups, -1, height, width)
    warped = F.grid_sample(stacked, grid, mode, padding, align_corners=False)
    return warped.view(image.shape)


def gram(values: Tensor) -> Tensor:
    """The inner products of every two channels of (N, C, ...), divided by the number of positions.

    Returns:
        (N, C, C).
    """
    products: Tensor = _Gram.apply(values)
    return products


class _Gram(torch.autograd.Function):
    """(N, C, P) times its transpose over P: its gradient takes one product, not autograd's two."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        flat = by_position(values)
        return _product(flat, flat.transpose(1, 2), 1 / flat.shape[2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        flat, both = by_position(values), gradient + gradient.transpose(1, 2)
        # In the layout of the activations: what goes on backward is slow where layouts mix.
        if flat.stride(1) == 1:
            found = _product(flat.transpose(1, 2), both, 1 / flat.shape[2]).transpose(1, 2)
        else:
            found = _product(both, flat, 1 / flat.shape[2])
        return found.view(values.shape)


def _product(one: Tensor, other: Tensor, factor: float) -> Tensor:
    return torch.baddbmm(one.new_empty(()), one, other, beta=0, alpha=factor)


def by_position(values: Tensor) -> Tensor:
    """(N, C, ...) as (N, C, positions); one position for (N, C)."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        return values.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)  # copies nothing
    return values.reshape(*values.shape[:2], -1)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, H, W) to (N, C, *size), bicubic and antialiased."""
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)


def longer_side(image: Tensor, longest: int, least: int = 1) -> Tensor:
    """An image (N, C, H, W) in [0, 1], resized so that its longer side has `longest` pixels.

    Its sides keep their ratio, but none has fewer than `least` pixels.
    """
    factor = longest / max(image.shape[-2:])
    rows, columns = (max(least, round(side * factor)) for side in image.shape[-2:])
    return resize(image, (rows, columns)).clamp(0, 1)


def in_255ths(image: Tensor) -> Tensor:
    """An image in [0, 1] whose values are whole numbers of 255ths, as an 8-bit file has them."""
    return (image * 255).round().clamp(0, 255) / 255


def around_gray(values: Tensor, clip: float = 0.99, gamma: float = 0.7) -> Tensor:
    """Signed values (C, H, W) as an image in [0, 1] in which gray is zero.

    The quantile `clip` of the absolute values has full color. Each value is the mean of 2 x 2,
    because strides leave a checkerboard of single pixels in gradients.
    """
    soft = F.avg_pool2d(values[None], [min(2, side) for side in values.shape[1:]], stride=1)[0]
    magnitudes = soft.abs().flatten()
    top = magnitudes.kthvalue(max(1, int(clip * len(magnitudes)))).values.clamp_min(1e-30)
    scaled = (soft / top).clamp(-1, 1)
    return 0.5 + 0.5 * scaled.sign() * scaled.abs() ** gamma
