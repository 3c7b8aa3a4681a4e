"""What makes the first run as quick as the next ones."""

from __future__ import annotations

from convscope.web.messages import Source
from convscope.web.models import RunRequest
from convscope.web.panels import Encoder
from convscope.web.requests import Place, as_run


def warm_up(place: Place) -> None:
    """Make a map that nobody sees, with the first network."""
    files: dict[str, Source] = {"photograph": "sample:chelsea"}
    run = as_run(RunRequest(technique="saliency", image="photograph"), place, files)
    Encoder().encode(run.result().panels, exact=True)
