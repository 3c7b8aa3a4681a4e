"""Deletion and insertion areas of every attribution method: `python -m benchmarks.areas FOLDER`.

Of each photograph the default network's top class is explained by every method. The controls are a
random order of the pixels and a smooth random map, and of every method its own map moved at random.
What was measured is kept in `--output`, line by line, so that the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import convscope as cs
from convscope.attribution.question import Question, ask
from convscope.trust import methods
from convscope.trust.curves import area, curves, moved_at_random

CONTROLS = ("random pixels", "random smooth map")
# What takes long has fewer evaluations than by default, and comes last.
SLOW: Mapping[str, Mapping[str, Any]] = {
    "occlusion": {"stride": 28},
    "random_occlusion": {"count": 256},
    "scorecam": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.areas", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=50, help="photographs, spread over the folder")
    parser.add_argument("--steps", type=int, default=16, help="points of a curve")
    parser.add_argument("--output", type=Path, default=Path("areas.jsonl"))
    options = parser.parse_args()
    files = sorted(file for file in options.folder.iterdir() if file.suffix == ".jpg")
    files = files[:: max(1, len(files) // options.count)][: options.count]
    known = options.output.read_text("utf-8").splitlines() if options.output.exists() else []
    rows = [json.loads(line) for line in known]
    done = {(row["map"], row["photo"]) for row in rows}
    net = cs.load(device="cpu")
    quick = [name for name in methods.names() if name not in SLOW]
    for maps in ((*CONTROLS, *quick), *((name,) for name in SLOW)):
        for number, file in enumerate(files):
            question = ask(net, net.preprocess(cs.open_image(file)), None).resolved()
            for name in maps:
                if (name, file.name) not in done:
                    heatmap = _map(question, name, number)
                    (moved,) = moved_at_random(heatmap, 1, number)
                    lines = [
                        c for m in (heatmap, moved) for c in curves(question, m, options.steps)
                    ]
                    rows.append({"map": name, "photo": file.name, "areas": list(map(area, lines))})
                    with options.output.open("a", encoding="utf-8") as kept:
                        kept.write(json.dumps(rows[-1]) + "\n")
    print(_table(rows))


def _map(question: Question, name: str, number: int) -> Tensor:
    size = question.net.input_size
    chance = torch.Generator().manual_seed(number)
    if name == CONTROLS[0]:
        return torch.rand(size, generator=chance)
    if name == CONTROLS[1]:
        coarse = torch.rand(1, 1, 7, 7, generator=chance)
        return F.interpolate(coarse, size, mode="bicubic")[0, 0]
    words = SLOW.get(name, {})
    frame = methods.attribute(question.net, question.inputs, name, question.target.spec, **words)
    assert frame.heatmap is not None
    return frame.heatmap[0]


def _table(rows: list[dict[str, Any]]) -> str:
    """Markdown; the last column counts photographs whose map does better than itself moved."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    for row in rows:
        found[row["map"]].append(row["areas"])
    head = "| map | photographs | deletion | moved | insertion | moved | better than moved |"
    lines = [head, "|---|" + "---:|" * 6]
    for name in sorted(found, key=lambda name: -statistics.mean(r[1] for r in found[name])):
        fall, rise, moved_fall, moved_rise = (
            statistics.mean(column) for column in zip(*found[name], strict=True)
        )
        better = statistics.mean(row[1] > row[3] for row in found[name])
        cells = [f"{value:.3f}" for value in (fall, moved_fall, rise, moved_rise)]
        lines.append(f"| {name} | {len(found[name])} | {' | '.join(cells)} | {better:.0%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
