"""What the explorer costs: a streamed climb against the same one in Python, and live frames.

    python -m benchmarks.streaming [--steps 24] [--rounds 5] [--threads 2]

The worker runs in a process of its own and sends every frame over a real pipe; this process takes
them as the server does. Rounds are interleaved. The processor time of the worker counts, so that
other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import base64
import io
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.web.messages import Answered, Ask, Begin, Ended, Options, Step
from convscope.web.models import LiveRequest, RunRequest, StylizeRequest

NETWORK = {"name": "efficientnet_lite0", "device": "cpu"}

FILES = {"photo": "sample:chelsea"}

RUNS = {
    "class_image": RunRequest(
        technique="class_image", network="n0", options={"target": "volcano", "steps": 0}
    ),
    "deepdream": RunRequest(
        technique="deepdream", network="n0", image="photo", options={"octaves": 1, "steps": 0}
    ),
}


def _worker(connection: Connection, options: Options, threads: int) -> None:
    import torch

    from convscope.web import answers
    from convscope.web.worker import main

    torch.set_num_threads(threads)
    # In the same process, so that both ways have the same network, memory and processor.
    answers.ANSWERS = {**answers.ANSWERS, "climb": _climb, "clock": lambda _: time.process_time()}
    main(connection, options)


def _climb(place: Any, request: RunRequest) -> float:
    """The seconds of processor time of a run in Python."""
    from convscope.web.requests import as_run

    begun = time.process_time()
    for _ in as_run(request, place, FILES):
        pass
    return time.process_time() - begun


class Pipe:
    """A worker, and the server's end of the pipe."""

    def __init__(self, threads: int) -> None:
        spawning = multiprocessing.get_context("spawn")
        self.here, there = spawning.Pipe()
        options = Options({"n0": NETWORK}, {})
        arguments = (there, options, threads)
        self.process = spawning.Process(target=_worker, args=arguments, daemon=True)
        self.process.start()
        there.close()

    def ask(self, question: str, **arguments: Any) -> Any:
        self.here.send(Ask(1, question, arguments))
        while not isinstance(message := self.here.recv(), Answered):
            pass
        if message.problem is not None:
            raise SystemExit(message.problem)
        return message.value

    def stream(self, request: RunRequest, folder: Path) -> tuple[float, float, int]:
        """Seconds of processor time of a streamed run, seconds to its first frame, and frames."""
        before, begun = self.ask("clock"), time.perf_counter()
        self.here.send(Begin("run", request, FILES, folder, resume=False))
        first, frames = 0.0, 0
        while not isinstance(message := self.here.recv(), Ended):
            if isinstance(message, Step):
                frames += 1
                first = first or time.perf_counter() - begun
        if message.problem is not None:
            raise SystemExit(message.problem)
        return self.ask("clock") - before, first, frames


def climbs(pipe: Pipe, steps: int, rounds: int) -> None:
    columns = ("python s", "streamed s", "ratio", "first frame s", "frames")
    print(f"{'climb':14}" + "".join(f"{name:>15}" for name in columns))
    for name, request in RUNS.items():
        asked = request.model_copy(update={"options": {**request.options, "steps": steps}})
        rows = [_round(pipe, asked, number % 2 == 0) for number in range(rounds + 1)]
        alone, cost, first, count = map(statistics.median, zip(*rows[1:], strict=True))
        ratio = statistics.median(row[1] / row[0] for row in rows[1:])
        print(f"{name:14}{alone:15.2f}{cost:15.2f}{ratio:15.3f}{first:15.2f}{count:15.0f}")


def _round(pipe: Pipe, request: RunRequest, streamed_first: bool) -> tuple[float, ...]:
    """Seconds in Python and streamed, seconds to the first frame, and the number of frames."""
    alone = 0.0 if streamed_first else pipe.ask("climb", request=request)
    with tempfile.TemporaryDirectory() as folder:
        streamed = pipe.stream(request, Path(folder))
    return alone or pipe.ask("climb", request=request), *streamed


def frames(pipe: Pipe, rounds: int) -> None:
    print(f"\n{'live':34}{'cpu ms':>8}{'wall ms':>9}{'frames a second':>17}")
    shown: dict[str, Any] = {"layer": "blocks.4.2", "overlay": "gradcam"}
    picture = _frame(640, 480)
    seen = LiveRequest(network="n0", image=picture)
    looked_into = LiveRequest(network="n0", image=picture, **shown)
    first, second = (one.name for one in pipe.ask("styles")[:2])
    drawn = StylizeRequest(frame=_frame(320, 240), styles={first: 1, second: 1})
    requests: dict[str, tuple[str, dict[str, Any]]] = {
        "top-5": ("live", {"request": seen}),
        "top-5, activations, Grad-CAM": ("live", {"request": looked_into}),
        "a blend of two styles, 320 px": ("stylize", {"request": drawn, "image": None}),
    }
    for name, (question, arguments) in requests.items():
        for _ in range(3):
            pipe.ask(question, **arguments)
        before, begun = pipe.ask("clock"), time.perf_counter()
        count = 10 * rounds
        for _ in range(count):
            pipe.ask(question, **arguments)
        wall = (time.perf_counter() - begun) / count
        cost = (pipe.ask("clock") - before) / count
        print(f"{name:34}{1000 * cost:8.1f}{1000 * wall:9.1f}{1 / wall:17.1f}")


def _frame(width: int, height: int) -> str:
    """A frame of a camera, in base64."""
    from convscope.files import open_image
    from convscope.render import parts

    photo = parts.rgb_picture(open_image("sample:chelsea")[0])
    buffer = io.BytesIO()
    photo.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    print(f"{options.threads} threads, medians of {options.rounds} interleaved rounds\n")
    pipe = Pipe(options.threads)
    climbs(pipe, options.steps, options.rounds)
    frames(pipe, options.rounds)
    pipe.here.close()
    pipe.process.join(10)


if __name__ == "__main__":
    main()
