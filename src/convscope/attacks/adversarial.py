"""What an attack made of photographs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from convscope.vocabulary.norms import NORMS, NormName


@dataclass(frozen=True)
class Adversarial:
    """What an attack made of N photographs. Where it failed, `success` is False, and the images
    are the best attempt.

    Attributes:
        photograph: (N, 3, H, W), what the attack was given.
        inputs: (N, C, h, w), what the network sees of it.
        raw: (N, C, h, w), the attacked input in [0, 1].
        saved: (N, 3, H, W), the photograph with the change carried back, in whole 255ths.
        labels: (N,), the class of each photograph.
        targets: (N,), the class to reach; None where any other class will do.
        logits: (N, classes), of the photograph.
        raw_logits: of the attacked input.
        saved_logits: of the saved photograph.
        success: (N,), whether the attacked input fools the network.
        saved_success: (N,), whether the saved photograph does.
        gradients: (N,), forward and backward passes that each image took.
        notes: what is wrong with the network or the attack; a sentence each.
    """

    photograph: Tensor
    inputs: Tensor
    raw: Tensor
    saved: Tensor
    labels: Tensor
    targets: Tensor | None
    logits: Tensor
    raw_logits: Tensor
    saved_logits: Tensor
    success: Tensor
    saved_success: Tensor
    gradients: Tensor
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> Tensor:
        """The change of the network's input, (N, C, h, w)."""
        return self.raw - self.inputs

    @property
    def saved_change(self) -> Tensor:
        """The change of the photograph, (N, 3, H, W)."""
        return self.saved - self.photograph

    def size(self, norm: NormName) -> Tensor:
        """How large each change of the network's input is, (N,)."""
        return NORMS[norm].size(self.change).flatten()

    def saved_size(self, norm: NormName) -> Tensor:
        """How large each change of the photograph is, (N,)."""
        return NORMS[norm].size(self.saved_change).flatten()
