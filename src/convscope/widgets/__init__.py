"""Widgets of notebooks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypeVar

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    import os

    from convscope.network import Network
    from convscope.runs import Result, Run
    from convscope.widgets.map import EmbeddingMap
    from convscope.widgets.unit_view import UnitView
    from convscope.widgets.view import Watch

R = TypeVar("R", bound="Result[Any]", default="Result[Any]")


def watch(run: Run[R]) -> Watch[R]:
    """A live view of a run for a notebook: its frames, a stop button, and a slider over them.

        cs.widgets.watch(cs.deepdream(net, image))

    As the last line of a cell it shows the run, which goes on while other cells run. `result()`
    waits for its end. In a loop, the view shows each result as the loop gets it:

        for result in cs.widgets.watch(run):
            print(result.score)

    Args:
        run: any run. It begins when the view is shown, asked for its result, or iterated over.

    Raises:
        ConvscopeError: anywidget is not installed.
    """
    _check_anywidget()
    from convscope.widgets.view import Watch

    return Watch(run)


def embedding_map(
    index: str | os.PathLike[str],
    *,
    method: Literal["tsne", "pca", "isomap", "umap"] = "tsne",
    color: str | None = None,
) -> EmbeddingMap:
    """The map of a collection for a notebook: zoom it, and choose photographs by a lasso.

        photos = cs.widgets.embedding_map("photos.index", color="label")

    As the last line of a cell it shows the map. `photos.selected` has the rows of the index that
    are chosen on it; a list that is assigned chooses these. `photos.color = "prediction"` colors
    the map anew.

    Args:
        index: path of an index that `cs.index` has made, or the index itself.
        method: how the photographs are laid out, as `cs.embedding_map` does it. The layout is kept
            in the index.
        color: "outcome" (right or wrong), "label", "prediction", "probability", "width", "height",
            "size", or "" for one color; by default the first of these that is known.

    Raises:
        ConvscopeError: anywidget is not installed, there is no index, or the method or the color is
            unknown.
    """
    _check_anywidget()
    from convscope.collection import cached_layout, index_of
    from convscope.widgets.scripts import MAP

    if not MAP.is_file():
        raise ConvscopeError("the pages are not built; in a clone, make explore builds them")
    from convscope.widgets.map import EmbeddingMap

    opened = index_of(None, index)
    return EmbeddingMap(opened, cached_layout(opened, method), color)


def unit(net: Network, index: str | os.PathLike[str], unit: str) -> UnitView:
    """A unit for a notebook: its image, its strongest patches, its values, and units like it.

        shown = cs.widgets.unit(net, "photos.index", "blocks.2:12")

    As the last line of a cell it shows the unit, with buttons for the one before and the one
    behind. A click on a similar unit goes there, and so does `shown.unit = "blocks.4:3"`. The image
    of the unit and the classes that it pushes are found at a click, and kept in the index like
    the note.

    Args:
        net: the network that made the index.
        index: path of an index that `cs.index` has made, or the index itself.
        unit: layer and channel.

    Raises:
        ConvscopeError: anywidget is not installed, the index is missing or another network's, there
            is no such unit, or a photograph is gone.
    """
    _check_anywidget()
    from convscope.microscope import Microscope
    from convscope.widgets.unit_view import UnitView

    return UnitView(Microscope(net, index), unit)


def _check_anywidget() -> None:
    if find_spec("anywidget") is None:
        raise ConvscopeError("widgets need anywidget; pip install 'convscope[notebook]'")
