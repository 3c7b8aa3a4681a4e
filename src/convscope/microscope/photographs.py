"""What the network makes of a photograph, and why it was wrong where it was."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import Tensor

from convscope.attribution import ask, layer_gradient
from convscope.collection import Index, exact
from convscope.microscope.answers import Answer, strongest
from convscope.microscope.deciding import decided
from convscope.microscope.facts import ClassMap, ClassValue, Decided, Mistake, Near, Photograph
from convscope.microscope.weights import has_scores
from convscope.network import Network, class_number, default_layers
from convscope.types import Prediction

NEIGHBORS = 12  # photographs that are told

STRONGEST = 9  # units of each layer


def photograph(
    net: Network, index: Index, row: int, photo: Tensor, answer: dict[str, Answer]
) -> Photograph:
    """What the network makes of a photograph (1, 3, H, W) of the index."""
    label, predictions = index.folders[row], _predictions(net, index, row)
    wrong = _wrong(net, label, predictions)
    image = net.preprocess(photo)
    parts: tuple[Decided, ...] = ()
    mistake = None
    if has_scores(net) and predictions:
        best = partial(_score, predictions[0].index)
        scores = [best] if wrong is None else [best, partial(_gap, predictions[0].index, wrong)]
        parts, *rest = decided(net, list(index.channels), image, scores)
        if wrong is not None:
            mistake = _mistake(net, index, row, image, wrong, predictions[0].index, rest[0])
    return Photograph(
        row=row,
        path=index.paths[row],
        size=(photo.shape[2], photo.shape[3]),
        label=label,
        predictions=predictions,
        strongest=strongest(net, index, answer, photo, row, STRONGEST),
        decided=parts,
        by_embedding=near(index, row, "cosine"),
        by_pixels=near(index, row, "l2"),
        mistake=mistake,
    )


def near(index: Index, row: int, metric: str, without: tuple[int, ...] = ()) -> tuple[Near, ...]:
    """The nearest other photographs: by embedding with "cosine", by pixels with "l2"."""
    matrix = index.embeddings if metric == "cosine" else index.pixels
    query = np.asarray(matrix[row : row + 1], np.float32)
    found = exact(matrix, query, NEIGHBORS, metric, without=[row, *without])  # type: ignore[arg-type]
    pairs = zip(found.rows[0].tolist(), found.distances[0].tolist(), strict=True)
    return tuple(Near(other, distance) for other, distance in pairs)


def class_map(net: Network, photo: Tensor, number: int) -> ClassMap:
    """Where a photograph speaks for a class: Grad-CAM at the last layer with maps."""
    question = ask(net, photo, number)
    layer = default_layers.last_maps(net, question.targets)[-1]
    found = layer_gradient(question, layer)
    values = (found.gradients.mean((2, 3), keepdim=True) * found.activations).sum(1).relu()
    return ClassMap(values[0].numpy(force=True), net.box(photo))


def _score(number: int, logits: Tensor) -> Tensor:
    return logits[:, number]


def _gap(one: int, other: int, logits: Tensor) -> Tensor:
    return logits[:, one] - logits[:, other]


def _predictions(net: Network, index: Index, row: int) -> tuple[Prediction, ...]:
    """The likeliest classes, as the index keeps them, by the network's own names."""
    output = index.output_of(net)
    if output is None:
        return ()
    classes, sure = (index.images[name][row].as_py() for name in ("classes", "probabilities"))
    pairs = zip(classes, sure, strict=True)
    return tuple(Prediction(output.named(number, p), p, number) for number, p in pairs)


def _wrong(net: Network, label: str | None, predictions: tuple[Prediction, ...]) -> int | None:
    """The class that it should have been, if it is known to be another than the prediction."""
    if label is None or not has_scores(net) or not predictions:
        return None
    right = class_number(net.output, label)
    return None if right is None or right == predictions[0].index else right


def _mistake(
    net: Network,
    index: Index,
    row: int,
    image: Tensor,
    right: int,
    taken: int,
    parts: tuple[Decided, ...],
) -> Mistake:
    logits = net.logits(image)[0]
    others = [i for i, label in enumerate(index.folders) if label != index.folders[row]]
    return Mistake(
        label=ClassValue(right, net.label(right), float(logits[right])),
        prediction=ClassValue(taken, net.label(taken), float(logits[taken])),
        decided=parts,
        nearest=near(index, row, "cosine", tuple(others)),
    )
