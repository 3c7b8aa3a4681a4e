"""`Microscope`: a network and its index, and everything that can be asked of the two."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from convscope.collection import bin_edges, index_of
from convscope.errors import ConvscopeError
from convscope.microscope import answers, patches, photographs
from convscope.microscope.confusing import confusions
from convscope.microscope.drawing import embedded
from convscope.microscope.facts import (
    ClassMap,
    Confused,
    Connections,
    LayerFacts,
    LayerName,
    Patch,
    Photograph,
    Strong,
    Unit,
    UnitImage,
    UnitValue,
)
from convscope.microscope.images import Images
from convscope.microscope.kept import Kept
from convscope.microscope.links import Links
from convscope.microscope.means import mean_embeddings
from convscope.microscope.patches import Show
from convscope.microscope.similar import Similar, across
from convscope.network import Network
from convscope.types import Array

NEAREST = 12  # similar units that are told

LEVELS = 8  # photographs across the range of a unit's peaks

LONGEST = 10_000  # characters of a note


class Microscope:
    """A network and its index, and everything that can be asked of the two.

    Layers are those that the index collected, under their names there ("blocks.4.pre"); the name
    without `.pre` works as well.

    Args:
        net: the network that made the index.
        index: the index, or the folder of it, as `convscope index FOLDER -o INDEX` makes it.

    Raises:
        ConvscopeError: there is no such index, it has no images, or another network made it.
    """

    def __init__(self, net: Network, index: str | os.PathLike[str]) -> None:
        self.net, self.index = net, index_of(net, index)

    @cached_property
    def layers(self) -> tuple[LayerName, ...]:
        """The layers of the index, in the order of the network."""
        found = []
        for name in self.index.channels:
            shape = self.net.channel_shape(name)
            size = (shape[-2], shape[-1]) if len(shape) == 3 else (1, 1)
            found.append(LayerName(name, shape[0], size))
        return tuple(found)

    def layer(self, name: str) -> LayerFacts:
        """What the channels of a layer do, one number a channel.

        Raises:
            ConvscopeError: the index does not have the layer.
        """
        known = self._layer(name)
        found = self.index.channels[known.name]
        pushed, push = self._links.pushed(known.name, known.channels)
        return LayerFacts(
            name=known.name,
            size=known.size,
            high=found.high,
            low=found.low,
            mean=found.mean,
            sparsity=found.sparsity,
            silent=found.silent,
            constant=found.constant,
            dead=patches.dead_channels(self.net, self.index, known.name),
            strongest=found.top.rows[:, 0],
            pushed=pushed,
            push=push,
        )

    def unit(self, layer: str, channel: int) -> Unit:
        """What a unit does over all photographs of the index.

        Raises:
            ConvscopeError: the index does not have the layer, or the layer not the channel.
        """
        name = self._unit(layer, channel)
        found = self.index.channels[name]
        top, bottom = patches.extremes(self.net, self.index, name, channel)
        return Unit(
            layer=name,
            channel=channel,
            high=float(found.high[channel]),
            low=float(found.low[channel]),
            mean=float(found.mean[channel]),
            sparsity=float(found.sparsity[channel]),
            silent=bool(found.silent[channel]),
            constant=bool(found.constant[channel]),
            dead=bool(patches.dead_channels(self.net, self.index, name)[channel]),
            edges=bin_edges(),
            counts=found.histogram[channel],
            top=top,
            bottom=bottom,
            across=self._across(name, channel),
            similar=self._similar.to(name, channel, NEAREST) if self._similar else (),
            missing=self.index.missing,
            note=self.note(name, channel),
        )

    def pushing(self, number: int) -> tuple[UnitValue, ...]:
        """All units of the embedding, with what the class of that number gains when each rises.

        The unit that pushes the class up most is the first one. The number is what the score gains
        when the channel rises by one everywhere.

        Raises:
            ConvscopeError: no such class, or the scores are not linear in the embedding.
        """
        layer, head = self._layer(self.index.settings.embedding).name, self._links.head
        if head is None:
            raise ConvscopeError(
                f"the scores of {self.net.name} are not linear in {layer}, so what its units push"
                " depends on the photograph; ask a photograph which units decided"
            )
        if not 0 <= number < len(head.weights):
            raise ConvscopeError(
                f"{self.net.name} has classes 0 to {len(head.weights) - 1}, and no {number}"
            )
        weights = head.weights[number]
        order = np.argsort(-weights, kind="stable").tolist()
        return tuple(UnitValue(layer, channel, float(weights[channel])) for channel in order)

    def connections(self, layer: str, channel: int) -> Connections:
        """What feeds a unit, what it feeds, and the classes that it pushes up and down.

        It takes a moment where it has not been asked for before; then it is kept in the index.

        Raises:
            ConvscopeError: no such unit, a photograph is gone, or torch has no gradients of the
                gradients of a part of the network.
        """
        name = self._unit(layer, channel)
        return self._links.of(name, channel)

    def connected(self, layer: str) -> Array:
        """Which units of a layer have connections that are kept already: (C,) bool."""
        known = self._layer(layer)
        return self._links.has(known.name, known.channels)

    def image(self, layer: str, channel: int, number: int = 0) -> UnitImage:
        """An image of a unit: `images` of one.

        Raises:
            ConvscopeError: no such unit or number, or the network has no gradients.
        """
        return self.images([(layer, channel)], number)[0]

    def images(self, units: Sequence[tuple[str, int]], number: int = 0) -> list[UnitImage]:
        """An image of each unit. Those that are not kept in the index yet are drawn and kept.

        Channels are drawn in batches of 16, from 0, 16, 32 on, so those of one batch take little
        more time than one. A dead unit gets an image, too, which shows nothing.

        Args:
            units: layers and channels.
            number: 0 for the image that excites the unit most; 1 to 3 for further ones, which show
                different things that excite it. The three are drawn together.

        Raises:
            ConvscopeError: no such unit or number, or the network has no gradients.
        """
        found: dict[tuple[str, int], UnitImage] = {}
        names = [(self._unit(*unit), unit[1]) for unit in units]
        for layer in dict.fromkeys(name for name, _ in names):
            channels = [channel for name, channel in names if name == layer]
            made = self._images.of(layer, channels, self._layer(layer).channels, number)
            found |= {(layer, one.channel): one for one in made}
        return [found[name] for name in names]

    def drawn(self, layer: str, number: int = 0) -> Array:
        """Which units of a layer have such an image already: (C,) bool."""
        known = self._layer(layer)
        return self._images.has(known.name, known.channels, number)

    def pictures(self, found: Sequence[Patch], show: Show = "field") -> list[Array]:
        """A picture of each patch: (h, w, 3) uint8, at most 192 pixels a side.

        Args:
            found: patches of any units; each photograph is opened once.
            show: "field" shows what the unit sees, "mask" the part where its channel is active,
                with the rest darkened, "whole" all that the network sees; "deconvnet",
                "guided" (backpropagation) and "saliency" show what in the patch excites the unit.

        Raises:
            ConvscopeError: a photograph is gone, a mask is asked for where there are no maps, or
                the network has no gradients, or no activations that a rule changes.
        """
        return patches.pictures(self.net, self.index, found, show)

    def masks(self, found: Sequence[Patch]) -> list[Array]:
        """Where the unit of each patch is active around its position: (rows, columns) bool.

        The values are those of the layer's map; the network reads each photograph once.

        Raises:
            ConvscopeError: a photograph is gone, or a layer has no maps.
        """
        return patches.masks(self.net, self.index, found)

    def photograph(self, row: int) -> Photograph:
        """What the network makes of a photograph of the index.

        Raises:
            ConvscopeError: there is no such row, or the photograph is gone or has changed.
        """
        photo = self._photo(row)
        answer = answers.answers(self.net, self.index, photo)
        return photographs.photograph(self.net, self.index, row, photo, answer)

    def class_map(self, row: int, number: int) -> ClassMap:
        """Where a photograph speaks for the class of that number."""
        return photographs.class_map(self.net, self._photo(row), number)

    def responding(self, photo: Tensor) -> dict[str, Array]:
        """For each layer, what its channels reach of their highest value in the index: (C,).

        The numbers are fractions, above 1 where no photograph of the index is as strong, and NaN
        where the highest value in the index is not above zero.

        Args:
            photo: any photograph, (1, 3, H, W), as `open_image` gives it.
        """
        found = answers.answers(self.net, self.index, photo)
        return {n: answers.relative(self.index, n, one.values) for n, one in found.items()}

    def strongest(self, photo: Tensor, count: int = 9) -> dict[str, tuple[Strong, ...]]:
        """For each layer, the units that answer most to any photograph, the strongest first.

        A unit's strength is what it reaches of its own highest value in the index. The patches lie
        in this photograph; their `row` is -1.
        """
        found = answers.answers(self.net, self.index, photo)
        return answers.strongest(self.net, self.index, found, photo, -1, count)

    def like(self, layer: str, channel: int, count: int = 9) -> tuple[UnitValue, ...]:
        """Units of any layer whose images look most like this unit's, of those that have an image.

        The number is the cosine of the images' embeddings. The unit's own image is drawn if there
        is none yet.
        """
        return self._images.alike(self.image(layer, channel), count)

    def resembling(self, photo: Tensor) -> dict[str, Array]:
        """For each layer, how much its channels' images look like any photograph: (C,).

        The numbers are the cosines of the embeddings, NaN where a unit has no image yet.

        Args:
            photo: any photograph, (1, 3, H, W), as `open_image` gives it.
        """
        found = {one.name: np.full(one.channels, np.nan) for one in self.layers}
        embedding = embedded(self.net, self.net.preprocess(photo), self.index.settings.embedding)
        for (layer, channel), cosine in self._images.likeness(embedding[0]).items():
            found[layer][channel] = cosine
        return found

    def mean_embeddings(self, layer: str) -> Array:
        """The embedding that stands for each unit of a layer: (C, D) float16, kept in the index.

        It is a mean of the photographs' embeddings, each weighted by how far the unit's peak in the
        photograph is above its mean peak. Where all peaks are the same, all photographs count.

        Raises:
            ConvscopeError: the index is too old to have peaks.
        """
        return mean_embeddings(self.index, self._layer(layer).name)

    def confusions(self) -> tuple[Confused, ...]:
        """The classes that are taken for each other, the most frequent first.

        A photograph's label is the name of its folder. If at least half of the labels are classes
        of the network, those that are count; otherwise the nearest mean embedding decides.

        Raises:
            ConvscopeError: the index has fewer than two labels.
        """
        return confusions(self.net, self.index, self._links.head)

    def note(self, layer: str, channel: int) -> str:
        """The user's note on a unit; "" if there is none."""
        found = Kept(self.index.path, "notes").read(f"{self._unit(layer, channel)}:{channel}")
        return str((found or {}).get("text", ""))

    def write_note(self, layer: str, channel: int, text: str) -> None:
        """Keep a note on a unit in the index, in the place of an earlier one; "" deletes it.

        Raises:
            ConvscopeError: the note is too long, or the index cannot be written.
        """
        name = self._unit(layer, channel)
        if len(text) > LONGEST:
            raise ConvscopeError(f"a note has at most {LONGEST:,} characters, not {len(text):,}")
        notes = Kept(self.index.path, "notes")
        if text:
            notes.write(f"{name}:{channel}", {"layer": name, "channel": channel, "text": text})
        else:
            notes.delete(f"{name}:{channel}")

    @cached_property
    def _images(self) -> Images:
        return Images(self.net, self.index)

    @cached_property
    def _similar(self) -> Similar | None:
        return Similar(self.index.peaks) if self.index.has_peaks else None

    def _across(self, layer: str, channel: int) -> tuple[Patch, ...]:
        """Patches across the range of a unit's peaks."""
        if not self.index.has_peaks:
            return ()
        peaks = self.index.peaks
        row = peaks.rows(layer).start + channel
        values, places = peaks.values[row], peaks.positions[row]
        return tuple(
            patches.patch_at(
                self.net, self.index, (layer, channel), one, int(places[one]), float(values[one])
            )
            for one in across(values, LEVELS).tolist()
        )

    @cached_property
    def _links(self) -> Links:
        return Links(self.net, self.index)

    def _photo(self, row: int) -> Tensor:
        if not 0 <= row < len(self.index):
            raise ConvscopeError(
                f"{self.index.path} has rows 0 to {len(self.index) - 1}, and no {row}"
            )
        return self.index.photo(row)

    def _layer(self, name: str) -> LayerName:
        collected = self.index.collected(name)
        return next(one for one in self.layers if one.name == collected)

    def _unit(self, layer: str, channel: int) -> str:
        """The layer's name in the index, if it has the channel."""
        known = self._layer(layer)
        if not 0 <= channel < known.channels:
            raise ConvscopeError(
                f"{known.name} has channels 0 to {known.channels - 1}, and no {channel}"
            )
        return known.name
