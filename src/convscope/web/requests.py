"""Requests of the browser become runs: ids of images and indexes become paths here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.files import open_image
from convscope.network import Network
from convscope.runs import ASCEND, Run, Technique, ascend, format_of, needs_image, registry
from convscope.trust import check
from convscope.types import LIKE
from convscope.web import recipes
from convscope.web.messages import Source
from convscope.web.models import RunRequest
from convscope.web.networks import Networks
from convscope.web.schemas import CLOSED
from convscope.web.scopes import Scope, scope_of, version_of

if TYPE_CHECKING:
    from convscope.collection import Facts, Index

Files = Mapping[str, Source]


@dataclass(frozen=True)
class Place:
    """What requests name by ids: the networks and the indexes of the command line."""

    networks: Networks
    indexes: Mapping[str, Path]
    _facts: dict[str, tuple[int, Facts]] = field(default_factory=dict)
    _scopes: dict[str, Scope] = field(default_factory=dict)

    def facts(self, index: str, version: str | None = None) -> Facts:
        """The facts of an index and the index itself, which stays open until it changes.

        Raises:
            ConvscopeError: there is no such index, it is unfinished or damaged, or it has another
                version by now.
        """
        from convscope.collection import Facts, index_of  # imports pyarrow

        if index not in self.indexes:
            raise unknown("index", index, self.indexes)
        receipt = self.indexes[index] / "done.json"
        written = receipt.stat().st_mtime_ns if receipt.is_file() else 0
        known = self._facts.get(index)
        if known is None or known[0] != written:
            opened = Facts(index_of(None, self.indexes[index]))
            self._facts[index] = known = (written, opened)
        found = known[1]
        if version not in (None, version_of(found.index)):
            raise ConvscopeError("the index has changed; load the page again")
        return found

    def index(self, index: str, version: str | None = None) -> Index:
        """An index, opened, with the errors of `facts`."""
        return self.facts(index, version).index

    def told(self, problem: str) -> str:
        """A problem as the browser may know it: without the folders of the indexes."""
        for _, facts in self._facts.values():
            problem = problem.replace(f"{facts.index.folder}/", "")
            problem = problem.replace(str(facts.index.folder), facts.index.folder.name)
        for path in self.indexes.values():
            problem = problem.replace(str(path), path.name)
        return problem

    def scope(self, index: str, version: str | None = None) -> Scope:
        """An index with its network and their microscope. Waits until the network is loaded.

        Raises:
            ConvscopeError: its network is missing; and the errors of `facts`.
        """
        opened, known = self.index(index, version), self._scopes.get(index)
        if known is None or known.index is not opened:
            self._scopes[index] = known = scope_of(self.networks, opened)
        return known


def as_run(request: RunRequest, place: Place, files: Files) -> Run:
    """The run that a request asks for; nothing is computed yet.

    Args:
        request: what to run.
        place: the networks and indexes.
        files: the paths of the images that it names, by id.

    Raises:
        ConvscopeError: an option is unknown or out of bounds, or an image is missing.
    """
    image = None if request.image is None else open_image(file_of(request.image, files))
    if request.technique == ASCEND:
        return _own_recipe(request, place, image)
    if request.recipe is not None:
        raise ConvscopeError(f"{request.technique} takes no recipe; ascend does")
    technique = registry.get(request.technique)
    run = technique.run(
        network_for(technique, request, place), image, **options(technique, request, place, files)
    )
    return check(run) if request.check else run


def _own_recipe(request: RunRequest, place: Place, image: Tensor | None) -> Run:
    if request.recipe is None:
        raise ConvscopeError("ascend needs a recipe")
    if request.check:
        raise ConvscopeError("check judges attributions, and a recipe is none")
    net = place.networks.get(request.network)
    texts = recipes.texts_of(request.recipe)
    if wrong := request.options.keys() - {"seed"}:
        raise unknown("option of ascend", min(wrong), ["seed"])
    return ascend(net, texts, image if needs_image(texts) else None, **request.options)


def network_for(technique: Technique, request: RunRequest, place: Place) -> Network | None:
    """The network of a run: none for a technique that needs none, unless one is named."""
    if technique.network_use in ("none", "unused"):
        return None
    if technique.network_use == "useful" and request.network is None:
        return None
    return place.networks.get(request.network)


def options(
    technique: Technique, request: RunRequest, place: Place, files: Files
) -> dict[str, Any]:
    """The options of a request with paths in place of ids.

    Raises:
        ConvscopeError: an option names another file, or an id that does not exist.
    """
    fields = technique.model.model_fields
    return {
        name: _opened(name, value, fields.get(name), place, files)
        for name, value in request.options.items()
    }


def _opened(
    name: str, value: object, field: FieldInfo | None, place: Place, files: Files
) -> object:
    """The value of an option with paths in place of ids."""
    if isinstance(value, list):
        return [_opened(name, one, field, place, files) for one in value]
    if not isinstance(value, str):
        return value
    kind = format_of(field)
    if kind == "image":
        return str(file_of(value, files))
    if kind == "index":
        if value not in place.indexes:
            raise unknown("index", value, place.indexes)
        return str(place.indexes[value])
    if kind == "network":
        return place.networks.get(value)
    if kind == CLOSED:
        raise ConvscopeError(
            f"{name} names a file, which only the command line and Python can choose"
        )
    if value.startswith(LIKE):
        return f"{LIKE}{file_of(value.removeprefix(LIKE), files)}"
    return value


def no_file(target: str | None) -> str | None:
    """A target that names no file.

    Raises:
        ConvscopeError: it names one.
    """
    if target is not None and target.startswith(LIKE):
        raise ConvscopeError("another image cannot be the target here; name a class or a unit")
    return target


def file_of(image: str, files: Files) -> Source:
    """The file of an image.

    Raises:
        ConvscopeError: there is no image of that id.
    """
    if image not in files:
        raise ConvscopeError(f"there is no image {image!r}; choose or upload one")
    return files[image]
