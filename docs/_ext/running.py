"""The directive `run`: Python that is run while the page is built, with what it prints and shows.

All blocks of a page share their names. An error in one fails the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from scraper import pictures
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_names: dict[str, dict[str, Any]] = defaultdict(dict)


class Run(SphinxDirective):
    """Code, what it printed, and the pictures of its last expression (or that value's repr)."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        source = "\n".join(self.content)
        printed, value = self._execute(source)
        code = nodes.literal_block(source, source, language="python")
        self.set_source_info(code)
        found: list[nodes.Node] = [code]
        images = [self._image(picture) for picture in pictures(value)]
        if value is not None and not images:
            printed += repr(value)
        if printed:
            output = nodes.literal_block(
                printed, printed.rstrip(), language="none", classes=["output"]
            )
            self.set_source_info(output)
            found.append(output)
        return found + images

    def _execute(self, source: str) -> tuple[str, object]:
        names = _names[self.env.docname]
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        out = io.StringIO()
        value = None
        try:
            with contextlib.redirect_stdout(out):
                # Annotations of a page's code are evaluated, unlike those of this file.
                exec(compile(tree, self.env.docname, "exec", dont_inherit=True), names)
                if isinstance(last, ast.Expr):
                    expression = ast.Expression(last.value)
                    value = eval(compile(expression, self.env.docname, "eval"), names)
        except Exception as error:
            raise self.error(f"this code fails: {type(error).__name__}: {error}") from error
        return out.getvalue(), value

    def _image(self, picture: Any) -> nodes.Node:
        folder = Path(self.env.srcdir) / "generated"
        folder.mkdir(exist_ok=True)
        number = self.env.new_serialno("run")
        name = f"{self.env.docname.replace('/', '-')}-{number}.png"
        picture.save(folder / name)
        return nodes.image(uri=f"/generated/{name}", alt=f"picture {number + 1} of this page")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("run", Run)
    return {"parallel_read_safe": True}
