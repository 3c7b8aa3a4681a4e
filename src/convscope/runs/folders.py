"""Runs a technique on every photograph of a folder, one at a time, and none twice."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.files import (
    check_writable,
    images,
    pictures,
    read_provenance,
    shortened,
    survey,
)
from convscope.network import Network
from convscope.runs import registry
from convscope.runs.run import Run

_MAY_DIFFER = {"convscope", "torch", "device", "image"}


@dataclass(frozen=True)
class Plan:
    """The photographs of a folder, in the order of their paths, and where their pictures go.

    The others are in formats that are not opened.
    """

    folder: Path
    output: Path
    photographs: tuple[Path, ...]
    others: tuple[Path, ...] = ()

    def picture(self, photograph: Path) -> Path:
        """The whole name and .png, for there may be both cat.jpg and cat.png."""
        name = photograph.relative_to(self.folder)
        return self.output / name.with_name(shortened(name.name, ".png"))


def plan(technique: str, folder: Path, output: Path | None = None) -> Plan:
    """What there is to do; reads no photograph and writes nothing.

    Folders in the folder are read too, but not hidden ones, links to folders (they may go in
    circles), or those that pictures of this folder go to: `output`, and FOLDER-TECHNIQUE in the
    current folder, which is where they go if it is not given.

    Raises:
        ConvscopeError: no photograph, a folder that cannot be read, no place for the pictures.
    """
    usual = {name: _usual_output(folder, name) for name in (technique, *registry.names())}
    output = usual[technique] if output is None else output
    _check_output(folder, output)
    return Plan(folder, output, *survey(folder, (output, *usual.values())))


def _usual_output(folder: Path, technique: str) -> Path:
    name = os.path.basename(os.path.abspath(folder))
    return Path(f"{name}-{technique}".lstrip("-"))


def _check_output(folder: Path, output: Path) -> None:
    nearest = next(path for path in (output, *output.absolute().parents) if path.exists())
    if nearest == output and not output.is_dir():
        raise ConvscopeError(f"{output} is a file; the pictures of a folder go to a folder")
    if nearest != output and output.suffix.lower() in pictures.WRITABLE:
        raise ConvscopeError(
            f"{folder} is a folder, so its pictures need one too, not the file {output.name}"
        )
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise ConvscopeError(f"cannot make pictures in {output}: {nearest} cannot be written to")
    if folder.resolve().is_relative_to(output.resolve()):
        raise ConvscopeError(f"{output} holds the photographs; give the pictures another folder")


@dataclass(frozen=True)
class Outcome:
    """What became of one photograph.

    "replaced" is made in the place of a picture that had been made in another way. "kept" was there
    already, so its summary is not known. Where it "failed", `error` says why and names it.
    """

    photograph: Path
    picture: Path
    state: Literal["made", "replaced", "kept", "failed"]
    summary: Mapping[str, object] = field(default_factory=dict)
    error: str = ""

    @property
    def row(self) -> dict[str, object]:
        """For a line of JSON."""
        if self.state == "failed":
            return {"image": str(self.photograph), "error": self.error}
        kept = {"kept": True} if self.state == "kept" else {}
        paths = {"image": str(self.photograph), "picture": str(self.picture)}
        return {**paths, **kept, **self.summary}


class Batch:
    """A plan at work.

    Args:
        plan: what to do.
        begin: from a photograph to the run of which the picture is to be the last frame.
        net: the network of these runs, if they have one.

    Raises:
        ConvscopeError: what `begin` finds wrong whatever the photograph, a target say.
    """

    def __init__(self, plan: Plan, begin: Callable[[Tensor], Run], net: Network | None) -> None:
        self.plan, self._begin = plan, begin
        generator = torch.Generator().manual_seed(0)
        height, width = (224, 224) if net is None else net.input_size
        anything = torch.rand(1, 3, 2 * height, 2 * width, generator=generator)
        self._on_anything = begin(anything)
        self._worked = False
        self._taken: dict[tuple[int, int], Path] = {}

    def make(self, photograph: Path) -> Outcome:
        """A photograph's picture, unless it is there, made in the same way.

        Raises:
            ConvscopeError: the disk is full, say, or the technique refuses not this photograph, but
                any.
        """
        picture = self.plan.picture(photograph)
        # Whatever one photograph comes to grief by, the memory it needs too, spares the others.
        try:
            if self._is_there(photograph, picture):
                self._worked = True
                return self._noted(Outcome(photograph, picture, "kept"))
            self._check(photograph, picture)
            photo = images.open_image(photograph)
        except Exception as error:
            return Outcome(photograph, picture, "failed", error=_naming(photograph, error))
        try:
            result = self._begin(photo).result()
            drawn = result.picture
        except Exception as error:
            if not self._worked and _message(error) == self._refusal:
                raise
            return Outcome(photograph, picture, "failed", error=_naming(photograph, error))
        self._worked = True
        state: Literal["made", "replaced"] = "replaced" if picture.exists() else "made"
        try:
            picture.parent.mkdir(parents=True, exist_ok=True)
            pictures.save_pictures(picture, [drawn], result.provenance)
        except (OSError, ConvscopeError) as error:
            if _on_whole_disk(error):
                raise
            return Outcome(photograph, picture, "failed", error=_naming(photograph, error))
        return self._noted(Outcome(photograph, picture, state, result.summary))

    def _check(self, photograph: Path, picture: Path) -> None:
        """Fail before the work if the picture cannot be written where it belongs."""
        for above in picture.relative_to(self.plan.output).parents:
            folder = self.plan.output / above
            if os.path.lexists(folder) and not folder.is_dir():
                raise ConvscopeError(f"cannot make {picture}: {folder} is not a folder")
        if not picture.parent.is_dir():
            return
        check_writable(picture, read=[photograph])
        other = self._taken.get(_place(picture)) if picture.exists() else None
        if other not in (None, photograph):
            raise ConvscopeError(f"{picture} is the picture of {other} already")

    def _noted(self, outcome: Outcome) -> Outcome:
        """Remember where a picture is: names that differ in case may be of one file."""
        self._taken[_place(outcome.picture)] = outcome.photograph
        return outcome

    @cached_property
    def _refusal(self) -> str:
        """What the technique says against an image that nothing is wrong with."""
        try:
            _ = next(iter(self._on_anything)).picture
        except Exception as error:
            return _message(error)
        return ""

    def _is_there(self, photograph: Path, picture: Path) -> bool:
        """Reads no pixel, and the photograph only where all else is the same."""
        try:
            provenance = read_provenance(picture)
            if _way(provenance) != _way(self._on_anything.provenance):
                return False
            image = provenance.get("image")
            return isinstance(image, dict) and image.get("sha256") == images.digest(photograph)
        except ConvscopeError:
            return False


def _place(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def _on_whole_disk(error: Exception) -> bool:
    """Whether a picture could not be written for a reason that the next one would meet too."""
    cause = error.__cause__ or error
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def _way(provenance: Mapping[str, object]) -> str:
    """How a picture was made, but for the photograph, the device and the versions.

    As JSON, for that is what a picture carries: a tuple has become a list there.
    """
    parts = {part: provenance[part] for part in provenance.keys() - _MAY_DIFFER}
    return json.dumps(parts, sort_keys=True, default=str)


def _message(error: Exception) -> str:
    if isinstance(error, ConvscopeError):
        return str(error)
    return f"{type(error).__name__}: {str(error)[:300]}"


def _naming(photograph: Path, error: Exception) -> str:
    message = _message(error)
    return message if str(photograph) in message else f"{photograph}: {message}"
