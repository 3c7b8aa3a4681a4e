"""Frames of a video that do not flicker: each takes over what the one before has of the same thing.

Where things have moved is the optical flow between the two frames of the video itself (DIS, Kroeger
et al. 2016). What was hidden in one of them, or looks different, is left as it is drawn. What moves
takes over less: its strokes are others in each frame, and the mean of many would be a blur.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from convscope.types import Array

SIDE = 384  # pixels of the longer side of the frames that flow is computed on

STILL = 0.4  # pixels of motion that noise too makes: such a place does not move

MOVING = 0.7  # of the share, where it moves by a pixel or more: the strokes would blur there

ALIKE, DIFFERENT = 12.0, 28.0  # difference of blurred gray values, of 255, of one thing and of two


class Steadier:
    """Steadies the frames of one video, which come in their order.

    Args:
        share: how much of the frame before each takes over, where it shows the same and nothing
            moves; below 1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._before: tuple[Array, Array] | None = None

    def __call__(self, frame: Array, drawn: Array) -> Array:
        """Steady a frame.

        Args:
            frame: (h, w, 3), bytes: the frame of the video.
            drawn: (H, W, 3), float32: what was drawn from it.

        Returns:
            (H, W, 3), float32.
        """
        gray = _small_gray(frame)
        if self._before is not None and self._before[0].shape == gray.shape:
            before, steady = self._before
            flow = self._motion(gray, before)
            same = _same(gray, before, flow, self._motion(before, gray))
            size = drawn.shape[1], drawn.shape[0]
            same *= 1 - (1 - MOVING) * np.linalg.norm(flow, axis=2).clip(0, 1)
            share = self._share * cv2.resize(same, size, interpolation=cv2.INTER_LINEAR)[..., None]
            drawn = drawn + share * (_moved(steady, _enlarged(flow, size)) - drawn)
        self._before = gray, drawn
        return drawn

    def _motion(self, frame: Array, other: Array) -> Array:
        """Where each pixel of a frame is in the other: pixels to the right and down, (h, w, 2)."""
        flow = cast(Array, self._flow.calc(frame, other, None))  # type: ignore[call-overload]
        length = np.linalg.norm(flow, axis=2, keepdims=True)
        return cast(Array, flow * np.clip(length / STILL - 1, 0, 1))


def _small_gray(frame: Array) -> Array:
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, SIDE / max(gray.shape))
    height, width = (max(16, round(side * factor)) for side in gray.shape)
    return cast(Array, cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA))


def _same(frame: Array, before: Array, flow: Array, back: Array) -> Array:
    """How sure it is that a pixel shows what it showed in the frame before, from 0 to 1, (h, w)."""
    returned = _moved(back, flow)
    there = flow + returned
    lengths = np.square(flow).sum(2) + np.square(returned).sum(2)
    found = np.square(there).sum(2) < 0.01 * lengths + 0.5  # Sundaram, Brox and Keutzer 2010
    blurred = [cv2.GaussianBlur(one, (0, 0), 2).astype(np.float32) for one in (frame, before)]
    difference = np.abs(blurred[0] - _moved(blurred[1], flow))
    alike = np.clip((DIFFERENT - difference) / (DIFFERENT - ALIKE), 0, 1)
    return cast(Array, np.where(found, alike, 0).astype(np.float32))


def _moved(values: Array, flow: Array) -> Array:
    """What lies, for each pixel, where the flow leads."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return cast(Array, cv2.remap(values, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def _enlarged(flow: Array, size: tuple[int, int]) -> Array:
    """The same motion in a frame of another width and height."""
    factors = np.array([size[0] / flow.shape[1], size[1] / flow.shape[0]], np.float32)
    return cast(Array, cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * factors)
