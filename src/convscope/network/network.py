"""A network whose inside can be read: a frozen copy of any module, with names for its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.network.flow import Flow
from convscope.network.heads.output_kinds import Declared, Labels, OutputKind, outputs_of
from convscope.network.heads.outputs import Output
from convscope.network.layers import describe, stages, without_scores
from convscope.network.names import Names
from convscope.network.prepared.devices import as_device
from convscope.network.prepared.digests import digest
from convscope.network.prepared.pickling import pickled, unpickled
from convscope.network.prepared.preparing import prepare, usual_default
from convscope.network.prepared.unwrapping import need_readable, unwrapped
from convscope.network.preprocessing import Normalization, Preprocessing, as_size
from convscope.network.randomizing import randomized_copy
from convscope.network.reading import Reader, deterministic, first_not_finite
from convscope.network.sizes import Sizes
from convscope.network.tables import facts, listed
from convscope.network.targets import as_target
from convscope.system import usual_torch
from convscope.types import Box, Layer, Prediction, Target, TargetLike


class Network:
    """Any PyTorch image network, ready to be looked into.

    A network works on a prepared copy of the module (eval mode, frozen, Conv+BatchNorm folded,
    channels_last). The module itself is never changed.

    Images are RGB float tensors (N, 3, H, W) in [0, 1], of any size. The network does its own
    resizing, cropping and normalization. Layers have their names from `module.named_modules()`, and
    `NAME.pre` is what goes into the activation at the end of layer NAME. "" is the output: of a
    module that ends in a softmax or a sigmoid, the scores before it. Where a module returns several
    tensors, "HEAD=" is the one called HEAD.

    Args:
        module: takes a normalized batch (N, C, H, W), where C is the length of `mean` (3, or 1 for
            a gray network).
        mean, std: of each channel, for images in [0, 1]; a sequence, a tensor or an array.
        input_size: rows and columns that the network was trained on; one number for a square.
        labels: one for each class, in order, or a dict from class numbers to labels; for several
            outputs, a dict of these. A class with the label "tabby, tabby cat" is shown as "tabby"
            and can be found by either name.
        crop: fraction of the photograph's shorter side that is kept (0.875 is usual for ImageNet).
        interpolation: "bicubic" or "bilinear", both antialiased.
        name: the network's name in pictures and messages; the name of the module's class if not
            given.
        device: where the network runs; the module's own device if not given.
        head: the main output, by its name or number, of a module that returns several tensors.
        output: what the output is, where nothing tells it: "classes" (one of them is right),
            "multilabel" (each is right or wrong by itself), "embedding" or "values".

    Attributes:
        layers: a `Layer` for every named module that runs, except identities and dropout.
        outputs: an `Output` for every tensor of the output, by name; "" is the main one.
        num_classes: number of classes; None if the main output holds no class scores.
        labels: the first name of each class; empty if there are none.
        preprocessing: how images are resized and cropped, as a value that can be pickled.
        layouts: how the values of each layer lie.
        sizes: which other image sizes the network takes.
        device: where the network runs.
        dtype: the precision that it runs in.
        source: how `load` made the network; None for a module of your own.
        loading_notes: what `load` assumed, or left out of a checkpoint.

    Raises:
        ConvscopeError: the module does not run on such images, or its weights are not finite.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float] | Tensor,
        std: Sequence[float] | Tensor,
        input_size: int | tuple[int, int],
        labels: Labels | None = None,
        crop: float = 1.0,
        interpolation: str = "bicubic",
        name: str | None = None,
        device: str | torch.device | None = None,
        head: str | int | None = None,
        output: OutputKind | None = None,
    ) -> None:
        module = unwrapped(need_readable(module))
        with usual_torch(gradients=True, dtype=usual_default(module)):
            normalization = Normalization(mean, std)
            self.name = name or type(module).__name__
            self.mean, self.std = normalization.mean, normalization.std
            self.input_size, self.crop = as_size(input_size), crop
            self.interpolation = interpolation
            self.preprocessing = Preprocessing(
                self.name, len(self.mean), self.input_size, crop, interpolation
            )
            self.source: Mapping[str, object] | None = None
            self.loading_notes: tuple[str, ...] = ()
            self.device = as_device(device, module)

            generator = torch.Generator().manual_seed(0)
            examples = torch.rand(2, len(self.mean), *self.input_size, generator=generator)
            examples[1] **= 3  # much darker than the first
            self._prepared = prepare(module, normalization(examples.double()), self.device)
            self.dtype = self._prepared.dtype
            self._normalization = normalization.to(self.device, self.dtype)
            traced = self._prepared.trace
            layers = describe(self._prepared.plain, traced)
            self._declared = Declared(labels, head, output)
            self.outputs = outputs_of(self.name, traced, self._declared)
            self._names = Names(traced, layers, self.outputs)
            self._reader = Reader(self._prepared, self._names, self.preprocessing)
            self.layouts, self.sizes = self._reader.arranger, Sizes(self._reader, self.device)
            self.num_classes, self.labels = self.outputs.num_classes, self.outputs.labels
            self.layers: tuple[Layer, ...] = listed(self._names.listed.values())

    def __repr__(self) -> str:
        size = "x".join(map(str, self.input_size))
        return f"<Network {self.name}: {size} px, {len(self.layers)} layers, on {self.device}>"

    def _repr_html_(self) -> str:
        words = repr(self).strip("<>").removeprefix("Network ")
        return facts(self.outputs, self.notes, network=words, parameters=f"{self.num_parameters:,}")

    # -------------------------------------------------------------- the module

    @property
    def notes(self) -> tuple[str, ...]:
        """Optimizations that were skipped, each with its reason, and what was assumed."""
        return (*self._prepared.notes, *self.outputs.assumed, *self.loading_notes)

    @property
    def activation_names(self) -> tuple[str, ...]:
        """The activation functions in a forward pass, each once."""
        return tuple(dict.fromkeys(self._prepared.trace.activations))

    @property
    def num_parameters(self) -> int:
        """The number of learned parameters, each number counted."""
        return sum(p.numel() for p in self._prepared.plain.parameters())

    @property
    def stages(self) -> tuple[Layer, ...]:
        """The last layer at each resolution, from the largest feature maps to the smallest."""
        return stages(without_scores(self.layers, self.outputs.get("")), self._names.layers)

    def parameter(self, layer: str, name: str = "weight") -> Tensor:
        """A parameter of a layer as in the user's module, before folding.

        Raises:
            ConvscopeError: there is no such layer, or it has no such parameter.
        """
        found = getattr(self._prepared.plain.get_submodule(self.layer(layer).name), name, None)
        if not isinstance(found, Tensor):
            raise ConvscopeError(f"layer {layer!r} ({self.layer(layer).type}) has no {name}")
        return found.detach()

    def randomized(self, fraction: float = 1.0, seed: int = 0) -> Network:
        """A copy with random weights in a fraction of its layers, from the output down.

        This is the test of Adebayo et al. 2018; 0 means only the last layer. Weights are drawn as
        before training (He et al. 2015), and normalizations do nothing.
        """
        module = randomized_copy(self.module, list(self._prepared.trace.last()), fraction, seed)
        name = f"{self.name} with random weights"
        return Network(module, **{**self.settings, "name": name})

    @property
    def digest(self) -> str:
        """SHA-256 of all that the output depends on (modules, weights and preprocessing)."""
        preprocessing = replace(self.preprocessing, name="")
        return digest(self._prepared.plain, f"{self.mean} {self.std} {preprocessing}")

    def to(self, device: str | torch.device) -> Network:
        """The same network on another device; this network itself if it runs there already."""
        if torch.device(device) == self.device:
            return self
        net = Network(self.module, **{**self.settings, "device": device})
        net.source, net.loading_notes = self.source, self.loading_notes
        return net

    @property
    def module(self) -> nn.Module:
        """The module, prepared but not folded; change nothing in it."""
        return self._prepared.plain

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that make this network, without the module."""
        return {
            "mean": self.mean,
            "std": self.std,
            "input_size": self.input_size,
            "labels": self._declared.labels,
            "crop": self.crop,
            "interpolation": self.interpolation,
            "name": self.name,
            "device": self.device,
            "head": self._declared.head,
            "output": self._declared.kind,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the module, on the CPU. It is prepared again when it is loaded."""
        settings = {**self.settings, "device": "cpu"}
        loaded = {"source": self.source, "loading_notes": self.loading_notes}
        return unpickled, (Network, *pickled(self.module), settings, loaded)

    # ------------------------------------------------------------------ images

    @usual_torch()
    def preprocess(self, image: Tensor) -> Tensor:
        """Turn an image into the network's input: resized, center-cropped, still RGB in [0, 1].

        (N, C, H, W) of any size becomes `(N, C, *input_size)`, differentiably. An image that has
        the network's input size already is returned unchanged.

        Raises:
            ConvscopeError: the image is no float tensor (N, 3, H, W), or far too narrow.
        """
        return self.preprocessing(self.as_input(image))

    def box(self, image: Tensor) -> Box:
        """The part of an image, in its own pixels, that `preprocess` keeps."""
        return self.preprocessing.box(image)

    def as_input(self, image: Tensor) -> Tensor:
        """Convert an image to the network's channels, device and precision, without resizing it.

        Raises:
            ConvscopeError: the image is no float tensor (N, 3, H, W), or has other channels.
        """
        image = self.preprocessing.in_channels(image).to(self.device, self.dtype)
        return image.clone() if image.is_inference() else image

    # ----------------------------------------------------------------- reading

    def predict(self, image: Tensor, top: int = 5) -> list[Prediction]:
        """The `top` most probable classes of one image (1, 3, H, W), most probable first.

        Raises:
            ConvscopeError: there are several images, or the network gives no class scores.
        """
        if len(image) != 1:
            raise ConvscopeError(f"predict takes one image, not {len(image)}; logits takes a batch")
        return self.name_classes(self.logits(image)[0], top)

    def logits(self, images: Tensor) -> Tensor:
        """Class scores before the softmax or sigmoid, (N, classes); a map has rows and columns."""
        self.outputs.classes()
        return self.read(images, {""})[""]

    def probabilities(self, images: Tensor) -> Tensor:
        """The probability of each class, in the shape of `logits`."""
        return self.outputs.classes().probabilities(self.logits(images))

    def name_classes(self, logits: Tensor, top: int = 5) -> list[Prediction]:
        """The `top` classes in one image's logits, with their probabilities.

        For a map of class scores the probability of a class is its fraction of the map.
        """
        return self.outputs.classes().predictions(logits.detach(), top)

    def read(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """The outputs of layers for images of any size, equal to those in the user's module.

        The network runs no deeper than it must.

        Args:
            image: (N, 3, H, W) in [0, 1]; it is preprocessed first.
            layers: names of layers, NAME.pre, or "" for the output.

        Returns:
            A tensor (N, ...) for each name.

        Raises:
            ConvscopeError: there is no such layer, or a value is NaN or infinite.
        """
        with torch.no_grad():
            values = self.activations(self.preprocess(image), layers)
        for name, value in values.items():
            if not value.isfinite().all():
                raise ConvscopeError(
                    f"{name or 'the output'} is not finite;"
                    f" {self.first_not_finite(self.preprocess(image))}"
                )
        return values

    @usual_torch()
    def activations(
        self, image: Tensor, layers: Collection[str], *, leaves: bool = False
    ) -> dict[str, Tensor]:
        """Like `read`, without preprocessing, and differentiable with respect to the image.

        Args:
            image: (N, 3, H, W) in [0, 1], at its own size.
            layers: names of layers, NAME.pre, or "" for the output.
            leaves: whether gradients begin at the first of the layers, which saves memory.
        """
        return self.sizes.read(self._normalization(self.as_input(image)), layers, leaves)

    def by_channel(self, name: str, values: Tensor) -> Tensor:
        """Values or gradients of a layer in the usual order of dimensions, whatever their own.

        Channels may come last, tokens lie in their grid, windows are put back in their places.

        Args:
            name: a layer, NAME.pre, or "" for the output.
            values: as `read` and `activations` give them.

        Returns:
            (N, C, rows, columns), or (N, C) where the values have no positions. Slices of volumes,
            and positions in an order that is not known, are a dimension before the rows.

        Raises:
            ConvscopeError: the order of the values is not known.
        """
        return values if name in self.outputs else self.layouts.by_channel(name, values)

    def feature_maps(self, name: str, values: Tensor) -> Tensor:
        """Like `by_channel`, for maps that can be laid over the image: (N, C, rows, columns).

        Slices of volumes are averaged.

        Raises:
            ConvscopeError: the layer has no feature maps, or they cover only a part of the image.
        """
        if name in self.outputs and self.outputs[name].is_map:
            return values
        return self.layouts.feature_maps(name, values)

    def numerics(self) -> AbstractContextManager[None]:
        """A context with full float32 and the same result every time, on a GPU too."""
        return deterministic(self.device)

    def first_not_finite(self, image: Tensor) -> str:
        """Say which layer first gives a NaN or an infinity, for an image at its own size."""
        if not image.isfinite().all():
            return "the image itself holds NaN or infinity"
        return first_not_finite(self._reader.order, partial(self.activations, image))

    # ------------------------------------------------------------------- names

    def layer(self, name: str) -> Layer:
        """The layer of that name, without `.pre`.

        Raises:
            ConvscopeError: there is no such layer; the message gives similar names.
        """
        return self._names.layer(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a layer's output, NAME.pre or "" (the output), without the batch."""
        return self._names.shape(name)

    def channel_shape(self, name: str) -> tuple[int, ...]:
        """The shape of one image's values as `by_channel` gives them: (C, rows, columns) or (C,).

        Raises:
            ConvscopeError: there is no such layer, or the order of its values is not known.
        """
        return self._names.channel_shape(name)

    @property
    def flow(self) -> Flow:
        """Which layer feeds which, and where branches meet."""
        return self._names.flow

    def layers_below(self, name: str) -> list[Layer]:
        """The layers that a layer, NAME.pre or "" (the output) is computed from, in order."""
        return self._names.below(name)

    @property
    def output(self) -> Output:
        """What the main output is; a ConvscopeError if there is none."""
        return self.outputs.named()

    def label(self, index: int) -> str:
        """The label of a class; "class 281" where the network has no labels."""
        return self.outputs.classes().label(index)

    def target(self, target: TargetLike) -> Target:
        """What a name stands for: "tabby" or 281, "blocks.4", "blocks.4:12", "blocks.4:12@7,7".

        A place of a map of class scores is "tabby@7,7", a region of it "tabby@2,3,5,6" (top, left,
        bottom, right), and a class of one of several outputs "HEAD=tabby".

        Raises:
            ConvscopeError: nothing has that name; the message gives similar names.
        """
        return as_target(self._names, target)
