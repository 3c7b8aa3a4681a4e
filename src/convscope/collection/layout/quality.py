"""How far a map of embeddings can be believed."""

from __future__ import annotations

import numpy as np

from convscope.collection.layout.rows import at_random, read
from convscope.types import Array

NEAR, JUDGED = 10, 2_000  # neighbors, and images that are judged by


def quality(embeddings: Array, places: Array, seed: int) -> tuple[float, float]:
    """Trustworthiness and recall of a map, both at most 1; see `Layout`."""
    from sklearn.manifold import trustworthiness
    from sklearn.neighbors import NearestNeighbors

    rows = at_random(len(embeddings), JUDGED, seed)
    near = min(NEAR, (len(rows) - 1) // 2)
    values, placed = read(embeddings, rows), places[rows]
    if near < 1 or not np.ptp(values, axis=0).any():
        return 1.0, 1.0  # nothing can be wrong
    by_embedding, on_map = (
        NearestNeighbors(algorithm="brute").fit(x).kneighbors(n_neighbors=near)[1]
        for x in (values, placed)
    )
    recall = (by_embedding[:, :, None] == on_map[:, None, :]).any(2).mean()
    return float(trustworthiness(values, placed, n_neighbors=near)), float(recall)
