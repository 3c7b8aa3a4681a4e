"""Which techniques and indexes there are, and whether a request can be run."""

from __future__ import annotations

from typing import Any

from convscope.errors import ConvscopeError
from convscope.runs import ASCEND, Technique, registry
from convscope.runs import catalog as known
from convscope.web.messages import Described
from convscope.web.models import IndexInfo, RunRequest, TechniqueInfo
from convscope.web.requests import Files, Place, as_run
from convscope.web.schemas import form
from convscope.web.scopes import version_of

NEEDS_FILE = "it needs {name}, which only the command line and Python can choose"


def catalog(_place: Place) -> list[TechniqueInfo]:
    """All techniques, in the order of the chapters."""
    found = [_described(one) for one in registry.techniques()]
    return sorted(found, key=lambda one: known.CHAPTERS.index(one.chapter))


def _described(technique: Technique) -> TechniqueInfo:
    entry = known.techniques()[technique.name]
    schema, missing = _form(technique)
    return TechniqueInfo(
        name=technique.name,
        title=technique.title,
        summary=technique.summary,
        description=technique.description,
        paper=technique.paper,
        url=technique.url,
        chapter=technique.chapter,
        command=technique.command,
        takes_image=technique.takes_image,
        needs_image=technique.needs_image,
        takes_network=technique.takes_network,
        attribution=technique.attribution,
        climbs=technique.climbs,
        network=technique.network,
        package=None if entry.package == "convscope" else entry.package,
        options=schema,
        unavailable=NEEDS_FILE.format(name=missing[0]) if missing else None,
    )


def _form(technique: Technique) -> tuple[dict[str, Any], list[str]]:
    """The schema of the options that the browser can give, and which needed ones it cannot."""
    schema = form(technique.model)
    needed = schema.get("required", [])
    missing = [name for name in needed if name not in schema["properties"]]
    schema["required"] = [name for name in needed if name not in missing]
    return schema, missing


def describe_run(place: Place, request: RunRequest, files: Files) -> Described:
    """What a request asks for; everything is checked as it is when the run begins.

    Raises:
        ConvscopeError: the run cannot be made.
    """
    run = as_run(request, place, files)
    if request.technique == ASCEND:
        assert request.recipe is not None
        return Described("Own recipe", request.recipe.steps, climbs=True)
    technique = registry.get(request.technique)
    _, missing = _form(technique)
    if missing:
        raise ConvscopeError(f"{technique.name}: {NEEDS_FILE.format(name=missing[0])}")
    target = run.parameters.get("target")
    about = f" of {target}" if isinstance(target, str | int) else ""
    steps = run.parameters.get("steps")
    return Described(
        technique.title + about, steps if isinstance(steps, int) else 0, technique.climbs
    )


def indexes(place: Place) -> list[IndexInfo]:
    """The indexes of the command line."""
    if not place.indexes:
        return []
    from convscope.collection import open_index  # imports pyarrow

    found = []
    for name, path in place.indexes.items():
        index = open_index(path)
        network = str(index.identity["network"]["name"])
        found.append(
            IndexInfo(
                id=name,
                name=path.name,
                network=network,
                photographs=len(index.paths),
                version=version_of(index),
            )
        )
    return found
