"""How the site is built: `make docs`. Every warning is an error there, broken links included."""

import os
import sys
from pathlib import Path

# Threads that wait by spinning slow each other down manyfold where another program is at work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from importlib.metadata import EntryPoints

import convscope
from convscope import plugins

# The pages are about convscope alone, whatever plug-ins are installed.
plugins.entry_points = lambda **_: EntryPoints()

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "convscope"
author = "the convscope authors"
project_copyright = "the convscope authors, Apache-2.0"
version = release = convscope.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "tables",
    "running",
    "quick",
]
# gallery/index repeats techniques.md; the files under generated/ are included by other pages.
exclude_patterns = ["_build", "examples", "gallery/index.rst", "generated"]

html_theme = "furo"
html_title = f"convscope {release}"
html_static_path = ["_static"]
html_css_files = ["convscope.css"]
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings are Google style, their single backticks are code.
default_role = "literal"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

nitpicky = True
# Their inventories live on the web, and a build needs no network.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|Tensor|nn|np|numpy|PIL|Image|matplotlib|pydantic|pa|pyarrow)(\..*)?"),
    (r"py:.*", r"convscope\.runs\.options\.\w+"),  # in annotations of options
    (r"py:.*", r"convscope\.runs\.films\.VideoRun|StyleImages"),
    (r"py:.*", r"Module"),  # in docstrings of PyTorch's own
    (r"py:.*", r"t\.Any"),  # in annotations of traitlets' own
    (r"py:.*", r"convscope\.network\.heads\..*\.(Form|Endings)"),  # in those of an Output
    # What only type checkers need: type variables, types of summaries and of what terms share.
    (r"py:.*", r"convscope\..*\.(\w*Summary|R|_Register|OtherImages)"),
    (r"py:.*", r"(MarkDecorator|Options)"),
    (r"py:.*", r"(collections|contextlib|pathlib|os|typing|functools)\..*"),
    (r"py:.*", r"(Any|Path|bool|bytes|dict|float|frozenset|int|list|object|set|str|tuple|None)"),
    (
        r"py:.*",
        r"(P|R|Exception|Callable|Collection|Iterable|Iterator|Mapping|NamedTuple|Sequence)",
    ),
]

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "scraper.LectureOrder",
    "minigallery_sort_order": "scraper.lecture_order",
    "backreferences_dir": "generated/backreferences",
    "image_scrapers": ("scraper",),
    "capture_repr": (),
    "reset_modules": (),
    "thumbnail_size": (480, 240),
    # The pictures depend on the package as much as on the page: never keep old ones.
    "run_stale_examples": True,
    "abort_on_example_error": True,
    "write_computation_times": False,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
}
