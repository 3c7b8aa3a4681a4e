"""How small `compress` makes the networks that are always there, and what that costs.

    python -m benchmarks.compression --photos FOLDER

FOLDER holds labeled photographs: each lies in a folder that is named like its class. Every second
one calibrates and trains, without its label; the others are measured on. Printed are the stages of
each network, the processor time, and how long the file takes to load.
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
        file = Path(folder) / f"{name}.safetensors"
        begun, done = time.process_time(), 0
        run = cs.compress(net, folder=photos, file=file, ratio=ratio, steps=steps)
        for result in run:
            for stage in result.summary["stages"][done:]:
                seconds = time.process_time() - begun
                numbers = f"accuracy {stage['accuracy']:.1%}, agreement {stage['agreement']:.1%}"
                size = f"{stage['bytes']:,} bytes, {stage['ratio']:.2f} times smaller"
                print(f"{name}, {stage['stage']}: {size}; {numbers}; {seconds:.0f} s")
            done = len(result.summary["stages"])
        begun = time.process_time()
        cs.load(str(file))
        print(f"{name}: loaded in {time.process_time() - begun:.2f} s")


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
