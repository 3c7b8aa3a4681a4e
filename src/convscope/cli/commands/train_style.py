"""`convscope train_style`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from convscope.cli.options import Json, output_option
from convscope.cli.stopping import INTERRUPTED, stopped_by
from convscope.cli.terminal import errors, print_json, show, tell

if TYPE_CHECKING:
    from convscope.runs import Result
    from convscope.stylization import Training

SHOWN = 5  # of the files that were skipped


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of `convscope.train_style`, by their names there."""

    add_to: Annotated[
        Path | None,
        Parameter(
            help="trained network that gets the new styles beside its own, which stay exactly as"
            " they are; 1,000 steps are enough"
        ),
    ] = None
    steps: Annotated[int, Parameter(help="number of training steps")] = 10_000
    batch_size: Annotated[
        int, Parameter(help="photographs in a step, in all processes together")
    ] = 4
    size: Annotated[int, Parameter(help="side of the crops of photographs, in pixels")] = 128
    style_size: Annotated[
        int,
        Parameter(
            help="shorter side of the style images, in pixels; larger images give coarser strokes"
        ),
    ] = 256
    lr: Annotated[float, Parameter(help="learning rate of Adam")] = 1e-3
    noise: Annotated[
        float,
        Parameter(
            help="largest standard deviation of the noise on the photographs, which makes videos"
            " steady; pixels run from 0 to 1"
        ),
    ] = 0.04
    roughness: Annotated[float, Parameter(help="weight of the total variation")] = 0.1
    channels: Annotated[int, Parameter(help="channels of the first stage of a new network")] = 16
    blocks: Annotated[int, Parameter(help="residual blocks of a new network")] = 5
    seed: Annotated[int, Parameter(help="random seed")] = 0
    save_every: Annotated[
        int, Parameter(help="steps after which all is saved, the most that a crash can lose")
    ] = 250
    workers: Annotated[
        int | None,
        Parameter(
            help="number of processes that open photographs; by default none on a CPU, and four"
            " for a GPU"
        ),
    ] = None
    device: Annotated[
        str | None,
        Parameter(
            help="device that the network learns on: cpu, cuda, cuda:1; by default a GPU, if there"
            " is one",
            metavar="DEVICE",
        ),
    ] = None


def train_style(
    folder: Annotated[Path, Parameter(help="folder of photographs, searched with its subfolders")],
    styles: Annotated[
        Path, Parameter(help="folder of style images; their names are the names of the styles")
    ],
    /,
    *,
    output: Annotated[
        Path, output_option("file of the trained network to write; it ends in .safetensors")
    ] = Path("styles.safetensors"),
    options: TrainingOptions = TrainingOptions(),
    json: Json = False,
) -> int:
    """Train one network that draws photographs in many styles.

    The same command again continues a training that was stopped. With every state that is saved,
    a picture beside the output shows two photographs in all styles. To train in several processes,
    start the command with torchrun: torchrun --nproc-per-node 2 -m convscope.cli train_style ...
    """
    from convscope.stylization import train_style as train

    training = train(folder, styles, output, **asdict(options))
    last = _follow(training, output.with_suffix(".png"))
    if last is None:
        tell(f"{output} is trained already; more --steps train it further")
        return 0
    if last.step < last.steps:
        tell(f"stopped; {output} keeps what is done, run the same command again to continue")
        return INTERRUPTED
    if not training.leads:
        return 0
    for why in list(training.skipped.values())[:SHOWN]:  # each names its file
        tell(f"skipped: {why}")
    if (more := len(training.skipped) - SHOWN) > 0:
        tell(f"skipped: {more} more")
    if json:
        print_json({"output": str(output), **last.summary, "skipped": training.skipped})
        return 0
    tell(", ".join(f"{name} {value:.3g}" for name, value in last.summary.items()))
    show(output)
    return 0


def _follow(training: Training, picture: Path) -> Result | None:
    """Train with a bar on the terminal, and write a picture with every state; the last result."""
    from convscope.runs import with_bar

    stop = Event()
    last, drawn = None, None
    with stopped_by(stop.set), closing(iter(training)) as results:
        for last in with_bar(results, "train_style", shown=training.leads, console=errors):
            if training.leads and last.panels is not drawn:
                drawn = last.panels
                last.save(picture)
            if stop.is_set():
                break
    return last
