"""Networks that installed packages add, by entry points in the group `convscope.networks`.

An entry point NAME is a function `build(pretrained: bool)`. It returns a module and a dict with the
other arguments of `Network`: `mean`, `std`, `input_size`, and optionally `labels`, `crop` and
`interpolation`. The network can then be loaded with `load(NAME)`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from importlib.metadata import EntryPoint
from typing import Any

from torch import nn

from convscope.errors import ConvscopeError, described
from convscope.plugins import load_plugin, plugin_error, plugins

REQUIRED = frozenset({"mean", "std", "input_size"})
ALLOWED = REQUIRED | {"labels", "crop", "interpolation", "head", "output"}

Built = tuple[nn.Module, dict[str, Any]]


def plugin_networks(taken: Container[str]) -> Mapping[str, EntryPoint]:
    """The entry points, by the network's name, without the names that are `taken`."""
    return plugins("networks", taken)


def build_plugin(point: EntryPoint, pretrained: bool) -> Built:
    """The module and the settings of a package's network.

    Raises:
        ConvscopeError: the package's code cannot be imported, fails, or returns something else. The
            message gives the package.
    """
    build = load_plugin(point)
    if not callable(build):
        raise plugin_error(point, f"is no function but {type(build).__name__}")
    try:
        made = build(pretrained)
    except ConvscopeError:
        raise
    except Exception as error:  # a stranger's function may raise anything
        raise plugin_error(point, f"cannot be built ({described(error)})") from error
    problem = _problem(made)
    if problem:
        raise plugin_error(point, problem)
    module, settings = made
    return module, dict(settings)


def _problem(made: object) -> str:
    """What is wrong with what a package's function returned; "" if nothing is."""
    match made:
        case (nn.Module(), Mapping() as settings):
            missing, extra = REQUIRED - settings.keys(), settings.keys() - ALLOWED
            if missing:
                return f"does not return {', '.join(sorted(missing))}"
            return f"returns an unknown setting {min(extra)!r}" if extra else ""
        case (first, second):
            types = f"{type(first).__name__} and {type(second).__name__}"
            return f"must return a module and a dict of settings, not {types}"
    return f"must return a module and a dict of settings, not {type(made).__name__}"
