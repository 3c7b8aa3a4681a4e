"""What the numbers of an output mean: how they lie, and how they become probabilities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.heads.detections import by_class, packed
from convscope.network.heads.endings import APPLY, Endings
from convscope.network.nested import in_full
from convscope.types import Prediction, Target

_LOGARITHM = {"softmax": "log_softmax", "sigmoid": "logsigmoid"}


@dataclass(frozen=True)
class Form:
    """How an output lies in what the module gives, without the batch.

    Attributes:
        raw: its shape.
        tokens: whether it is (tokens, classes), which counts as a map of one column.
        opposite: the sum of two classes' scores, where one number stands for both and is the
            score of the second; None for all other outputs.
    """

    raw: tuple[int, ...]
    tokens: bool = False
    opposite: float | None = None

    def scores(self, values: Tensor, count: int) -> Tensor:
        """The scores of `count` images: (N, classes), (N, classes, rows, columns) or as they are.

        Raises:
            ConvscopeError: there is no row for each image.
        """
        values = self._rows(values, count)
        if self.tokens:
            return values.transpose(1, 2)[..., None]
        if not self.raw:
            values = values[:, None]
        elif len(self.raw) > 1 and all(side == 1 for side in self.raw[:-1]):
            values = values.flatten(1)
        elif all(side == 1 for side in self.raw[1:]):
            # At another size of the image, a network without a dense layer has several positions.
            values = values.flatten(2).mean(2) if values.dim() > 2 else values
        if self.opposite is None:
            return values
        return torch.cat([self.opposite - values, values], 1)

    def _rows(self, values: Tensor, count: int) -> Tensor:
        if values.dim() == len(self.raw) + 1 and len(values) == count:
            return values
        if values.numel() == count * math.prod(self.raw):  # `squeeze` drops a batch of one
            return values.reshape(count, *self.raw)
        raise ConvscopeError(
            f"the output has the shape {tuple(values.shape)} for {count} images: the module should"
            " give a row for each image"
        )


@dataclass(frozen=True)
class Output:
    """An output of a network, and what its numbers mean.

    Its scores are what lies before the softmax or sigmoid that the module ends in, if it does.

    Attributes:
        name: "" for the main output, "HEAD=" for another one.
        source: its name in what the module returns.
        form: how it lies there.
        shape: of the scores of an image.
        kind: "classes" (one of them is right), "multilabel" (each by itself), "binary" (one number
            tells two classes apart), "boxes" (of a detector), "embedding" or "values".
        probability: the function that turns scores into probabilities, "softmax" or "sigmoid"; ""
            where scores are probabilities; None where there are no classes.
        ending: the activation at the end of the module, which scores do not contain; "" for none.
        call: its number among the calls of such activations.
        assumed: what is assumed about the output because nothing tells it; "" for nothing.
        synonyms: all names of each class; empty if none were given.
        boxes: of a detector, the name of its boxes in what the module returns.
    """

    name: str
    source: str
    form: Form
    shape: tuple[int, ...]
    kind: str = "values"
    probability: str | None = None
    ending: str = ""
    call: int | None = None
    assumed: str = ""
    synonyms: tuple[tuple[str, ...], ...] = ()
    boxes: str = ""

    def read(self, tensors: Mapping[str, Tensor], endings: Endings, count: int) -> Tensor:
        """The scores of `count` images; of a detector with its boxes, see `detections.packed`.

        Args:
            tensors: what the module returned.
            endings: the activations that these come from.
            count: the number of images.

        Raises:
            ConvscopeError: the module returned something else than when it was traced.
        """
        missing = [name for name in (self.source, self.boxes or self.source) if name not in tensors]
        if missing:
            raise ConvscopeError(f"the module gives no output {missing[0]!r} for these images")
        values = tensors[self.source]
        ending = endings.of(values) if self.call is not None else None
        scores = self.form.scores(in_full(values if ending is None else ending.before), count)
        return packed(scores, in_full(tensors[self.boxes])) if self.boxes else scores

    @property
    def num_classes(self) -> int | None:
        """The number of classes; None if there are no class scores."""
        return None if self.probability is None else self.shape[0]

    @property
    def width(self) -> int:
        """How many numbers the module gives for an image, or for each place of a map."""
        raw = self.form.raw
        return math.prod(raw) if len(self.shape) < 2 else raw[1 if self.form.tokens else 0]

    @property
    def is_map(self) -> bool:
        """Whether there are class scores at each place of a map (classes, rows, columns)."""
        return self.probability is not None and len(self.shape) == 3

    @property
    def largest_is_top(self) -> bool:
        """Whether the largest score of all is that of the top class."""
        return not self.is_map and not self.boxes

    @property
    def has_rivals(self) -> bool:
        """Whether the scores of other classes say something else than the score of a class."""
        return self.kind in ("classes", "multilabel", "boxes") and self.shape[0] > 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The first name of each class; empty if none were given."""
        return tuple(names[0] for names in self.synonyms)

    @property
    def description(self) -> str:
        """What the output is, in a few words."""
        count = f"{self.shape[0]} score{'s' * (self.shape[0] != 1)}" if self.shape else "no scores"
        if self.boxes:
            return f"the best of {self.shape[1]} boxes for each of {self.shape[0]} classes"
        scores = f"{count} for {'each place of a map' if self.is_map else 'each image'}"
        if self.probability is None:
            return f"{'an ' * (self.kind == 'embedding')}{self.kind} of shape {self.shape}"
        return f"{self.probability} of {scores}" if self.probability else f"{scores}, as they are"

    def label(self, index: int) -> str:
        """The name of a class; "class 281" where there are no labels."""
        plain = str(index) if self.name else f"class {index}"
        return self.name + (self.synonyms[index][0] if self.synonyms else plain)

    def probabilities(self, scores: Tensor) -> Tensor:
        """The probability of each class, in the shape of the scores.

        Raises:
            ConvscopeError: the output has no classes.
        """
        if self.probability is None:
            raise ConvscopeError(f"only classes have a probability; the output is {self.kind}")
        return APPLY[self.probability](scores) if self.probability else scores

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The logarithm of the probability of each class, in the shape of the scores."""
        if self.probability:
            return APPLY[_LOGARITHM[self.probability]](scores)
        return self.probabilities(scores).clamp_min(torch.finfo(scores.dtype).tiny).log()

    def ranking(self, scores: Tensor) -> Tensor:
        """What orders the classes (N, classes): probabilities; of a map, fractions of its places.

        A class counts at a place where it is the top class; where each class is right or wrong by
        itself, if it is more probable than not.
        """
        found = self.probabilities(by_class(scores) if self.boxes else scores)
        return self.places(scores).flatten(2).mean(2) if self.is_map else found

    def places(self, scores: Tensor) -> Tensor:
        """Where each class counts in a map: 1 there and 0 elsewhere, in the shape of the scores."""
        if self.kind != "classes":
            return (self.probabilities(scores) > 0.5).to(scores)
        return torch.zeros_like(scores).scatter(1, scores.argmax(1, keepdim=True), 1.0)

    def predictions(self, scores: Tensor, top: int) -> list[Prediction]:
        """The `top` classes of one image, from its scores."""
        found = self.ranking(scores[None])[0]
        # Of a sure network, rounding makes several probabilities equal.
        order = scores if self.largest_is_top else found
        indices = order.argsort(descending=True, stable=True)[:top].tolist()
        return [Prediction(self.label(i), float(found[i]), i) for i in indices]

    def prediction(self, scores: Tensor) -> str:
        """What is predicted for an image with these scores: "not tumor" if that is improbable."""
        first = self.predictions(scores, 1)[0]
        return self.named(first.index, first.probability)

    def named(self, index: int, probability: float) -> str:
        """The name of a prediction; of a lone class, "not" it where it is improbable."""
        alone = self.num_classes == 1 and not self.is_map
        return f"{'not ' * (alone and probability < 0.5)}{self.label(index)}"

    def top(self, scores: Tensor) -> Tensor:
        """The number of the top class of each image (N,)."""
        return (scores if self.largest_is_top else self.ranking(scores)).argmax(1)


class Outputs(Mapping[str, Output]):
    """The outputs of a network by name: "" is the main one, "HEAD=" one of several.

    Attributes:
        network: the network's name, for messages.
        hint: what to do where there are none.
    """

    def __init__(self, network: str, outputs: Mapping[str, Output], hint: str = "") -> None:
        self.network, self.hint, self._outputs = network, hint, dict(outputs)

    def __getitem__(self, name: str) -> Output:
        return self._outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the main output; None if there are no class scores."""
        return self[""].num_classes if "" in self else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The first name of each class of the main output."""
        return self[""].labels if "" in self else ()

    @property
    def assumed(self) -> list[str]:
        """What is assumed about the main output or, where there is none, about all."""
        found = [self[""]] if "" in self else self.values()
        return [output.assumed for output in found if output.assumed]

    def named(self, name: str = "") -> Output:
        """The output of that name.

        Raises:
            ConvscopeError: there is none; the message says what there is.
        """
        if name in self:
            return self[name]
        heads = [one.removesuffix("=") for one in self]
        if not heads:
            raise ConvscopeError(
                f"the output of {self.network} is no tensor with a row for each image, so it gives"
                f" no class scores; {self.hint or 'name a layer (convscope layers)'}"
            )
        raise ConvscopeError(
            f"{self.network} gives no class scores alone but several outputs ({', '.join(heads)}):"
            f" choose one as in Network(..., head={heads[0]!r}), name a class of one as in"
            f" {heads[0]}=0, or name a layer"
        )

    def classes(self, name: str = "") -> Output:
        """The output of that name, which has class scores.

        Raises:
            ConvscopeError: it has none; the message says what it is instead.
        """
        output = self.named(name)
        if output.num_classes is None:
            why = output.assumed or f"the output is {output.description}"
            raise ConvscopeError(
                f"{self.network} gives no class scores (N, classes); name a layer or a channel"
                f" instead ({why})"
            )
        return output

    def of(self, target: Target) -> Output:
        """The output that a class is of.

        Raises:
            ConvscopeError: the target is no class.
        """
        if not target.is_class:
            raise ConvscopeError(f"{target} is not a class; climb its activation")
        return self[target.layer]
