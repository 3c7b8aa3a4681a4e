"""Networks and photographs that many tests share."""

from __future__ import annotations

from convscope.testing import small_network as own_network
from convscope.testing import small_photograph as own_photograph
from convscope.testing.cases import Own as Own

__all__ = ["Own", "own_network", "own_photograph"]
