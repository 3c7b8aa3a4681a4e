"""A video that a technique makes of another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.options import PictureOptions
from convscope.cli.progress import Watched
from convscope.cli.stopping import INTERRUPTED
from convscope.cli.terminal import fail, print_json, show, tell

if TYPE_CHECKING:
    from convscope.runs import Technique


def is_video(path: str) -> bool:
    """Whether a file is named like a video."""
    from convscope.files import VIDEOS

    return Path(path).suffix.lower() in VIDEOS and not os.path.isdir(path)


def save_video(
    technique: Technique, path: str, options: dict[str, Any], picture: PictureOptions
) -> int:
    """Make a video with a progress bar. Ctrl-C keeps what is made so far. Returns the exit code."""
    from convscope.files import shortened
    from convscope.system import keep_pages

    assert technique.video is not None
    keep_pages()
    output = picture.output or Path(shortened(f"{technique.command}-{Path(path).stem}", ".mp4"))
    run = technique.video(Path(path), output, options)
    watched = Watched(run)
    for _ in watched:
        pass
    if watched.error:
        return fail(str(watched.error))
    assert watched.last is not None
    if run.note:
        tell(run.note)
    if picture.json:
        print_json({"video": str(output), "frames": watched.last.step})
    else:
        show(output)
    if watched.interrupted:
        tell(f"stopped at frame {watched.last.step} of {watched.last.steps}; what was made is kept")
        return INTERRUPTED
    return int(bool(run.note))
