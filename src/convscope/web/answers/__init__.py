"""What the server may ask a worker: a function for each question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convscope.web.answers.calls import call_texts
from convscope.web.answers.catalog import catalog, describe_run, indexes
from convscope.web.answers.files import export, picture
from convscope.web.answers.filters import filter_sheet
from convscope.web.answers.graph import graph
from convscope.web.answers.live import live
from convscope.web.answers.maps import (
    map_column,
    map_layout,
    map_neighbors,
    map_of,
)
from convscope.web.answers.microscope import (
    alike,
    check_channels,
    class_units,
    connections,
    found_units,
    index_detail,
    layer_facts,
    make_connections,
    make_images,
    unit_facts,
    write_note,
)
from convscope.web.answers.networks import classes, predictions
from convscope.web.answers.photographs import (
    confusions,
    photograph_facts,
    photograph_file,
    photographs,
)
from convscope.web.answers.recipes import read_recipe, recipes, vocabulary, write_recipe
from convscope.web.answers.sheets import (
    activation_sheet,
    class_map,
    image_sheet,
    patch_sheet,
    photograph_picture,
    photograph_sheet,
    unit_image,
    unit_patches,
)
from convscope.web.answers.styles import styles, stylize
from convscope.web.answers.warming import warm_up

ANSWERS: Mapping[str, Callable[..., Any]] = {
    answer.__name__: answer
    for answer in (
        activation_sheet,
        alike,
        call_texts,
        catalog,
        check_channels,
        class_map,
        class_units,
        classes,
        confusions,
        connections,
        describe_run,
        export,
        filter_sheet,
        found_units,
        graph,
        image_sheet,
        index_detail,
        indexes,
        layer_facts,
        live,
        map_column,
        map_layout,
        map_neighbors,
        map_of,
        make_connections,
        make_images,
        patch_sheet,
        photograph_facts,
        photograph_file,
        photograph_picture,
        photograph_sheet,
        photographs,
        picture,
        predictions,
        read_recipe,
        recipes,
        styles,
        stylize,
        unit_facts,
        unit_image,
        unit_patches,
        vocabulary,
        warm_up,
        write_note,
        write_recipe,
    )
}
