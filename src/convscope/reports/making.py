"""Making a photograph of a report: its maps, and the most similar ones that are correct."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from convscope.collection import Classification, Index, among
from convscope.errors import ConvscopeError
from convscope.files import decoded
from convscope.network import Network
from convscope.render import map_picture
from convscope.reports.case import Case
from convscope.reports.page_picture import PagePicture, page_picture
from convscope.system import usual_torch
from convscope.trust import attribute, attribution, on_one_scale, over_photo

WIDTH = 320  # of the photograph and its maps, in pixels

SMALL = 96  # of similar photographs

QUALITY = 78  # of WebP

SCORES = 3  # likeliest classes that are named


class Maker:
    """Makes the photographs of a report, one at a time.

    Args:
        index: the index.
        net: the network that made it.
        results: how all labeled images were classified.
        technique: the attribution whose maps are shown.
        similar: number of similar photographs in a row.
    """

    def __init__(
        self,
        index: Index,
        net: Network,
        results: Sequence[Classification],
        technique: str,
        similar: int,
    ) -> None:
        self.index, self.net, self.similar = index, net, similar
        self.technique = attribution(technique)
        self._contents: list[str] = index.images["sha256"].to_pylist()
        self._correct = _by_content(self._contents, results)
        self._small: dict[int, PagePicture] = {}
        self._worked = False

    def make(self, case: Case) -> None:
        """Fill in all that a case has.

        Raises:
            ConvscopeError: the technique refuses this network.
        """
        best = self.index.images.slice(case.row, 1).to_pylist()[0]
        scores = dict(zip(best["classes"], best["probabilities"], strict=True))
        case.similar = [
            self._row(case, name) for name in dict.fromkeys((case.label, case.prediction))
        ]
        try:
            photo = self.index.photo(case.row)
        except ConvscopeError as error:
            case.problem = str(error)
            shown = self._thumbnail(case.row)
        else:
            try:
                scores = self._scores(photo)
                case.maps = self._maps(case, photo, scores)
            except ConvscopeError as error:
                if not self._worked:
                    raise
                case.problem = str(error)
            shown = page_picture(_image(photo[0]), case.path, WIDTH, quality=QUALITY)
        case.scores = self._named(case, scores)
        case.photo = shown  # last: it tells that all is there

    def _maps(
        self, case: Case, photo: Tensor, scores: dict[int, float]
    ) -> list[tuple[str, PagePicture]]:
        """The map of the prediction and, of a mistake, that of the label, on one scale."""
        assert case.result.classes is not None
        own, predicted = case.result.classes
        wanted = {predicted: case.prediction, own: case.label}
        with usual_torch(gradients=True):
            frames = [attribute(self.net, photo, self.technique.name, n) for n in wanted]
        self._worked = True
        box = self.net.box(photo)
        panels = on_one_scale([over_photo(frame, photo[0], box) for frame in frames])
        title = self.technique.title
        return [
            (
                f"{title} for {name} ({scores.get(number, 0):.0%})",
                page_picture(
                    map_picture(panel, WIDTH), f"{title} for {name}", WIDTH, quality=QUALITY
                ),
            )
            for (number, name), panel in zip(wanted.items(), panels, strict=True)
        ]

    def _scores(self, photo: Tensor) -> dict[int, float]:
        """The probability of each class, the likeliest first."""
        logits = self.net.logits(photo)[0]
        found = self.net.name_classes(logits, self.net.num_classes or 1)
        return {one.index: one.probability for one in found}

    def _named(self, case: Case, scores: dict[int, float]) -> list[tuple[str, float]]:
        """The likeliest classes and the label, with the names that the report uses."""
        assert case.result.classes is not None
        own, predicted = case.result.classes
        shown = dict.fromkeys((*list(scores)[:SCORES], own))
        names = {predicted: case.prediction, own: case.label}
        return [
            (names.get(one) or self.net.label(one), scores[one]) for one in shown if one in scores
        ]

    # -------------------------------------------------------------- similar photographs

    def _row(self, case: Case, name: str) -> tuple[str, list[PagePicture]]:
        """The most similar photographs with this label that were classified correctly."""
        known = self._correct.get(name, {})
        candidates = np.array(list(known.values()), np.int64)
        candidates = candidates[candidates != known.get(self._contents[case.row], -1)]
        query = np.asarray(self.index.embeddings[case.row : case.row + 1], np.float32)
        near = among(self.index.embeddings, query, [candidates], self.similar, "cosine")
        return name, [self._thumbnail(int(row)) for row in near.rows[0] if row >= 0]

    def _thumbnail(self, row: int) -> PagePicture:
        if row not in self._small:
            try:
                picture = _image(decoded(self.index.thumbnails([row]))[0])
            except ConvscopeError:  # an index from elsewhere may hold anything
                picture = Image.new("RGB", (SMALL, SMALL), "gray")
            path = self.index.paths[row]
            self._small[row] = page_picture(picture, path, SMALL, quality=QUALITY)
        return self._small[row]


def _by_content(
    contents: Sequence[str], results: Iterable[Classification]
) -> dict[str, dict[str, int]]:
    """The images of each label that were classified correctly; of copies of one, the first."""
    found: dict[str, dict[str, int]] = {}
    for one in results:
        if one.right:
            found.setdefault(one.label, {}).setdefault(contents[one.row], one.row)
    return found


def _image(rgb: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] as an image."""
    return Image.fromarray((rgb.permute(1, 2, 0) * 255).round().byte().numpy())
