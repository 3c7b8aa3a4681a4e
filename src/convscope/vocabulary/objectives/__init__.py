"""Objectives: what is climbed. Each is a score an image, read off the network or the image itself.

They add, subtract and scale, and every operation gives a new one:
`logit("tabby") - 0.1 * tv()`. Scores are always climbed, so what should be small is subtracted.
"""

from convscope.vocabulary.objectives.base import (
    Activations,
    Bound,
    Objective,
    as_layer,
    each,
    weighted,
)
from convscope.vocabulary.objectives.classes import log_probability, logit, margin
from convscope.vocabulary.objectives.layers import (
    activation,
    direction,
    diversity,
    energy,
    peak,
)
from convscope.vocabulary.objectives.matching import caricature, match, resemble
from convscope.vocabulary.objectives.pixels import l2, power, tv

__all__ = [
    "Activations",
    "Bound",
    "Objective",
    "activation",
    "as_layer",
    "caricature",
    "direction",
    "diversity",
    "each",
    "energy",
    "l2",
    "log_probability",
    "logit",
    "margin",
    "match",
    "peak",
    "power",
    "resemble",
    "tv",
    "weighted",
]
