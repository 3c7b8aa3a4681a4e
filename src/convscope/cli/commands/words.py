"""`convscope words`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from convscope.cli.options import Json
from convscope.cli.terminal import print_json


def words(
    name: Annotated[
        str,
        Parameter(
            help="starts, objectives, rules, priors, optimizers or norms, to list one kind; or a"
            " word, to show it with its arguments"
        ),
    ] = "",
    /,
    *,
    json: Json = False,
) -> int:
    """List the words that recipes are made of: what each one means and how it is written."""
    from convscope.cli.words import as_values, chosen, print_word, print_words

    found = chosen(name)
    if json:
        print_json(as_values(found))
    elif name in [one.name for one in found]:
        for one in found:
            print_word(one)
    else:
        print_words(found)
    return 0
