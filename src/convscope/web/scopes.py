"""An index with the network that made it, and the microscope of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.errors import ConvscopeError
from convscope.network import Network
from convscope.web.networks import Networks

if TYPE_CHECKING:
    from convscope.collection import Index
    from convscope.microscope import Microscope


VERSION = 12  # digits of the digest of an index


@dataclass(frozen=True)
class Scope:
    """An index, the network that made it, and the microscope of both.

    Attributes:
        id: the network's.
    """

    id: str
    net: Network
    index: Index
    microscope: Microscope

    def check(self, row: int) -> None:
        """Fail if the index has no such photograph.

        Raises:
            ConvscopeError: it has not.
        """
        if row >= len(self.index):
            raise ConvscopeError(
                f"the index has photographs 0 to {len(self.index) - 1}, and no {row}"
            )


def scope_of(networks: Networks, index: Index) -> Scope:
    """The microscope of an index. Waits until its network is loaded.

    Raises:
        ConvscopeError: its network is not among these.
    """
    from convscope.microscope import Microscope  # imports pyarrow

    made_by = index.identity["network"]
    found = networks.made_by(made_by["digest"])
    if found is None:
        raise ConvscopeError(
            f"{index.path.name} was made by {made_by['name']}, which is not loaded with the same"
            " weights; start convscope explore with its --model"
        )
    name, net = found
    return Scope(name, net, index, Microscope(net, index))


def version_of(index: Index) -> str:
    """What changes with the content of an index."""
    return index.digest[:VERSION]
