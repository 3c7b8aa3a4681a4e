"""How small `compress` makes the networks that are always there, and what that costs.

    python -m benchmarks.compression --photos FOLDER

FOLDER holds labeled photographs: each lies in a folder that is named like its class. Every second
one calibrates and trains, without its label; the others are measured on. Printed are the stages of
each network with the processor time up to there, how many bytes the file has and how many were
told, how long it takes to load, and whether it holds the same numbers as before it was coded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import convscope as cs

NETWORKS = ("squeezenet1_1", "efficientnet_lite0")


def compressed(name: str, photos: str, ratio: float, steps: int) -> None:
    """Compress a network, and print each stage when it is done."""
    net = cs.load(name)
    with tempfile.TemporaryDirectory() as folder:
        file, stages = Path(folder) / f"{name}.safetensors", Path(folder) / "stages"
        stages.mkdir()
        begun, done = time.process_time(), 0
        run = cs.compress(net, folder=photos, file=file, stages=stages, ratio=ratio, steps=steps)
        for result in run:
            for stage in result.summary["stages"][done:]:
                seconds = time.process_time() - begun
                numbers = f"accuracy {stage['accuracy']:.1%}, agreement {stage['agreement']:.1%}"
                divergence = f"divergence {stage['divergence']:.4f}"
                size = f"{stage['bytes']:,} bytes, {stage['ratio']:.2f} times smaller"
                words = f"{name}, {stage['stage']}: {size}; {numbers}, {divergence}"
                print(f"{words}; {seconds:.0f} s", flush=True)
            done = len(result.summary["stages"])
        parts = result.summary["parts"]
        print(f"{name}: {file.stat().st_size:,} bytes on disk, {parts['total']:,} told")
        wall, begun = time.perf_counter(), time.process_time()
        loaded = cs.load(str(file))
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
        print(f"{name}: loaded in {seconds:.2f} s of the processor, {wall:.2f} s by the clock")
        before = cs.load(str(sorted(stages.iterdir())[-2]))
        print(
            f"{name}: the same bit for bit as before it was coded: {loaded.digest == before.digest}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, help="folder of labeled photographs")
    parser.add_argument("--ratio", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    for name in NETWORKS:
        compressed(name, options.photos, options.ratio, options.steps)


if __name__ == "__main__":
    main()
