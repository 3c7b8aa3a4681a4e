"""The networks of the command line, loaded while the worker answers what needs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from convscope.errors import ConvscopeError, described, unknown
from convscope.network import Network, default_layers, load
from convscope.web.messages import Loaded
from convscope.web.models import NetworkInfo


class Networks:
    """Networks by id. They load one after the other in a thread of their own.

    Args:
        sources: how to load each: arguments of `convscope.network.load`.
        tell: is called with what is known of a network, when it begins to load and at the end.
    """

    def __init__(
        self, sources: Mapping[str, Mapping[str, Any]], tell: Callable[[Loaded], None]
    ) -> None:
        self._tell = tell
        pool = ThreadPoolExecutor(1, "networks")
        self._futures: dict[str, Future[Network]] = {
            name: pool.submit(self._load, name, source) for name, source in sources.items()
        }

    def get(self, name: str | None) -> Network:
        """The network of that id, or the first for None. Waits until it is loaded.

        Raises:
            ConvscopeError: there is none, or it cannot be loaded.
        """
        if name is None and self._futures:
            name = next(iter(self._futures))
        if name is None:
            raise ConvscopeError("there is no network; start convscope explore with --model")
        if name not in self._futures:
            raise unknown("network", name, self._futures)
        return self._futures[name].result()

    def made_by(self, digest: str) -> tuple[str, Network] | None:
        """The network of that digest with its id, if it is one of these."""
        for name, future in self._futures.items():
            if future.exception() is None and future.result().digest == digest:
                return name, future.result()
        return None

    def _load(self, name: str, source: Mapping[str, Any]) -> Network:
        called = str(source.get("name", name))
        self._tell(Loaded(NetworkInfo(id=name, name=called, state="loading")))
        try:
            net = load(**source)
        except Exception as error:
            problem = str(error) if isinstance(error, ConvscopeError) else described(error)
            info = NetworkInfo(id=name, name=called, state="failed", problem=problem)
            self._tell(Loaded(info))
            raise ConvscopeError(problem) from error
        self._tell(Loaded(_described(name, net)))
        return net


def _described(name: str, net: Network) -> NetworkInfo:
    layers = [layer.name for layer in net.layers]
    return NetworkInfo(
        id=name,
        name=net.name,
        state="ready",
        input_size=net.input_size,
        num_classes=net.num_classes,
        num_parameters=net.num_parameters,
        layers=layers,
        default_layer=_worth_seeing(net),
    )


def _worth_seeing(net: Network) -> str | None:
    """A layer whose units see whole objects; the first one where none has feature maps."""
    try:
        return default_layers.deep(net).name
    except ConvscopeError:
        return next((layer.name for layer in net.layers), None)
