"""How a process of our own gets memory from the system."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
KEPT = 2**30


def keep_pages() -> None:
    """Keep freed memory for the next batch of activations. Else glibc gives large blocks back to
    the system at once, which hands them out again page by page, zeroed.

    It holds for the whole process, so it is for the command line and for workers to call, not for
    the library.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, KEPT)
            mallopt(M_TRIM_THRESHOLD, KEPT)
