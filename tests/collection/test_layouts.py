"""Maps of embeddings: what they keep, what they say of themselves, and that a seed is a promise."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances

import convscope as cs
from convscope.collection.layout import axes, layouts, methods, quality, rows
from convscope.collection.layout.layouts import Layout, laying_out, layout
from convscope.collection.layout.steps import Steps
from convscope.types import Array


def clusters(count: int, kinds: int = 4, width: int = 40, seed: int = 0) -> tuple[Array, Array]:
    """Embeddings far apart unless of one kind, and their kinds."""
    chance = np.random.default_rng(seed)
    centers = 10 * chance.standard_normal((kinds, width))
    kind = np.arange(count) % kinds
    return (centers[kind] + chance.standard_normal((count, width))).astype(np.float16), kind


def lay(embeddings: Array, method: str, **options: int) -> Layout:
    if method == "umap":
        pytest.importorskip("umap")
    return layout(embeddings, method, **options)


def nearest(values: Array, count: int) -> list[set[int]]:
    """By brute force."""
    far = pairwise_distances(values.astype(np.float64))
    np.fill_diagonal(far, np.inf)
    return [set(row[:count].tolist()) for row in far.argsort(1)]


@pytest.mark.parametrize("method", layouts.NAMES)
def test_images_of_a_kind_lie_together(method: str) -> None:
    embeddings, kind = clusters(120)
    found = lay(embeddings, method)
    assert found.places.shape == (120, 2)
    assert found.places.dtype == np.float32
    assert found.embedded == 120
    same = [kind[list(near)] == kind[i] for i, near in enumerate(nearest(found.places, 10))]
    assert np.mean(same) > 0.8  # by chance a quarter


@pytest.mark.filterwarnings("ignore:invalid value")  # scikit-learn, of one row
@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (500, 20), (6, 1), (1, 5)])
def test_pca_is_scikit_learns(shape: tuple[int, int]) -> None:
    embeddings = np.random.default_rng(1).standard_normal(shape).astype(np.float16)
    most = min(2, *shape)
    expected = PCA(most).fit_transform(embeddings.astype(np.float64))
    found = layout(embeddings, "pca").places
    for axis in range(most):  # an axis is known but for its sign
        mine, theirs = found[:, axis], expected[:, axis]
        sign = np.sign(mine @ theirs) or 1
        np.testing.assert_allclose(mine, sign * theirs, atol=2e-4)
    assert not found[:, most:].any()


def test_pca_in_blocks_is_pca_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, _ = clusters(90)
    whole = layout(embeddings, "pca").places
    monkeypatch.setattr(rows, "BLOCK", 7)
    np.testing.assert_allclose(layout(embeddings, "pca").places, whole, rtol=1e-4, atol=1e-4)


def test_wide_embeddings_get_axes_from_some_images(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, kind = clusters(200, width=60)
    monkeypatch.setattr(axes, "LARGEST", 50)
    found = layout(embeddings, "pca").places
    same = [kind[list(near)] == kind[i] for i, near in enumerate(nearest(found, 10))]
    assert np.mean(same) > 0.9


@pytest.mark.parametrize("method", ["tsne", "isomap", "umap"])
def test_others_are_placed_among_a_sample(method: str) -> None:
    embeddings, kind = clusters(300)
    found = lay(embeddings, method, sample=100)
    assert found.embedded == 100
    assert "100 images laid out, the others placed among them" in found.notes
    same = [kind[list(near)] == kind[i] for i, near in enumerate(nearest(found.places, 5))]
    assert np.mean(same) > 0.8
    assert np.isfinite(found.places).all()


def test_a_map_tells_how_far_to_believe_it() -> None:
    embeddings, _ = clusters(60)
    found = layout(embeddings, "tsne")
    there, here = nearest(embeddings, 10), nearest(found.places, 10)
    shares = [len(a & b) / 10 for a, b in zip(there, here, strict=True)]
    assert found.recall == pytest.approx(np.mean(shares), abs=1e-9)
    # Venna and Kaski: by how many ranks beyond the tenth those are, who should not be near.
    ranks = pairwise_distances(embeddings.astype(np.float64))
    np.fill_diagonal(ranks, np.inf)
    ranks = ranks.argsort(1).argsort(1) + 1
    beyond = sum(max(0, ranks[i, j] - 10) for i, near in enumerate(here) for j in near)
    expected = 1 - beyond * 2 / (60 * 10 * (2 * 60 - 3 * 10 - 1))
    assert found.trustworthiness == pytest.approx(expected, abs=1e-9)


def test_what_is_flat_already_is_kept() -> None:
    flat = np.random.default_rng(0).standard_normal((80, 2)).astype(np.float16)
    found = layout(flat, "pca")
    assert found.trustworthiness == pytest.approx(1)
    assert found.recall == pytest.approx(1, abs=0.01)


def test_many_are_judged_by_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (quality, layouts):
        monkeypatch.setattr(module, "JUDGED", 50)
    embeddings, _ = clusters(200)
    found = layout(embeddings, "pca")
    assert "trustworthiness and recall are those of 50 images at random" in found.notes
    assert found.trustworthiness > 0.8


@pytest.mark.parametrize("method", layouts.NAMES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 20])
@pytest.mark.parametrize("kind", ["different", "the same", "zero", "copies", "narrow"])
def test_few_and_equal_images(
    method: str, count: int, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    embeddings = np.random.default_rng(0).standard_normal((count, 64)).astype(np.float16)
    embeddings = {
        "different": embeddings,
        "the same": embeddings[:1].repeat(count, 0),
        "zero": 0 * embeddings,
        "copies": np.concatenate([embeddings[: count // 2 + 1]] * 2)[:count],
        "narrow": embeddings[:, :1],
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lay(embeddings, method)
    assert np.isfinite(found.places).all()
    assert 0 <= found.recall <= 1
    assert 0 <= found.trustworthiness <= 1 + 1e-9
    assert capfd.readouterr() == ("", ""), "libraries keep to themselves"
    if method != "pca" and count < 5:
        assert found.notes == ("fewer than 5 images: laid out by PCA",)
    if kind in ("the same", "zero"):
        assert np.ptp(found.places, axis=0).tolist() == pytest.approx([0, 0], abs=1e-5)


def test_perplexity_is_lowered_for_few() -> None:
    embeddings, _ = clusters(31)
    assert layout(embeddings, "tsne").notes == ("perplexity 10, because of only 31 images",)
    assert layout(embeddings, "tsne", perplexity=5).notes == ()


SCRIPT = """
import sys
import numpy as np
from convscope.collection.layout.layouts import layout
embeddings = np.load(sys.argv[1])
for method in sys.argv[3:]:
    np.save(f"{sys.argv[2]}/{method}.npy", layout(embeddings, method, sample=150, seed=3).places)
