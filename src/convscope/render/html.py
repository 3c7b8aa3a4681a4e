"""HTML pages from templates that lie beside the module that fills them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2

MADE_BY = '<meta name="generator" content="convscope'  # in the head of every template


def fill_template(package: str, name: str, **values: object) -> str:
    """A page of a template, with all values escaped.

    Args:
        package: dotted name of the package that the template lies in, with those that it extends.
        name: file name of the template.
        values: what its names stand for.
    """

    page = _environment(package).get_template(name).render(**values)
    return page.encode("utf-8", "backslashreplace").decode()  # names that are not UTF-8


@cache
def _environment(package: str) -> jinja2.Environment:
    """What keeps the templates of a package once they are read."""

    def source(template: str) -> str:
        return files(package).joinpath(template).read_text(encoding="utf-8")

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def is_page(file: Path) -> bool:
    """Whether a file is a page that a template of convscope's made."""
    with file.open(encoding="utf-8") as page:
        return MADE_BY in page.read(500)
