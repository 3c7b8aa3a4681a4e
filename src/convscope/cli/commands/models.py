"""`convscope models`."""

from __future__ import annotations

from convscope.cli.options import Contains, Json
from convscope.cli.terminal import print_json, show
from convscope.errors import ConvscopeError


def models(contains: Contains = "", /, *, json: Json = False) -> int:
    """List the networks that can be loaded by name."""
    from convscope.network import zoo

    found = zoo.models(contains)
    if not found:
        raise ConvscopeError(f"no network has {contains!r} in its name")
    if json:
        print_json(found)
    else:
        for name in found:
            show(name)
    return 0