"""


def test_a_seed_is_a_map_whatever_the_process_and_its_threads(tmp_path: Path) -> None:
    embeddings, _ = clusters(200)
    methods = [m for m in layouts.NAMES if m != "umap"]
    np.save(tmp_path / "embeddings.npy", embeddings)
    words = [
        sys.executable,
        "-c",
        SCRIPT,
        str(tmp_path / "embeddings.npy"),
        str(tmp_path),
        *methods,
    ]
    subprocess.run(words, check=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for method in methods:
            found = layout(embeddings, method, sample=150, seed=3).places
            np.testing.assert_array_equal(found, np.load(tmp_path / f"{method}.npy"))
    finally:
        torch.set_num_threads(threads)
    other = layout(embeddings, "tsne", sample=150, seed=4).places
    assert not np.array_equal(other, np.load(tmp_path / "tsne.npy"))


def test_many_threads_on_the_grid_of_large_maps() -> None:
    """Where the quick method of openTSNE begins: threads must not change a bit of it."""
    known = np.random.default_rng(0).standard_normal((10_000, 3)).astype(np.float32)
    found = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            found.append(Steps(methods.tsne(known, 2, 0, steps=(10, 10))).finish()[0])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[0], found[1])


def test_tsne_in_pieces_is_that_of_opentsne_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    known = clusters(60, width=5)[0].astype(np.float32)
    likeness = PerplexityBasedNN(
        known, perplexity=10, method="exact", k_neighbors=30, knn_kwargs={"algorithm": "brute"}
    )
    start: list[Array] = []
    optimize = TSNEEmbedding.optimize

    def watched(self: Any, *given: Any, **how: Any) -> Any:
        start.append(np.array(self))
        return optimize(self, *given, **how)

    monkeypatch.setattr(TSNEEmbedding, "optimize", watched)
    steps = Steps(methods.tsne(known, 10, 0, steps=(60, 70)))
    told = [(step, of) for step, of, _ in steps]
    assert told == [(step, 130) for step in (25, 50, 60, 85, 110, 130)]
    monkeypatch.undo()
    plain = TSNEEmbedding(start[0], likeness, ints_in_interval=1.5)
    plain.optimize(60, inplace=True, exaggeration=12, momentum=0.5, learning_rate=50)
    plain.optimize(70, inplace=True, momentum=0.8, learning_rate="auto")
    np.testing.assert_array_equal(steps.result[0], np.asarray(plain))


def test_a_layout_tells_its_steps_and_what_it_has_laid_out() -> None:
    embeddings, _ = clusters(90)
    steps = Steps(laying_out(embeddings, "tsne", perplexity=5, sample=60, seed=1))
    told = [*steps]
    assert [one.step for one in told] == list(range(25, 751, 25))
    assert {one.steps for one in told} == {751}
    assert len(told[0].rows) == 60
    np.testing.assert_array_equal(
        told[-1].places.astype(np.float32), steps.result.places[told[-1].rows]
    )


@pytest.mark.parametrize("method", layouts.NAMES)
def test_the_world_and_the_embeddings_are_left_alone(method: str) -> None:
    embeddings, _ = clusters(60)
    if method == "umap":
        pytest.importorskip("umap")
    kept = embeddings.copy()
    embeddings.setflags(write=False)
    threads = torch.get_num_threads()
    before = random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()
    first, again = layout(embeddings, method, sample=40), layout(embeddings, method, sample=40)
    after = random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()
    assert before == after
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(embeddings, kept)
    np.testing.assert_array_equal(first.places, again.places)


def test_embeddings_on_disk(tmp_path: Path) -> None:
    embeddings, _ = clusters(100)
    np.save(tmp_path / "embeddings.npy", embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    np.testing.assert_array_equal(layout(mapped, "tsne").places, layout(embeddings, "tsne").places)


def test_what_cannot_be_laid_out() -> None:
    embeddings, _ = clusters(20)
    with pytest.raises(cs.ConvscopeError, match="unknown method of layout 'tsen'; did you mean"):
        layout(embeddings, "tsen")
    with pytest.raises(cs.ConvscopeError, match=r"embeddings must be .*not \(0, 4\)"):
        layout(np.zeros((0, 4), np.float16))
    with pytest.raises(cs.ConvscopeError, match=r"embeddings must be .*not \(3,\)"):
        layout(np.zeros(3, np.float16))
    with pytest.raises(cs.ConvscopeError, match="perplexity must be at least 1, not 0"):
        layout(embeddings, perplexity=0)
    with pytest.raises(cs.ConvscopeError, match="sample must be at least 5, not 2"):
        layout(embeddings, sample=2)
    embeddings[7, 3] = np.nan
    for method in ("pca", "tsne"):
        with pytest.raises(cs.ConvscopeError, match="the embedding of image 7 is not finite"):
            layout(embeddings, method)


def test_umap_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(cs.ConvscopeError, match=r"pip install 'convscope\[umap\]'"):
        layout(clusters(20)[0], "umap")
