"""HTML pages from templates that lie beside the module that fills them."""

from __future__ import annotations

from importlib.resources import files

import jinja2

_ENVIRONMENT = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


def fill_template(package: str, name: str, **values: object) -> str:
    """A page of a template, with all values escaped.

    Args:
        package: dotted name of the package that the template lies in.
        name: file name of the template.
        values: what its names stand for.
    """
    source = files(package).joinpath(name).read_text(encoding="utf-8")
    return _ENVIRONMENT.from_string(source).render(**values)
