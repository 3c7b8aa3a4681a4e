"""What the microscope knows of photographs and of mistakes, for the pages."""

from __future__ import annotations

from pathlib import Path

from convscope.collection import network_classes
from convscope.microscope import Decided, Mistake, Near, Strong
from convscope.web import microscope_models as wire
from convscope.web.answers.microscope import as_class, as_units, named
from convscope.web.models import Prediction
from convscope.web.requests import Place
from convscope.web.scopes import Scope


def photographs(place: Place, index: str, search: str, limit: int) -> list[wire.PhotographName]:
    """Photographs whose name or label has a text in it, in the order of the index."""
    scope, text = place.scope(index), search.strip().lower()
    columns = (scope.index.images[name].to_pylist() for name in ("path", "label"))
    found = []
    for row, (path, label) in enumerate(zip(*columns, strict=True)):
        if text in path.lower() or text in (label or "").lower():
            found.append(named(scope, row))
            if len(found) == limit:
                break
    return found


def photograph_facts(place: Place, index: str, row: int) -> wire.PhotographFacts:
    """What the network makes of a photograph of the index."""
    scope = place.scope(index)
    scope.check(row)
    found = scope.microscope.photograph(row)
    label = found.label
    known = {} if label is None else network_classes(scope.index.output_of(scope.net), [label])
    return wire.PhotographFacts(
        photograph=named(scope, row),
        predictions=[
            Prediction(index=one.index, name=one.label, probability=one.probability)
            for one in found.predictions
        ],
        of_label=known.get(label or ""),
        strongest=[
            wire.LayerUnits(layer=layer, units=[_as_unit(one) for one in units])
            for layer, units in found.strongest.items()
        ],
        decided=[_as_decided(one) for one in found.decided],
        by_embedding=_neighbors(scope, found.by_embedding),
        by_pixels=_neighbors(scope, found.by_pixels),
        mistake=None if found.mistake is None else _mistake(scope, found.mistake),
    )


def _as_unit(found: Strong) -> wire.UnitValue:
    patch = found.patch
    return wire.UnitValue(
        layer=patch.layer, channel=patch.channel, value=patch.value, share=found.relative
    )


def _as_decided(found: Decided) -> wire.Decided:
    return wire.Decided(
        layer=found.layer,
        units=as_units(found.units),
        total=found.total,
        score=found.score,
        constant=found.constant,
        exact=found.exact,
    )


def _neighbors(scope: Scope, found: tuple[Near, ...]) -> list[wire.Neighbor]:
    return [wire.Neighbor(photograph=named(scope, one.row), distance=one.distance) for one in found]


def _mistake(scope: Scope, found: Mistake) -> wire.MistakeFacts:
    return wire.MistakeFacts(
        label=as_class(found.label),
        prediction=as_class(found.prediction),
        decided=[_as_decided(one) for one in found.decided],
        nearest=_neighbors(scope, found.nearest),
    )


def photograph_file(place: Place, index: str, row: int) -> Path:
    """The file of a photograph, if it is the one that was indexed.

    Raises:
        ConvscopeError: there is no such row, or the file is gone or has changed.
    """
    scope = place.scope(index)
    scope.check(row)
    scope.index.photo(row)
    return scope.index.folder / scope.index.paths[row]


def confusions(place: Place, index: str) -> list[wire.ConfusedPair]:
    """Classes that were taken for others.

    Raises:
        ConvscopeError: the photographs have no labels.
    """
    scope = place.scope(index)
    return [
        wire.ConfusedPair(
            label=one.label,
            prediction=one.prediction,
            numbers=one.numbers,
            photographs=[named(scope, row) for row in one.rows],
            change=as_units(one.change),
            gap=one.gap,
        )
        for one in scope.microscope.confusions()
    ]
