"""A run of a technique: live results, the last one, and how to save them."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, cast

import torch
from torch import Tensor
from typing_extensions import TypeVar

from convscope import __version__
from convscope.ascent import resume_files
from convscope.errors import ConvscopeError
from convscope.files import check_writable, images, inputs
from convscope.network import Network
from convscope.notebook import in_notebook, show
from convscope.runs.options import loading_name
from convscope.runs.result import Result, as_array, result_of
from convscope.runs.saving import ANIMATIONS, save_run
from convscope.runs.showing import show_live, with_bar
from convscope.system import usual_torch
from convscope.types import Frame

# The kind of result that a run gives.
R = TypeVar("R", bound=Result[Any], covariant=True, default=Result[Any])


class Run(Generic[R]):
    """A technique with everything that it needs. Nothing is computed before it is asked for.

    Iterate over a run for live results, one a step, or ask for its last `result()`. Every iteration
    begins anew and gives the same results.

    Attributes:
        technique: the name of the technique.
        image: (N, 3, H, W), the photograph; None for a technique that takes none.
        parameters: the technique's options, complete with their defaults.
        provenance: what is needed to make the results again; every saved picture carries it.
        frames: begins the technique; gives its frames, with tensors where results have arrays.
    """

    def __init__(
        self,
        technique: str,
        begin: Callable[[], Iterator[Frame]],
        net: Network | None,
        image: Tensor | None,
        parameters: Mapping[str, object],
        checked: int | None = None,
    ) -> None:
        self.technique = technique
        self._net, self.image, self.parameters = net, image, parameters
        self.frames = begin
        self._result: R | None = None
        self._stopped = False
        source = None if image is None else images.source(image)
        self.provenance: Mapping[str, object] = {
            "convscope": __version__,
            "torch": torch.__version__,
            "technique": technique,
            "parameters": {name: _named(one) for name, one in parameters.items()},
            "checked": checked,
            "network": None if net is None else _network(net),
            "device": "cpu" if net is None else str(net.device),
            "image": None if source is None else dict(source),
            "takes_image": image is not None,
        }

    @property
    def net(self) -> Network:
        """The network.

        Raises:
            ConvscopeError: the technique ran without one, on an index alone.
        """
        if self._net is None:
            raise ConvscopeError(f"{self.technique} ran without a network")
        return self._net

    def __repr__(self) -> str:
        if self._stopped and self._result is not None:
            where = f"stopped at step {self._result.step} of {self._result.steps}"
            return f"<Run of {self.technique}: {where}>"
        return f"<Run of {self.technique}: iterate for live frames, or .result()>"

    def __iter__(self) -> Iterator[R]:
        result, frames = None, self.frames()
        while True:
            with usual_torch(gradients=True):
                frame = next(frames, None)
                if frame is None:
                    break
                result = cast(R, result_of(frame, self.provenance))
            yield result
        self._result, self._stopped = result, False

    def result(self, *, progress: bool = False) -> R:
        """The result of the last step; runs to the end unless an iteration has done so.

        After the stop button of a notebook it is the result that was the last one then.

        Args:
            progress: show a progress bar, on a terminal or below the cell of a notebook.

        Raises:
            ConvscopeError: the technique cannot go on, or gave no frame.
        """
        if self._result is None:
            for _ in with_bar(self, self.technique, shown=progress):
                pass
        if self._result is None:
            raise ConvscopeError(f"{self.technique} gave no frame")
        return self._result

    @property
    def identity(self) -> Mapping[str, object]:
        """What distinguishes this run from others on any device, with any version."""
        keys = ("technique", "parameters", "checked", "network", "image")
        found = {key: self.provenance[key] for key in keys}
        if self.image is not None and found["image"] is None:
            found["image"] = _digest(self.image)
        found["parameters"] = {name: _digested(one) for name, one in self.parameters.items()}
        return found

    def save(
        self, path: str | os.PathLike[str], *, resume: bool = False, progress: bool = False
    ) -> Path:
        """Write the result, or the whole run if the path ends in .gif, .webp or .mp4.

        Args:
            path: the file. Its ending chooses the format.
            resume: keep the state of climbs in PATH.resume while they run. If they are stopped, the
                same call continues them.
            progress: show a progress bar, on a terminal or below the cell of a notebook.

        Returns:
            The file that was written.

        Raises:
            ConvscopeError: the format is unknown, the file cannot be written or was not made by
                convscope, or the resume file belongs to another run.

        Warns:
            RuntimeWarning: the state could not be kept, on a full disk for instance.
        """
        animated = Path(path).suffix.lower() in ANIMATIONS
        check_writable(path, read=inputs(self.provenance))
        if not resume:
            if animated:
                return save_run(with_bar(self, self.technique, shown=progress), path)
            return save_run([self.result(progress=progress)], path)
        place = resume_files.folder_for(Path(path))
        with resume_files.resumable(place, self.identity, resume=True) as kept:
            written = self.save(path, progress=progress)
            kept.clear()
        if kept.problem:
            warnings.warn(kept.problem, RuntimeWarning, stacklevel=2)
        return written

    def show(self) -> None:
        """Show the result below the cell of a notebook, or in the system's viewer."""
        if in_notebook():
            show(self)
        else:
            self.result().show()

    def _ipython_display_(self) -> None:
        """Run, if this run has not been shown yet, and show the result below the cell."""
        if not in_notebook():
            raise NotImplementedError  # a terminal shows the repr
        if self._result is None:
            last, stopped = show_live(self, self.technique)
            self._result, self._stopped = cast(R | None, last), stopped
        else:
            show(self._result)


def _network(net: Network) -> dict[str, object]:
    return dict(net.source) if net.source else {"name": net.name, "own": True}


def _named(value: object) -> object:
    """A parameter with names in place of networks that `load` makes by their name alone."""
    if isinstance(value, tuple):
        return tuple(map(_named, value))
    if not isinstance(value, Network):
        return value
    return loading_name(value) or repr(value)


def _digested(value: object) -> object:
    """A parameter with digests in place of tensors."""
    if isinstance(value, tuple):
        return tuple(map(_digested, value))
    return _digest(value) if isinstance(value, Tensor) else _named(value)


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(as_array(tensor).tobytes()).hexdigest()
