"""Work in other processes, in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from convscope.system import keep_pages

Task = TypeVar("Task")
Made = TypeVar("Made")


class _Tasks(Dataset[Made], Generic[Task, Made]):
    def __init__(self, work: Callable[[Task], Made], tasks: Sequence[Task]) -> None:
        self.work, self.tasks = work, tasks

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, number: int) -> Made:
        return self.work(self.tasks[number])


def in_processes(
    work: Callable[[Task], Made], tasks: Sequence[Task], workers: int
) -> Iterator[Made]:
    """What `work` makes of each task, in order.

    Args:
        work: can be sent to another process, and so can what it makes.
        tasks: what it gets.
        workers: number of processes, each with one thread of torch; 0 for this one.
    """
    loader: DataLoader[Made] = DataLoader(
        _Tasks(work, tasks),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        worker_init_fn=partial(_begin, os.getpid()),
        generator=torch.Generator(),  # or it would draw from torch's global random numbers
        collate_fn=_as_it_is,
    )
    yield from loader


def _as_it_is(made: Made) -> Made:
    return made


def _begin(parent: int, _: int) -> None:
    keep_pages()
    # The loader would take a worker that SIGTERM kills for a crash, and say so at length.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended.

    The loader sees to that only in a worker that waits for work. One that has more to say than a
    pipe holds would wait forever.
    """
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
