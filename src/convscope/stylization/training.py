"""The training of a style network: it may be stopped at any time, and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from convscope import __version__
from convscope.errors import ConvscopeError
from convscope.notebook import in_notebook, show_line
from convscope.runs import Result, show_live, with_bar
from convscope.stylization.adding import joined, new_rows
from convscope.stylization.checkpoint import open_styles, save_styles
from convscope.stylization.crops import Crop, Crops, resized
from convscope.stylization.job import Job, described
from convscope.stylization.learning import Learner, Losses
from convscope.stylization.losses import ManyStyles
from convscope.stylization.network import StyleNetwork
from convscope.stylization.team import Team, own_rank, together
from convscope.system import uninterrupted, usual_torch
from convscope.types import Frame, Grid

SHOWN = 2  # photographs of a preview

MOST = 20  # styles of a preview


class Training:
    """A style network that is being trained: iterate over it to follow, or ask for the result.

    Every step gives a `Result`. Its picture shows two photographs in every style, as they were when
    the state was last written; its summary has the mean losses of the pictures since then. The
    training may be stopped or killed at any time: the same call goes on from the last state.

    Attributes:
        job: what is trained.
        skipped: the photographs that cannot be read, each with the reason.
    """

    def __init__(self, job: Job, save_every: int, workers: int, device: torch.device) -> None:
        self.job, self.save_every, self.workers, self.device = job, save_every, workers, device
        self.skipped: dict[str, str] = {}

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes, of those that torchrun started."""
        return own_rank() == 0

    def __iter__(self) -> Generator[Result]:
        with together(self.device) as team:
            settings = self.job.settings
            if settings.batch_size % team.size:
                raise ConvscopeError(
                    f"{team.size} processes cannot share a batch of {settings.batch_size}: give a"
                    " multiple of their number"
                )
            crops = Crops(self.job.files, settings.size, settings.seed)
            self.skipped |= crops.check(settings.batch_size)
            with usual_torch(gradients=True):
                work = _Work(self.job, crops, team, self.device)
            yield from self._steps(work)

    def result(self, *, progress: bool = False) -> Path:
        """The checkpoint; does the rest of the training first.

        Args:
            progress: show a progress bar, on a terminal or below the cell of a notebook.
        """
        for _ in with_bar(self, "train_style", shown=progress):
            pass
        return self.job.output

    def _ipython_display_(self) -> None:
        """Train, and show a bar and the pictures so far below the cell of a notebook."""
        if not in_notebook():
            raise NotImplementedError  # a terminal shows the repr
        if show_live(self, "train_style").stopped:
            show_line(f"{self.job.output} keeps what is done; run the cell again to continue")

    def _steps(self, work: _Work) -> Iterator[Result]:
        learner, steps = work.learner, self.job.settings.steps
        recent: list[Losses] = []
        saved = learner.done
        try:
            for crops in self._batches(work):
                for crop in crops:
                    self.skipped |= crop.skipped
                with uninterrupted(), usual_torch(gradients=True):
                    recent.append(learner.step(torch.stack([crop.pixels for crop in crops])))
                    if learner.done % self.save_every == 0 or learner.done == steps:
                        work.save(recent)
                        saved, recent = learner.done, recent[-1:]
                yield work.result(recent)
        except (GeneratorExit, KeyboardInterrupt):  # between two steps
            if learner.done > saved:
                work.save(recent)
            raise

    def _batches(self, work: _Work) -> Iterator[list[Crop]]:
        """The crops of this process, step by step: together, those of one process."""
        settings, team = self.job.settings, work.team
        count = settings.batch_size // team.size
        first = [
            step * settings.batch_size + team.rank * count
            for step in range(work.learner.done, settings.steps)
        ]
        numbers = [list(range(number, number + count)) for number in first]
        yield from DataLoader(
            work.crops, batch_sampler=numbers, num_workers=self.workers, collate_fn=list
        )


class _Work:
    """What one process of a training has: its learner, and what it shows and writes."""

    def __init__(self, job: Job, crops: Crops, team: Team, device: torch.device) -> None:
        self.job, self.crops, self.team = job, crops, team
        settings = job.settings
        self.base = None if job.base is None else open_styles(job.base)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            net = (
                StyleNetwork(tuple(job.styles), settings.channels, settings.blocks)
                if self.base is None
                else new_rows(self.base, tuple(job.styles))
            )
        images = [resized(image, settings.style_size) for image in job.styles.values()]
        wanted = ManyStyles(job.net, job.loss, [image.to(job.net.device) for image in images])
        self.learner = Learner(net, wanted, settings, team, device)
        self.seconds = 0.0
        self._panels: tuple[Grid, ...] = ()
        if (state := job.read()) is not None:
            self.learner.restore(state)
            self.seconds = state["seconds"]
        self._begun = time.monotonic()

    def save(self, recent: Sequence[Losses]) -> None:
        """Write the state, and the network as it is now."""
        self._panels = ()
        if self.team.rank:
            return
        self.seconds += time.monotonic() - self._begun
        self._begun = time.monotonic()
        self.job.write({**self.learner.state(), "seconds": self.seconds})
        net = self.learner.net
        net = net if self.base is None else joined(self.base, net)
        save_styles(self.job.output, net, self._made(recent))

    def result(self, recent: Sequence[Losses]) -> Result:
        """What is shown of a step."""
        if not self._panels:
            self._panels = (self._preview(),)
        frame = Frame(
            panels=self._panels,
            step=self.learner.done,
            steps=self.job.settings.steps,
            summary=_means(recent),
        )
        return Result(
            frame, {"convscope": __version__, "technique": "train_style", "parameters": {}}
        )

    def _preview(self) -> Grid:
        """Two photographs, each in the first styles."""
        net = self.learner.net
        names = net.styles[:MOST]
        tiles: list[Tensor] = []
        for number in range(SHOWN):
            photo = self.crops[number].pixels[None].to(self.learner.device)
            with torch.no_grad():
                drawn = [net(photo, net.weights(name)) for name in names]
            tiles += [photo, *drawn]
        captions = ("photograph", *names) * SHOWN
        return Grid(torch.cat(tiles).cpu(), captions=captions)

    def _made(self, recent: Sequence[Losses]) -> dict[str, Any]:
        """Where the numbers of the network come from, for its file."""
        return {
            "convscope": __version__,
            "network": self.job.net.name,
            "loss": described(self.job.loss),
            "losses": _means(recent),
            "photographs": len(self.job.files),
            "steps": self.learner.done,
            "seconds": round(self.seconds),
            "settings": asdict(self.job.settings),
            "added": list(self.job.styles) if self.base else [],
        }


def _means(recent: Sequence[Losses]) -> dict[str, float]:
    """The mean of each loss."""
    return {
        name: sum(values) / len(values)
        for name, values in zip(Losses._fields, zip(*recent, strict=True), strict=False)
    }
