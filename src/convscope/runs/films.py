"""Runs a technique on every frame of a video, and writes a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import torch

from convscope import __version__
from convscope.files import Remake, check_video_writable, images
from convscope.notebook import in_notebook
from convscope.runs.result import Result, result_of
from convscope.runs.showing import show_live, with_bar
from convscope.types import Array, Frame, Picture

# Gives the new pixels of a frame, (H, W, 3), bytes.
Change: TypeAlias = Callable[[Array], Array]


class VideoRun:
    """A video that is made of another one, frame by frame, with its sound.

    Iterate over it for the frames as they are written, or ask for the `result()`. Nothing is done
    before. The file appears at the end; a run that is ended early leaves what was made, and it can
    be played.

    Attributes:
        technique: the name of the technique.
        source: the video.
        output: the file that is written.
        provenance: how the video is made; a file beside it says it.
        note: what is wrong with the source, in one line, when the run is over; "" if nothing is.
    """

    def __init__(
        self,
        technique: str,
        source: Path,
        output: Path,
        begin: Callable[[], Change],
        parameters: Mapping[str, object],
    ) -> None:
        self.technique, self.source, self.output = technique, source, output
        self._begin = begin
        self.note = ""
        self._done = False
        self.provenance: Mapping[str, object] = {
            "convscope": __version__,
            "torch": torch.__version__,
            "technique": technique,
            "parameters": dict(parameters),
            "video": str(source.resolve()),
        }

    def __repr__(self) -> str:
        return f"<Video of {self.technique}: iterate for its frames, or .result() writes it>"

    def __iter__(self) -> Iterator[Result[Any]]:
        check_video_writable(self.output, read=(self.source,))
        provenance = {**self.provenance, "sha256": images.digest(self.source)}
        remake = Remake(self.source, self.output, self._begin(), provenance)
        with closing(remake.__iter__()) as steps:
            for step in steps:
                picture = torch.from_numpy(step.pixels).permute(2, 0, 1) / 255
                frame = Frame[Any](
                    panels=(Picture(picture, ""),),
                    step=step.number,
                    steps=step.total,
                    image=picture[None],
                )
                yield result_of(frame, provenance)
        self.note, self._done = remake.note, True

    def result(self, *, progress: bool = False) -> Path:
        """Write the video, unless that is done, and give its path.

        Args:
            progress: show a progress bar, on a terminal or below the cell of a notebook.

        Raises:
            ConvscopeError: the source is no video, or the output cannot be written.
        """
        if not self._done:
            for _ in with_bar(self, self.technique, shown=progress):
                pass
        return self.output

    def _ipython_display_(self) -> None:
        """Write the video, and show its frames below the cell meanwhile."""
        if not in_notebook():
            raise NotImplementedError  # a terminal shows the repr
        show_live(self, self.technique)
