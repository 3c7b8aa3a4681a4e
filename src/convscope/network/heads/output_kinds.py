"""Finding out what kind of output a module has, from a traced forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.network.heads.detections import BOXES, SCORES, has_boxes
from convscope.network.heads.endings import APPLY, Ending
from convscope.network.heads.finding import is_list_of_results, main_head, per_image, tensors_in
from convscope.network.heads.labels import as_labels
from convscope.network.heads.outputs import Form, Output, Outputs
from convscope.network.nested import in_full
from convscope.network.traces.tracing import Trace
from convscope.types import CLASS_NUMBER

# What a user may say that an output is.
OutputKind = Literal["classes", "multilabel", "embedding", "values"]

# Labels of classes, as `as_labels` takes them; of several heads, by the name of the head.
Labels = Sequence[str] | Mapping[int, str] | Mapping[str, int] | Mapping[str, Sequence[str]]

_PROBABILITY = {
    "softmax": "softmax",
    "log_softmax": "softmax",
    "sigmoid": "sigmoid",
    "logsigmoid": "sigmoid",
}


_DETECTOR = (
    "wrap a detector of torchvision in convscope.network.Detections, or name a layer (convscope"
    " layers)"
)


@dataclass(frozen=True)
class Declared:
    """What the user says about the output: labels, the head that is meant, and its kind."""

    labels: Labels | None = None
    head: str | int | None = None
    kind: OutputKind | None = None


def outputs_of(network: str, trace: Trace, declared: Declared) -> Outputs:
    """The outputs of a module by name: "" is the main one, and "HEAD=" one of several.

    Args:
        network: the network's name, for messages.
        trace: of a forward pass.
        declared: what the user says.

    Raises:
        ConvscopeError: the labels do not fit, or there is no such head.
    """
    if declared.kind is not None and declared.kind not in get_args(OutputKind):
        raise unknown("kind of output", str(declared.kind), get_args(OutputKind))
    count, endings = trace.shape[0], trace.endings
    labels, alone = _labels(declared.labels)
    tensors = per_image(tensors_in(trace.output), count)
    if is_list_of_results(trace.output, count):
        if alone is not None:
            raise ConvscopeError(_no_scores(network, {}))
        return Outputs(network, {}, _DETECTOR)
    whole = trace.last().get("")
    number = None if whole is None else whole.activation
    activated = "" if number is None else trace.activations[number]
    for name in labels:
        if name not in tensors:
            raise unknown("output", name, tensors)
    if declared.head is None and has_boxes(tensors):
        return Outputs(network, {"": _detector(network, tensors, labels.get(SCORES, alone))})
    main = main_head(tensors, alone, endings) if declared.head is None else str(declared.head)
    if main is not None and main not in tensors:
        raise unknown("output", main, tensors)
    if alone is not None and main is None:
        raise ConvscopeError(_no_scores(network, tensors))
    found = {}
    if len(tensors) > 1:
        for name, values in tensors.items():
            part = _Part(network, f"{name}=", name, in_full(values), endings.get(name), "")
            found[part.name] = part.described(labels.get(name), None)
    if main is not None:
        part = _Part(network, "", main, in_full(tensors[main]), endings.get(main), activated)
        found[""] = part.described(labels.get(main, alone), declared.kind)
    return Outputs(network, found)


def _detector(network: str, tensors: Mapping[str, Tensor], labels: Sequence[str] | None) -> Output:
    """The output of a detector, whose class scores must be probabilities: overlaps weight them."""
    scores = in_full(tensors[SCORES])
    form, shape = Form(tuple(scores.shape[1:])), (scores.shape[2], scores.shape[1])
    output = Output("", SCORES, form, shape)
    if scores.numel() and not 0 <= float(scores.min()) <= float(scores.max()) <= 1 + 1e-4:
        text = "the scores of its boxes are no probabilities; end them in a sigmoid or a softmax"
        return replace(output, assumed=text)
    output = replace(output, kind="boxes", probability="", boxes=BOXES)
    return labeled(network, output, labels)


def _labels(labels: Any) -> tuple[dict[str, list[str] | None], list[str] | None]:
    """Labels by output, and labels of the main output."""
    by_output = isinstance(labels, Mapping) and labels.values()
    if by_output and not any(isinstance(one, str | int) for one in by_output):
        return {name: as_labels(one) for name, one in labels.items()}, None
    return {}, as_labels(labels)


def _no_scores(network: str, tensors: Mapping[str, Tensor]) -> str:
    if not tensors:
        return f"{network} gives no class scores (N, classes): leave out the labels"
    names = ", ".join(tensors)
    return (
        f"{network} gives several outputs ({names}): name the one that the labels are for, as in"
        f" head={next(iter(tensors))!r}"
    )


@dataclass(frozen=True)
class _Part:
    """A tensor of an output (N, ...), and the softmax or sigmoid that it comes from.

    `activated` is the name of the activation of another kind, such as a ReLU, that gave it.
    """

    network: str
    name: str
    source: str
    values: Tensor
    ending: Ending | None
    activated: str

    def described(self, labels: Sequence[str] | None, kind: OutputKind | None) -> Output:
        form = Form(tuple(self.values.shape[1:]))
        if len(form.raw) == 2 and labels is not None and len(labels) == form.raw[1] > 1:
            form = replace(form, tokens=form.raw[0] > 1)
        scores = form.scores(self.values, len(self.values))
        plain = Output(self.name, self.source, form, tuple(scores.shape[1:]))
        output = self._of_kind(plain, scores, labels, kind)
        return labeled(self.network, output, labels)

    def _of_kind(
        self, plain: Output, scores: Tensor, labels: Sequence[str] | None, kind: OutputKind | None
    ) -> Output:
        """The output with its kind, and how its probabilities come about."""
        one, many = plain.shape[:1] == (1,), len(plain.shape) not in (1, 3)
        if kind in ("embedding", "values") or (many and kind is None):
            return replace(plain, kind=kind or "values")
        if many:
            raise ConvscopeError(
                f"{self.network} gives {plain.shape} numbers for each image, which are no class"
                " scores; wrap it in a module that gives (N, classes)"
            )
        ended = self._ended(plain, scores)
        if ended is not None:
            return ended
        if _sum_to_one(scores) and kind != "multilabel":
            text = "its output sums to 1 over the classes, so it is taken for probabilities"
            return replace(plain, kind="classes", probability="", assumed=self._says(text))
        if kind == "multilabel":
            return replace(plain, kind=kind, probability="sigmoid")
        if labels is None and kind is None and _unit_length(scores):
            return replace(plain, kind="embedding")
        if one:
            return self._one_number(plain, labels, kind)
        if labels is None and kind is None and len(plain.shape) == 3:
            return self._unlabeled_map(plain)
        return replace(plain, kind="classes", probability="softmax")

    def _ended(self, plain: Output, scores: Tensor) -> Output | None:
        """The output of a module that ends in a softmax or a sigmoid."""
        if self.ending is None:
            return None
        name, call, one = self.ending.name, self.ending.number, plain.shape[0] == 1
        function = _PROBABILITY[name]
        kind = "binary" if one else "classes" if function == "softmax" else "multilabel"
        before = plain.form.scores(in_full(self.ending.before), len(self.values))
        low = torch.finfo(self.ending.before.dtype).bits < 32
        if not self.ending.whole:  # some of the classes
            kind = "classes" if _sum_to_one(scores) else kind
            as_they_are = replace(plain, kind=kind, probability="")
            return as_they_are if name == function else None
        if function == "softmax" and (one or not _same(APPLY[name](before), scores, low)):
            text = "it ends in a softmax that is not over its classes, so it gives no probabilities"
            text = "it ends in a softmax of one number, which is always 1" if one else text
            return replace(plain, assumed=self._says(text))
        return replace(plain, kind=kind, probability=function, ending=name, call=call)

    def _one_number(
        self, plain: Output, labels: Sequence[str] | None, kind: OutputKind | None
    ) -> Output:
        if self.activated == "Hardsigmoid":
            return replace(plain, kind="binary", probability="")
        if labels is not None and self.activated:
            text = f"its one number comes from {self.activated}, so it is no logit"
            return replace(plain, assumed=self._says(text))
        if labels is None and kind is None:
            text = (
                "its one number for each image is read as a value; if it is the logit of a class,"
                ' say so with labels=["..."]'
            )
            return replace(plain, kind="values", assumed=self._says(text))
        text = "its one number is taken for a logit, whose sigmoid is the probability"
        return replace(plain, kind="binary", probability="sigmoid", assumed=self._says(text))

    def _unlabeled_map(self, plain: Output) -> Output:
        """Scores at each place, or feature maps, which often end in an activation."""
        if self.activated:
            text = "its maps end in an activation, so they are read as features and not as scores"
            return replace(plain, assumed=self._says(text))
        text = f"its {plain.shape[0]} maps are read as scores of as many classes at each place"
        return replace(plain, kind="classes", probability="softmax", assumed=self._says(text))

    def _says(self, text: str) -> str:
        return f"{self.name.replace('=', ': ')}{text}"


def labeled(network: str, output: Output, labels: Sequence[str] | None) -> Output:
    """The output with its labels."""
    if labels is None:
        return output
    why = f"; {output.assumed}" if output.assumed else ""
    if output.num_classes is None:
        raise ConvscopeError(
            f"{network} gives no class scores (N, classes): leave out the labels{why}"
        )
    if output.kind == "binary" and len(labels) == 2:
        shape = (2, *output.shape[1:])
        form = replace(output.form, opposite=0.0 if output.probability else 1.0)
        output = replace(output, form=form, shape=shape)
    if len(labels) != output.num_classes:
        raise ConvscopeError(
            f"{len(labels)} labels for {output.num_classes} classes of {network}; give one"
            " label for each class"
        )
    synonyms = tuple(tuple(name.strip() for name in label.split(",")) for label in labels)
    return replace(output, synonyms=synonyms, assumed=output.assumed or _numbers(synonyms))


def _numbers(synonyms: Sequence[Sequence[str]]) -> str:
    """What a text means where labels are numbers, but not those of their classes."""
    for index, (label, *_) in enumerate(synonyms):
        if label.isdecimal() and index != int(label) < len(synonyms):
            other = synonyms[int(label)][0]
            return (
                f"labels are numbers: the text {label!r} is the class with that label, number"
                f" {index}; the integer {label}, as a text {CLASS_NUMBER}{label}, is the class"
                f" labeled {other!r}"
            )
    return ""


def _same(ours: Tensor, theirs: Tensor, low_precision: bool) -> bool:
    tolerance = 1e-2 if low_precision else 1e-5
    theirs = theirs.to(ours.dtype)
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-4, atol=tolerance)


def _sum_to_one(scores: Tensor) -> bool:
    """Whether scores are probabilities of classes that exclude one another."""
    low, high = scores.aminmax()
    if scores.shape[1] < 2 or low < 0 or high > 1 + 1e-4:
        return False
    return bool((scores.sum(1) - 1).abs().max() < 1e-3)


def _unit_length(scores: Tensor) -> bool:
    if scores.dim() != 2 or scores.shape[1] < 2:
        return False
    return bool((scores.norm(dim=1) - 1).abs().max() < 1e-3)
