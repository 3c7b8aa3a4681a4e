"""What the network does with the photographs of a collection."""

from __future__ import annotations

from collections.abc import Iterator

from convscope.reports.chapter import Chapter, chapter


def chapters(index: str) -> Iterator[Chapter]:
    """Chapters about the collection at the path `index`."""
    yield chapter(
        "Which photographs excite the units most?",
        "patches",
        "Each row shows the patches of the whole collection that excite one channel most. What"
        " they have in common is what the channel looks for. Each patch is exactly what the unit"
        " sees. Gray lies outside of the photograph.",
        {"index": index, "limit": 6},
        lambda f: {"images": f"{f['images']:,}"},
    )
    yield chapter(
        "Which photographs are similar?",
        "neighbors",
        "These photographs of the collection are the nearest to yours. The upper row"
        " compares the embeddings of the network, and finds the same kind of thing in any pose and"
        " light. The lower row compares pixels, and finds photographs that are light and dark in"
        " the same places, whatever they show.",
        {"index": index},
        lambda f: {"images": f"{f['images']:,}", "nearest": f["embedding"][0]["path"]},
    )
    yield chapter(
        "How does the network arrange a collection?",
        "embedding_map",
        "The photographs of the collection are arranged so that those that the network finds"
        " similar are close together. Look for what neighbors have in common, and for what lies"
        " between two groups.",
        {"index": index, "show": "grid"},
        lambda f: {"trustworthiness": f"{f['trustworthiness']:.2f}"},
    )
