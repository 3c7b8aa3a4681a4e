"""Run the rows whose names contain one of the given words, or all of them."""

from __future__ import annotations

import argparse
import itertools
import platform

import torch

from benchmarks import attribution, climbs, styles
from benchmarks.measure import compare, header


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows with one of these in their name")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds a row")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.machine()}")
    print(f"medians of {options.rounds} interleaved rounds\n\n{header()}")

    def wanted(name: str) -> bool:
        return not options.words or any(word in name for word in options.words)

    for row in itertools.chain(climbs.rows(), styles.rows(wanted), attribution.rows()):
        if wanted(row.name):
            print(compare(row, options.rounds), flush=True)


if __name__ == "__main__":
    main()
