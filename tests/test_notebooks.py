"""The notebooks of the documentation run from top to bottom."""

from __future__ import annotations

import ast
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

LARGEST = 8_000_000  # bytes of the lecture, with all that stands below its cells
PICTURE = 300_000  # characters of a picture in it

every = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)

QUICK = f"""
import sys
import torch
torch.set_num_threads(1)
sys.path.insert(0, {str(ROOT / "docs" / "_ext")!r})
import quick
quick.limit()
"""


def read(file: Path) -> Any:
    reason = "no nbclient and ipykernel, which convscope[test] installs"
    pytest.importorskip("ipykernel", reason=reason)
    pytest.importorskip("nbclient", reason=reason)
    import nbformat

    return nbformat.read(file, 4)


def execute(notebook: Any, folder: Path) -> set[int]:
    """Run all cells in a folder. Gives the numbers of the cells that told how far they were."""
    from nbclient import NotebookClient

    class Watching(NotebookClient):
        def process_message(self, message: Any, cell: Any, number: int) -> Any:
            content = message["content"]
            shown = content.get("data", {}).get("text/html", "") + content.get("text", "")
            if "<progress " in shown or message["msg_type"] == "stream":
                told.add(number)
            return super().process_message(message, cell, number)

    told: set[int] = set()
    Watching(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    return told


def errors(notebook: Any) -> list[str]:
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    return [str(one) for one in outputs if one.output_type == "error"]


def pictures(notebook: Any) -> list[int]:
    """How many characters each picture below a cell has."""
    return [
        len(data)
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind, data in output.get("data", {}).items()
        if kind.startswith("image/")
    ]


def seconds(cell: Any) -> float:
    times = cell.metadata["execution"]
    busy, idle = (
        datetime.fromisoformat(times[key].replace("Z", "+00:00"))
        for key in ("iopub.status.busy", "iopub.status.idle")
    )
    return (idle - busy).total_seconds()


def test_there_are_three() -> None:
    assert [file.stem for file in NOTEBOOKS] == ["lecture", "own_network", "own_recipe"]


@every
def test_notebooks_are_kept_without_outputs(file: Path) -> None:
    cells = json.loads(file.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert file.stat().st_size < 40_000


@every
def test_notebooks_need_only_what_is_installed_with_convscope(file: Path) -> None:
    known = {"convscope", "IPython", "torch", "PIL", "skimage", "sklearn", "matplotlib", "numpy"}
    known |= {*sys.stdlib_module_names, "digits_network"}  # the notebook itself writes the last
    cells = json.loads(file.read_text("utf-8"))["cells"]
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    trees = [ast.parse(re.sub(r"^%%.*", "", text)) for text in code]
    found = {
        name.split(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
    }
    assert found <= known


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


@every
def test_notebooks_run_at_quick_settings(file: Path, tmp_path: Path) -> None:
    notebook = read(file)
    setup = {"cell_type": "code", "id": "setup", "source": QUICK}
    notebook.cells.insert(0, type(notebook)(setup, metadata={}, outputs=[], execution_count=None))
    for cell in notebook.cells:
        cell.source = cell.source.replace("PARTS = 16 ", "PARTS = 3 ")
    execute(notebook, tmp_path)
    assert errors(notebook) == []
    assert len(pictures(notebook)) >= 4


@pytest.mark.slow
@every
def test_notebooks_in_full_are_small_and_tell_how_far_they_are(file: Path, tmp_path: Path) -> None:
    notebook = read(file)
    told = execute(notebook, tmp_path)
    assert errors(notebook) == []
    assert max(pictures(notebook)) <= PICTURE
    assert len(json.dumps(notebook)) < LARGEST
    code = {i: cell for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    silent = [cell.source for i, cell in code.items() if i not in told and seconds(cell) > 1]
    assert silent == []


def test_a_live_view_in_a_notebook(tmp_path: Path) -> None:
    """The run goes on in the background, sends its frames, and gives its result to a later cell."""
    nbformat = pytest.importorskip("nbformat", reason="no nbformat, which convscope[test] installs")
    pytest.importorskip("anywidget", reason="no anywidget, which convscope[test] installs")
    cell = nbformat.v4.new_code_cell
    begun = (
        "import torch\ntorch.set_num_threads(1)\n"
        "import convscope as cs\nfrom convscope.testing import small_network\n"
        "net = small_network()\n"
        "view = cs.widgets.watch(cs.class_image(net, target=1, steps=8, size=32))\nview"
    )
    notebook = nbformat.v4.new_notebook(cells=[cell(begun)])
    notebook.cells.append(cell("print(view.result().step, view.state, view.step)"))
    execute(notebook, tmp_path)
    shown, printed = notebook.cells
    assert "application/vnd.jupyter.widget-view+json" in shown.outputs[0].data
    assert printed.outputs[0].text == "8 done 8\n"
