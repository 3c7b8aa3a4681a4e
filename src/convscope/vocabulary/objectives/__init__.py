"""Objectives: the score to climb. Each gives a score for each image of a batch.

Objectives add to and subtract from objectives, and numbers multiply and divide them. Every
operation gives a new objective: `logit("tabby") - 0.1 * tv()`. Scores are always maximized, so
subtract a quantity that should be small.
"""

from convscope.vocabulary.objectives.base import (
    Activations,
    Bound,
    Objective,
    as_layer,
    each,
    weighted,
    whole_layer,
)
from convscope.vocabulary.objectives.classes import log_probability, logit, margin, probability
from convscope.vocabulary.objectives.layers import (
    activation,
    direction,
    diversity,
    energy,
    peak,
)
from convscope.vocabulary.objectives.matching import caricature, match, resemble, similarity
from convscope.vocabulary.objectives.pixels import l2, power, tv
from convscope.vocabulary.objectives.statistics import STATISTICS, StatisticName, distance

__all__ = [
    "STATISTICS",
    "Activations",
    "Bound",
    "Objective",
    "StatisticName",
    "activation",
    "as_layer",
    "caricature",
    "direction",
    "distance",
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
    "probability",
    "resemble",
    "similarity",
    "tv",
    "weighted",
    "whole_layer",
]
