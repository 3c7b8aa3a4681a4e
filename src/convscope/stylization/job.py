"""What a training is of, and the file from which a stopped training goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convscope.ascent import resume_files
from convscope.errors import ConvscopeError, shortened
from convscope.files import digest, images, photographs, write_file
from convscope.network import Network, check_archive
from convscope.stylization.settings import Settings
from convscope.vocabulary.style_losses import StyleLoss

SMALLEST = 64  # pixels of a side of a style image

StyleImages = Mapping[str, "Tensor | str | os.PathLike[str]"]


@dataclass(frozen=True)
class Job:
    """What a training is of.

    Attributes:
        files: the photographs.
        styles: the style images, (1, 3, H, W), by name.
        output: the checkpoint to write.
        base: the checkpoint that gets new styles; None for a new network.
        net: the network whose activations the loss compares.
        loss: the loss.
        settings: how it is trained.
    """

    files: tuple[Path, ...]
    styles: Mapping[str, Tensor]
    output: Path
    base: Path | None
    net: Network
    loss: StyleLoss
    settings: Settings

    @property
    def state_file(self) -> Path:
        """The file from which the training goes on."""
        return self.output.with_name(f"{self.output.name}.resume")

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        settings = asdict(self.settings)
        del settings["steps"]
        return {
            "styles": {name: _digest(image) for name, image in self.styles.items()},
            "styles before them": None if self.base is None else digest(self.base),
            "losses": [self.net.name, described(self.loss)],
            "options": settings,
        }

    def read(self) -> Mapping[str, Any] | None:
        """The state of the training, if it was begun.

        Raises:
            ConvscopeError: the file is damaged, or of a training of something else.
        """
        file = self.state_file
        if not os.path.lexists(file):
            return None
        try:
            check_archive(file)
            state = torch.load(file, weights_only=True, map_location="cpu")
            before = dict(state["identity"])
        except Exception as error:  # as many as there are ways to damage a file
            raise ConvscopeError(f"{file} is damaged; delete it to start again") from error
        self._check_same(before)
        return dict(state)

    def write(self, state: Mapping[str, Any]) -> None:
        """Write the state of the training."""
        content = {**state, "identity": self.identity}
        save = partial(resume_files.save_state, content)
        write_file(self.state_file, save, ours=resume_files.is_state)

    def _check_same(self, before: Mapping[str, Any]) -> None:
        for what, now in self.identity.items():
            if before.get(what) == now:
                continue
            known = f" ({', '.join(map(str, before[what]))})" if what == "styles" else ""
            raise ConvscopeError(
                f"{self.output} was begun with other {what}{shortened(known, 200)}: give the same,"
                f" or another output, or delete {self.state_file.name} to start again"
            )


def described(loss: StyleLoss) -> dict[str, Any]:
    """A loss as plain values."""
    return {"style": dict(loss.style), "content": dict(loss.content), "by": loss.by}


def opened(styles: str | os.PathLike[str] | StyleImages) -> dict[str, Tensor]:
    """Style images by name: those of a folder have the names of their files, without the ending.

    Raises:
        ConvscopeError: an image cannot be read, is too small or has no color, or two have one name.
    """
    named: list[tuple[str, Tensor | str | os.PathLike[str]]]
    if isinstance(styles, str | os.PathLike):
        folder = Path(styles)
        if not folder.is_dir():
            raise ConvscopeError(f"no folder {folder} of style images")
        named = [(file.stem, file) for file in photographs(folder)]
    else:
        named = list(styles.items())
    found = {}
    for name, image in named:
        if name in found:
            raise ConvscopeError(f"two style images have the name {name!r}: rename one of them")
        found[name] = _checked(name, image)
    if not found:
        raise ConvscopeError("give at least one style image")
    return found


def _checked(name: str, image: Tensor | str | os.PathLike[str]) -> Tensor:
    found = image if isinstance(image, Tensor) else images.open_image(image)
    if found.dim() != 4 or found.shape[:2] != (1, 3):
        raise ConvscopeError(f"style {name!r}: an image is (1, 3, H, W), not {tuple(found.shape)}")
    height, width = found.shape[2:]
    if min(height, width) < SMALLEST:
        raise ConvscopeError(
            f"style {name!r} has {width}x{height} pixels: give an image with at least {SMALLEST} in"
            " both directions"
        )
    return found


def _digest(image: Tensor) -> str:
    return hashlib.sha256(image.detach().cpu().numpy().tobytes()).hexdigest()[:16]
