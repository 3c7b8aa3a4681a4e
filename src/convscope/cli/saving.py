"""A run's picture, or those of a folder's photographs: made with a progress bar, and saved."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.options import PictureOptions
from convscope.cli.progress import Watched, each_file
from convscope.cli.stopping import INTERRUPTED
from convscope.cli.summaries import print_summary
from convscope.cli.terminal import fail, print_json, show, tell

if TYPE_CHECKING:
    from torch import Tensor

    from convscope.network import Network
    from convscope.runs import Batch, Run

    Begin = Callable[[Any, Tensor | None], Run]

# How the outcomes of a folder's photographs are counted in words.
_OUTCOMES = {"made": "made", "replaced": "made again", "kept": "already there", "failed": "failed"}


def save_pictures(
    name: str,
    begin: Begin,
    load: Callable[[], Network | None],
    image: str | None,
    picture: PictureOptions,
    *,
    check: bool = False,
) -> int:
    """Run and save: once, or for each photograph of a folder.

    Args:
        name: what pictures are named after.
        begin: makes the run from the network and the photograph (1, 3, H, W), if there are any.
        load: gives the network, if one is needed; called once, after the cheap checks.
        image: path of a photograph or of a folder of photographs, if one is given.
        picture: where pictures are written.
        check: whether each run is followed by the checks of its heatmap.

    Returns:
        The exit code.
    """
    from convscope.ascent import resume_files
    from convscope.files import check_writable, images, locked, open_image, shortened

    begin = partial(_begin_checked, begin) if check else begin
    if image is not None and os.path.isdir(image) and not image.startswith("sample:"):
        from convscope.runs import folders

        plan = folders.plan(name, Path(image), picture.output)
        with locked(plan.output):
            net = load()
            return _save_all(folders.Batch(plan, partial(begin, net), net), name, picture.json)
    output = picture.output
    if output is None:
        stem = "" if image is None else "-" + Path(image.replace("sample:", "")).stem
        output = Path(shortened(f"{name}{stem}", ".png"))
    check_writable(output, read=[] if image is None else [image])
    resume_files.check_folder(resume_files.folder_for(output), resume=picture.resume)
    photo = None if image is None else open_image(image)
    profile = None if photo is None else (images.source(photo) or {}).get("profile")
    if profile:
        tell(f"color profile of {image}: {profile}")
    return save_picture(begin(load(), photo), output, picture)


def _begin_checked(begin: Begin, net: Network | None, photo: Tensor | None) -> Run:
    from convscope.trust import check

    return check(begin(net, photo))


def save_picture(run: Run, output: Path, picture: PictureOptions) -> int:
    """Run to the end with a progress bar, save, and print the path or the summary.

    Ctrl-C saves the last good frame, and beside it what the run needs to continue. Returns the exit
    code.
    """
    from convscope.ascent import resume_files
    from convscope.files import check_writable, inputs
    from convscope.runs import save_run

    check_writable(output, read=inputs(run.provenance))
    place = resume_files.folder_for(output)
    resume_files.check_folder(place, resume=picture.resume)
    if os.path.lexists(place) and not picture.resume:
        tell(f"starting over; --resume would have continued the run in {place}")
    watched = Watched(run)
    with resume_files.resumable(place, run.identity, resume=picture.resume) as kept:
        written = save_run(watched, output)
        if not watched.interrupted:
            kept.clear()
    if kept.problem:
        tell(kept.problem)
    if watched.error:
        return fail(f"{watched.error}; the last good frame is in {written}")
    if picture.json:
        assert watched.last is not None
        print_json({"picture": str(written), **watched.last.summary})
    else:
        if watched.last is not None:
            print_summary(watched.last.summary)
        show(written)
    if watched.interrupted and any(place.glob("*.pt")):
        tell("stopped; run the same command with --resume to continue")
    return INTERRUPTED if watched.interrupted else 0


def _save_all(batch: Batch, title: str, as_json: bool) -> int:
    """Ctrl-C gives up the photograph at hand and keeps the pictures of those before it."""
    from convscope.files import told

    photographs, output = batch.plan.photographs, batch.plan.output
    count: Counter[str] = Counter()
    failures: list[str] = []
    interrupted = False
    try:
        for photograph in each_file(photographs, title, quiet=as_json and sys.stdout.isatty()):
            outcome = batch.make(photograph)
            count[outcome.state] += 1
            if outcome.error:
                failures.append(outcome.error)
            if as_json:
                print_json(outcome.row, indent=None)
    except KeyboardInterrupt:
        interrupted = True
    except Exception:  # the next photograph would meet it too
        if count.total() > len(failures):
            _tell_count(count, failures, len(photographs))
        raise
    _tell_count(count, failures, len(photographs))
    if batch.plan.others:
        tell(told(batch.plan.others))
    if count.total() > len(failures) and not as_json:
        show(output)
    return INTERRUPTED if interrupted else int(bool(failures))


def _tell_count(count: Counter[str], failures: list[str], of: int) -> None:
    """What failed, how many photographs had which outcome, and how many are left."""
    for failure in failures:
        tell(failure)
    left = of - count.total()
    parts = [f"{count[state]} {words}" for state, words in _OUTCOMES.items() if count[state]]
    rest = f"; {left} left, run the same command again to continue" if left else ""
    tell(f"pictures: {', '.join(parts) or 'none made'}{rest}")
