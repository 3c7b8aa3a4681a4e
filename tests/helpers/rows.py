"""Options with which every technique is quick. A new technique needs a row here."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import convscope as cs
from tests.helpers.collections import paint
from tests.helpers.styles import style_file

# Options with which a technique is quick on the default network and on `Own` (3 classes, 32 px).
# Where it takes a seed, the options must be such that chance shows in the picture.
# INDEX stands for an index of a few pictures that the network at hand has made.
INDEX = "INDEX"


@cache
def _temporary() -> Path:
    """A folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="convscope-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def photographs() -> str:
    """A folder of four pictures without labels."""
    for seed in range(4):
        paint(_temporary() / "loose" / f"{seed}.png", seed)
    return os.fspath(_temporary() / "loose")


ROWS: dict[str, dict[str, Any]] = {
    "activation_atlas": {
        "index": INDEX,
        "method": "pca",
        "grid": 3,
        "each": 4,
        "least": 2,
        "steps": 2,
        "size": 32,
    },
    "activations": {"limit": 4},
    "cam": {"target": 1},
    "carlini_wagner": {"label": 1, "rounds": 2, "steps": 2},
    "class_image": {"target": 1, "steps": 2, "size": 32},
    "confusions": {"index": INDEX, "limit": 2, "count": 2},
    "compare": {"methods": ("saliency", "gradcam", "input_x_gradient")},
    "compress": {
        "folder": photographs(),
        "clusters": 4,
        "start": "random",
        "steps": 0,
        "probes": 1,
        "limit": 2,
        "sparsities": (0.5,),
    },
    "deconvnet": {"target": "blocks:3", "samples": 2, "noise": 0.5},
    "deepfool": {"label": 1, "steps": 3},
    "deepdream": {"steps": 1, "octaves": 2, "zoom": 1.2},
    "efros_leung": {"window": 5, "height": 16, "width": 20, "sample_size": 32},
    "fgsm": {"label": 1},
    "evolve": {"target": (0, 1, 2), "steps": 2, "offspring": 4},
    "filters": {"limit": 4},
    "fool": {"steps": 12, "confidence": 0.99},
    "gradcam": {"layer": ("blocks.0", "blocks")},
    "gradcam_plus_plus": {},
    "guided_backprop": {"target": 1, "samples": 2},
    "guided_gradcam": {"target": 1, "samples": 2, "noise": 0.5},
    "hog": {},
    "hog_twins": {"steps": 2, "size": 32},
    "input_x_gradient": {"target": 1},
    "integrated_gradients": {"target": 1, "steps": 4, "batch_size": 2},
    "intermediate": {"samples": 2, "noise": 0.5, "limit": 2},
    "invert": {"layer": "blocks.0", "steps": 2, "size": 32},
    "ladder": {"target": 1, "steps": 2},
    "lbfgs_attack": {"label": 1, "rounds": 2, "steps": 1},
    "layercam": {"target": 2},
    "embedding_map": {"index": INDEX, "sample": 6},
    "linearity": {"points": 5, "side": 3},
    "neighbors": {"index": INDEX, "count": 3},
    "neuron_image": {"target": "blocks", "limit": 2, "steps": 2, "size": 32},
    "occlusion": {"patch": 30, "stride": 30, "baseline": "noise", "batch_size": 16},
    "patches": {"index": INDEX, "count": 2, "limit": 2},
    "pgd": {"steps": 1, "restarts": 8, "epsilon": 1e-4, "step_size": 1e-3},
    "predict": {"top": 3},
    "prune": {"sparsities": (0.5,)},
    "random_occlusion": {"count": 8, "batch_size": 4},
    "saliency": {"target": 1},
    "scorecam": {"layer": "blocks.0", "batch_size": 8},
    "segment": {"methods": ("smoothgrad",), "iterations": 1},
    "transfer": {
        "folder": photographs(),
        "nets": (),
        "attacks": ("fgsm",),
        "epsilons": (4,),
        "limit": 3,
    },
    "texture": {"steps": 2, "height": 32, "width": 40, "sample_size": 192},
    "style": {
        "style": ("sample:coffee",),
        "size": 64,
        "steps": 2,
        "start": "noise",
    },
    "smoothgrad": {"samples": 2, "noise": 0.5},
    "universal": {"folder": photographs(), "passes": 2, "limit": 4},
    "stylize": {"style": ("sea", "fire=0.5"), "checkpoint": style_file()},
}


@cache
def _collection() -> Path:
    """Ten pictures of two classes."""
    folder = _temporary()
    for seed in range(10):
        paint(folder / "pictures" / f"class {seed % 2}" / f"{seed}.png", seed)
    return folder


def indexed(net: cs.Network) -> str:
    """Where the network's index of the collection lies, made when it is first asked for."""
    place = _collection() / net.digest[:16]
    if not (place / "done.json").exists():
        cs.index(net, _collection() / "pictures", place, top=2, workers=0).result()
    return os.fspath(place)
