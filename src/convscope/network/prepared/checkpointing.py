"""Forward passes without `torch.utils.checkpoint`, which saves memory when a network is trained.

It changes no value, but runs parts of the network again in the backward pass, where nobody reads
layers or bends gradients, and its reentrant kind allows no `torch.autograd.grad`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint

_REENTRANT, _OTHER = "CheckpointFunction", "_checkpoint_without_reentrant_generator"


class _Here(threading.local):
    """In this thread: how many `without_checkpoints` it is inside, and what they met."""

    depth = 0
    met = False


_here = _Here()
_patching = threading.Lock()
_originals: dict[str, Any] = {}
_users = 0


@contextmanager
def without_checkpoints() -> Iterator[Callable[[], bool]]:
    """Inside, in this thread, checkpointed functions are called as usual.

    Yields:
        A function that says whether there have been any.
    """
    before = _here.met
    _here.depth, _here.met = _here.depth + 1, False
    _patch(1)
    try:
        yield lambda: _here.met
    finally:
        _patch(-1)
        _here.depth, _here.met = _here.depth - 1, before


def _patch(change: int) -> None:
    """Put our functions in the place of torch's while any thread needs them."""
    global _users
    with _patching:
        if _users == 0:
            _originals.update({name: getattr(checkpoint, name) for name in (_REENTRANT, _OTHER)})
            setattr(checkpoint, _REENTRANT, _Reentrant)
            setattr(checkpoint, _OTHER, _other)
        _users += change
        if _users == 0:
            for name, original in _originals.items():
                setattr(checkpoint, name, original)


def _skipped() -> bool:
    _here.met = _here.met or _here.depth > 0
    return _here.depth > 0


class _Reentrant:
    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        if _skipped():
            return function(*args)
        return _originals[_REENTRANT].apply(function, preserve, *args)


def _other(*args: Any, **kwargs: Any) -> Iterator[None]:
    if not _skipped():
        return _originals[_OTHER](*args, **kwargs)  # type: ignore[no-any-return]
    return _around()


def _around() -> Iterator[None]:
    """What the caller advances once before the function; an error of the function is thrown in."""
    yield
