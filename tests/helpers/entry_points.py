"""Entry points of packages that are not installed."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint


class _Package(Distribution):
    """An installed package with only a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: object) -> None:  # type: ignore[override]
        return None


def entry_point(group: str, name: str, package: str, value: str | None = None) -> EntryPoint:
    """NAME in the group `convscope.GROUP`, of a package; `value` is MODULE:OBJECT."""
    made = EntryPoint(name, value or f"{package}.module:{name}", f"convscope.{group}")
    vars(made)["dist"] = _Package(package)
    return made
