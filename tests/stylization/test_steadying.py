"""Frames that are steadied: still noise is averaged, what moves is followed, cuts are kept."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from convscope.stylization import Steadier
from convscope.stylization.steadying import MOVING
from convscope.types import Array


def texture(seed: int, size: int = 160) -> Array:
    """A smooth texture with contrast, (size, size, 3), bytes."""
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    soft = gaussian_filter(noise, (3, 3, 0))
    scaled: Array = np.clip(128 + 45 * soft / soft.std(), 0, 255).astype(np.uint8)
    return scaled


def test_noise_of_a_still_scene_is_averaged() -> None:
    random, scene = np.random.default_rng(0), texture(1)
    single, steady = list[Array](), list[Array]()
    steadier = Steadier(0.75)
    for _ in range(12):
        frame = np.clip(scene + random.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)
        drawn = np.asarray(random.random(scene.shape), np.float32)
        single.append(drawn)
        steady.append(steadier(frame, drawn))
    # Of independent values x, y(t) = share y(t-1) + (1 - share) x(t) has steps of this size.
    expected = (1 - 0.75) / np.sqrt(1 + 0.75)
    assert flicker(steady) / flicker(single) < 1.2 * expected


def flicker(frames: list[Array]) -> float:
    """The mean absolute difference of consecutive frames, once the mean has settled."""
    return float(np.abs(np.diff(np.stack(frames[5:]), axis=0)).mean())


def test_what_moves_is_followed() -> None:
    wide, random, steadier = texture(2, 240), np.random.default_rng(0), Steadier(0.75)
    for number in range(6):
        frame = np.ascontiguousarray(wide[40:200, 20 + 6 * number : 180 + 6 * number])
        drawn = frame / np.float32(255) + random.normal(0, 0.1, frame.shape).astype(np.float32)
        steady = steadier(frame, drawn)
    inner = np.s_[10:-10, 10:-20]
    error = np.abs(steady - frame / 255)[inner].mean()
    assert error < 0.6 * np.abs(drawn - frame / 255)[inner].mean()


def test_what_moves_keeps_more_of_its_own_strokes() -> None:
    """Strokes that are new in every frame fade less in a scene that moves than in one at rest."""
    kept = []
    for speed in (0, 3):
        wide, random, steadier = texture(6, 240), np.random.default_rng(0), Steadier(0.75)
        for number in range(10):
            frame = np.ascontiguousarray(wide[40:200, speed * number :][:, :160])
            steady = steadier(frame, random.random(frame.shape, np.float32))
        kept.append(steady[10:-10, 10:-30].std() * np.sqrt(12))
    # Of independent values the running mean keeps this share of the standard deviation.
    at_rest, moving = (np.sqrt((1 - share) / (1 + share)) for share in (0.75, 0.75 * MOVING))
    np.testing.assert_allclose(kept, [at_rest, moving], rtol=0.1)


def test_a_cut_is_kept() -> None:
    steadier = Steadier(0.75)
    steadier(texture(3), np.zeros((160, 160, 3), np.float32))
    drawn = np.ones((160, 160, 3), np.float32)
    assert (steadier(texture(4), drawn) == 1).mean() > 0.8


def test_a_share_of_nothing_changes_nothing() -> None:
    steadier, drawn = Steadier(0.0), np.random.default_rng(0).random((160, 160, 3), np.float32)
    steadier(texture(3), drawn[::-1])
    np.testing.assert_array_equal(steadier(texture(3), drawn), drawn)
