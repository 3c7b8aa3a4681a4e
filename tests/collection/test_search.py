"""Neighbors against brute force in float64, and indexes that are built, kept, and built again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convscope as cs
from convscope.collection.search import approximate
from convscope.collection.search.exact import exact
from convscope.collection.search.faiss import Faiss
from convscope.collection.search.lance import Lance
from convscope.collection.search.neighbors import Metric, Neighbors
from convscope.collection.search.precision import precision
from convscope.files import write_folder
from convscope.types import Array
from tests.helpers.collections import needs

METRICS: tuple[Metric, ...] = ("cosine", "l2")


def brute(embeddings: Array, query: Array, metric: Metric) -> Array:
    """Every distance in float64, one embedding at a time."""
    q = query.astype(np.float64)
    found: list[float] = []
    for embedding in embeddings.astype(np.float64):
        if metric == "l2":
            found.append(float(np.linalg.norm(embedding - q)))
            continue
        lengths = np.linalg.norm(embedding) * np.linalg.norm(q)
        found.append(1 - float(embedding @ q) / float(lengths) if lengths else 1.0)
    return np.array(found)


def agrees(found: Neighbors, embeddings: Array, queries: Array, count: int, metric: Metric) -> None:
    """The rows may differ from the oracle's only where both are as near, to float64's rounding."""
    assert found.rows.shape == found.distances.shape == (len(queries), min(count, len(embeddings)))
    assert found.rows.dtype.name == "int64"
    assert found.distances.dtype.name == "float32"
    for query, rows, distances in zip(queries, found.rows, found.distances, strict=True):
        every = brute(embeddings, query, metric)
        nearest = np.sort(every)[: len(rows)]
        assert len(set(rows)) == len(rows)
        np.testing.assert_allclose(every[rows], nearest, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(distances, nearest, rtol=1e-6, atol=1e-7)


def random(rows: int, dimensions: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float16)


def clustered(rows: int, dimensions: int = 32, seed: int = 0) -> Array:
    chance = np.random.default_rng(seed)
    centers = 3 * chance.standard_normal((60, dimensions))
    noise = chance.standard_normal((rows, dimensions))
    return (centers[chance.integers(60, size=rows)] + noise).astype(np.float16)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few embeddings are several blocks, and a few queries several parts."""
    monkeypatch.setattr("convscope.collection.search.vectors.BLOCK", 64)
    monkeypatch.setattr("convscope.collection.search.exact.PRODUCTS", 24)


# Exact search.


def test_neighbors_by_hand() -> None:
    embeddings = np.array([[3, 4], [1, 0], [0, 2], [-1, 0]], np.float32)
    queries = np.array([[2, 0]], np.float32)
    found = exact(embeddings, queries, 4, "cosine")
    assert found.rows.tolist() == [[1, 0, 2, 3]]
    np.testing.assert_allclose(found.distances, [[0, 0.4, 1, 2]], atol=1e-7)
    found = exact(embeddings, queries, 3, "l2")
    assert found.rows.tolist() == [[1, 2, 3]]
    np.testing.assert_allclose(found.distances, [[1, 8**0.5, 3]])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
@pytest.mark.usefixtures("small_blocks")
def test_agrees_with_brute_force(metric: Metric, dtype: str) -> None:
    embeddings = (random(203, 9).astype(np.float32) * 40 + 100).clip(0, 255).astype(dtype)
    queries = random(7, 9, seed=1).astype(np.float32) * 40 + 100
    agrees(exact(embeddings, queries, 12, metric), embeddings, queries, 12, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_agrees_in_one_block(metric: Metric) -> None:
    embeddings, queries = random(3000, 48), random(4, 48, seed=1).astype(np.float32)
    agrees(exact(embeddings, queries, 10, metric), embeddings, queries, 10, metric)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ties_come_in_the_order_of_rows(data: st.DataObject) -> None:
    """Small whole numbers: everything is exact, and there are many ties, duplicates and zeros."""
    rows, dimensions, asked = (data.draw(st.integers(1, most)) for most in (40, 4, 3))
    count = data.draw(st.integers(1, 45))
    block = data.draw(st.integers(1, 60))
    numbers = st.integers(-2, 2)

    def matrix(height: int) -> Array:
        flat = st.lists(numbers, min_size=height * dimensions, max_size=height * dimensions)
        return np.array(data.draw(flat), np.float32).reshape(height, dimensions)

    embeddings, queries = matrix(rows).astype(np.float16), matrix(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convscope.collection.search.vectors.BLOCK", block)
        for metric in METRICS:
            found = exact(embeddings, queries, count, metric)
            for query, its_rows in zip(queries, found.rows, strict=True):
                every = np.round(brute(embeddings, query, metric), 12)
                order = sorted(range(rows), key=lambda row: (every[row], row))
                assert its_rows.tolist() == order[:count]


def test_near_duplicates_come_in_the_right_order() -> None:
    """Far from the origin, where a^2 - 2ab + b^2 in float32 has no digit of these distances."""
    base = np.full((1, 64), 1000, np.float32)
    offsets = np.random.default_rng(0).permutation(400).astype(np.float32)
    embeddings = np.repeat(base, 400, 0)
    embeddings[:, 0] += offsets / 1024
    found = exact(embeddings, base, 50, "l2")
    assert offsets[found.rows[0]].tolist() == list(range(50))
    np.testing.assert_allclose(found.distances[0], np.arange(50) / 1024, rtol=1e-6)


def test_an_embedding_and_its_double_are_equally_near() -> None:
    embedding = np.random.default_rng(0).random(100, np.float32)
    embeddings = np.stack([embedding * factor for factor in (4, 1, 2, 8)] + [embedding + 1])
    found = exact(embeddings, embedding[None], 4, "cosine")
    assert found.rows.tolist() == [[0, 1, 2, 3]]
    assert found.distances.tolist() == [[0, 0, 0, 0]]


def test_zeros_are_at_distance_one() -> None:
    embeddings = np.array([[-1, 0], [0, 0], [1, 0]], np.float16)
    found = exact(embeddings, np.array([[1, 0], [0, 0]], np.float32), 3, "cosine")
    assert found.rows.tolist() == [[2, 1, 0], [0, 1, 2]]
    assert found.distances.tolist() == [[0, 1, 2], [1, 1, 1]]


@pytest.mark.usefixtures("small_blocks")
def test_a_query_has_the_same_answer_alone_and_among_others() -> None:
    embeddings, queries = random(500, 8), random(9, 8, seed=1).astype(np.float32)
    for metric in METRICS:
        together = exact(embeddings, queries, 6, metric)
        alone = [exact(embeddings, query[None], 6, metric) for query in queries]
        np.testing.assert_array_equal(together.rows, np.concatenate([a.rows for a in alone]))
        distances = np.concatenate([a.distances for a in alone])
        np.testing.assert_array_equal(together.distances, distances)


def test_no_more_neighbors_than_embeddings() -> None:
    embeddings = random(3, 5)
    assert exact(embeddings, embeddings.astype(np.float32), 10).rows.shape == (3, 3)
    assert exact(embeddings, embeddings[:0].astype(np.float32), 2).rows.shape == (0, 2)
    assert exact(embeddings[:0], embeddings.astype(np.float32), 2).rows.shape == (3, 0)


@pytest.mark.usefixtures("small_blocks")
def test_rows_are_left_out() -> None:
    embeddings, queries = random(90, 6), random(3, 6, seed=1).astype(np.float32)
    without = np.array([*range(10, 40), 3, 3, 89])
    left = np.setdiff1d(np.arange(90), without)
    for metric in METRICS:
        found = exact(embeddings, queries, 8, metric, without=without)
        among = exact(embeddings[left], queries, 8, metric)
        np.testing.assert_array_equal(found.rows, left[among.rows])
        np.testing.assert_array_equal(found.distances, among.distances)
    assert exact(embeddings, queries, 80, without=without).rows.shape == (3, len(left))
    assert exact(embeddings, queries, 80, without=range(90)).rows.shape == (3, 0)


def test_all_but_ones_own_row() -> None:
    embeddings = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float16)
    found = exact(embeddings, embeddings.astype(np.float32), 2).besides(np.arange(4))
    # Of row 2 the two nearest are 0 and 1, for duplicates come in order: the second goes.
    assert found.rows.tolist() == [[1], [0], [0], [0]]
    assert found.distances.tolist() == [[0], [0], [0], [1]]


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_mapped_file_is_read_and_left_as_it_is(
    tmp_path: Path, mode: Any, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.collection.search.vectors.BLOCK", 100 * 33)
    embeddings, queries = random(1000, 33), random(2, 33, seed=1).astype(np.float32)
    np.save(tmp_path / "embeddings.npy", embeddings)
    bytes_before = (tmp_path / "embeddings.npy").read_bytes()
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode=mode)
    if mode == "c":  # what was written to such a map is in memory only
        mapped[5] = embeddings[5] = 7
    for view, same in (
        (mapped, embeddings),
        (mapped[101:], embeddings[101:]),
        (mapped[::2], embeddings[::2]),
    ):
        found, other = exact(view, queries, 5), exact(same, queries, 5)
        np.testing.assert_array_equal(found.rows, other.rows)
    np.testing.assert_array_equal(mapped, embeddings)
    assert (tmp_path / "embeddings.npy").read_bytes() == bytes_before
    assert not recwarn.list


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_mapped_file_does_not_stay_in_memory(tmp_path: Path) -> None:
    """120 MB, of which the process holds a block at a time."""
    file = np.lib.format.open_memmap(tmp_path / "c.npy", "w+", np.float16, (60_000, 1000))
    file[::7] = 1
    file.flush()
    del file
    program = f"""
import re
import numpy as np
from convscope.collection.search.exact import exact
embeddings = np.load({str(tmp_path / "c.npy")!r}, mmap_mode="r")
query = np.ones((1, 1000), np.float32)
exact(embeddings[:5_000], query, 3)
open("/proc/self/clear_refs", "w").write("5")
status = lambda name: int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
before = status("VmRSS")
exact(embeddings, query, 3)
print(status("VmHWM") - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert int(done.stdout) < 60_000, done.stderr


@pytest.mark.parametrize(
    ("embeddings", "queries", "count", "metric", "says"),
    [
        (random(4, 3), np.ones((1, 2)), 1, "cosine", "the embeddings have 3 numbers each"),
        (random(4, 3), np.ones(3), 1, "cosine", r"so queries must be \(Q, 3\), not \(3,\)"),
        (random(4, 3), np.ones((1, 3)), 0, "cosine", "at least one"),
        (random(4, 3), np.ones((1, 3)), 1, "dot", "'cosine' and 'l2'"),
        (random(4, 3), np.full((1, 3), np.nan), 1, "l2", "the query is not finite"),
        (random(4, 3).astype(int), np.ones((1, 3)), 1, "l2", "not .* of int64"),
        (
            np.array([[1], [np.inf]], np.float16),
            np.ones((1, 1)),
            1,
            "l2",
            "embedding 1 is not finite",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(
    embeddings: Array, queries: Array, count: int, metric: Any, says: str
) -> None:
    with pytest.raises(cs.ConvscopeError, match=says) as caught:
        exact(embeddings, queries, count, metric)
    assert "\n" not in str(caught.value)


# How good a space is.


def test_precision_by_hand() -> None:
    """On a line: a a b . b, where the one without a label is nobody's neighbor."""
    embeddings = np.array([[0], [1], [3], [3.5], [4.5]], np.float32)
    labels = ["a", "a", "b", None, "b"]
    found = precision(embeddings, labels, count=1, metric="l2")
    assert tuple(found) == pytest.approx((1, 1 / 3))
    # Two neighbors: a has a b; a has a b; b has b a (at 1.5 and 2); b has b a.
    found = precision(embeddings, labels, count=2, metric="l2")
    assert tuple(found) == pytest.approx((1 / 2, 1 / 3))
    # All three others, though five are asked for: chance itself.
    assert precision(embeddings, labels, count=5, metric="l2").precision == pytest.approx(1 / 3)


def test_precision_of_what_has_no_order_is_chance() -> None:
    labels = [
        str(number) for number in np.random.default_rng(1).choice(4, 4000, p=[0.4, 0.3, 0.2, 0.1])
    ]
    found = precision(random(4000, 16), list(labels), sample=2000)
    assert found.chance == pytest.approx(0.16 + 0.09 + 0.04 + 0.01, abs=0.01)
    assert found.precision == pytest.approx(found.chance, abs=0.02)
    assert found != precision(random(4000, 16), list(labels), sample=2000, seed=1)
    assert found == precision(random(4000, 16), list(labels), sample=2000)


def test_precision_needs_labels() -> None:
    with pytest.raises(cs.ConvscopeError, match="4 embeddings, but 3 labels"):
        precision(random(4, 2), ["a"] * 3)
    with pytest.raises(cs.ConvscopeError, match="two rows"):
        precision(random(4, 2), ["a", None, None, None])


# Indexes that can always be built again.


@pytest.fixture(params=[Faiss, Lance])
def kind(request: pytest.FixtureRequest) -> Any:
    needs(request.param.package)
    return request.param


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where an index was built, each time."""
    homes: list[Path] = []
    real = write_folder

    def noting(home: Path, *arguments: Any, **options: Any) -> Path:
        homes.append(home)
        return real(home, *arguments, **options)

    monkeypatch.setattr("convscope.collection.search.approximate.write_folder", noting)
    return homes


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index proper even of few embeddings."""
    monkeypatch.setattr("convscope.collection.search.faiss.FEW", 1000)
    monkeypatch.setattr("convscope.collection.search.lance.FEW", 1000)
    monkeypatch.setattr(approximate, "SAMPLE", 100)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_few_embeddings_are_searched_exactly(
    kind: Any, metric: Metric, dtype: str, tmp_path: Path
) -> None:
    embeddings = (random(300, 9).astype(np.float32) * 40 + 100).clip(0, 255).astype(dtype)
    queries = random(5, 9, seed=1).astype(np.float32) * 40 + 100
    index = kind.open_or_build(embeddings, tmp_path, metric=metric, key="k")
    assert (index.recall, index.cells) == (1, 1)
    found, truth = index.search(queries, 7), exact(embeddings, queries, 7, metric)
    np.testing.assert_array_equal(found.rows, truth.rows)
    np.testing.assert_array_equal(found.distances, truth.distances)
    assert index.search(queries, 1000).rows.shape == (5, 300)
    with pytest.raises(cs.ConvscopeError, match="the embeddings have 9 numbers each"):
        index.search(queries[:, :8], 2)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimensions", [20, 64])
def test_many_embeddings_are_found_as_often_as_promised(
    kind: Any, metric: Metric, dimensions: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    embeddings = clustered(6000, dimensions)
    index = kind.open_or_build(embeddings, tmp_path, metric=metric, key="k")
    assert index.cells == 64
    noise = random(200, dimensions, seed=2).astype(np.float32) / 4
    queries = embeddings[::30].astype(np.float32) + noise
    found, truth = index.search(queries, 10), exact(embeddings, queries, 10, metric)
    hits = [len({*a} & {*b}) for a, b in zip(found.rows, truth.rows, strict=True)]
    assert np.mean(hits) / 10 >= 0.95
    assert index.recall >= approximate.AIM
    for query, rows, distances in zip(queries, found.rows, found.distances, strict=True):
        np.testing.assert_allclose(distances, brute(embeddings[rows], query, metric), rtol=1e-5)
        assert (np.diff(distances) >= 0).all()
    assert index.search(queries[:2], 5999).rows.min() >= 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("few")
def test_recall_is_measured(kind: Any, tmp_path: Path) -> None:
    """Without any order in them the embeddings of one cell of 64 are no neighbors of each other."""
    embeddings = random(3000, 32)
    index = kind.open_or_build(embeddings, tmp_path, key="k")
    assert index.effort.cells > 8
    assert index.recall >= approximate.AIM
    queries = random(100, 32, seed=3).astype(np.float32)
    truth = exact(embeddings, queries, 10)
    assert approximate.recall(index.search(queries, 10), truth) >= 0.95
    index.effort = approximate.Effort(1, 10)
    assert approximate.recall(index.search(queries, 10), truth) < 0.6


def test_recall_by_hand() -> None:
    truth = Neighbors(np.array([[1, 2], [3, 4]]), np.array([[0.1, 0.2], [0.1, 0.1]], np.float32))
    # 9 is as near as 4; of the first query one is missing.
    found = Neighbors(np.array([[1, 5], [9, 3]]), np.array([[0.1, 0.3], [0.1, 0.1]], np.float32))
    assert approximate.recall(found, truth) == 0.75
    assert approximate.recall(truth, truth) == 1


def test_a_zero_query_and_zero_embeddings(kind: Any, tmp_path: Path) -> None:
    embeddings = random(50, 8)
    embeddings[[4, 30]] = 0
    index = kind.open_or_build(embeddings, tmp_path, metric="cosine", key="k")
    queries = np.zeros((2, 8), np.float32)
    queries[1] = embeddings[7]
    found, truth = index.search(queries, 50), exact(embeddings, queries, 50)
    np.testing.assert_array_equal(found.rows, truth.rows)
    assert found.distances[0].tolist() == [1] * 50


def test_an_index_is_built_once(kind: Any, tmp_path: Path, built: list[Path]) -> None:
    embeddings = random(60, 8)
    first = kind.open_or_build(embeddings, tmp_path / "new" / "folder", key="k")
    again = kind.open_or_build(embeddings, tmp_path / "new" / "folder", key="k")
    assert len(built) == 1
    assert (first.recall, first.seconds) == (again.recall, again.seconds)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [kind.name]


@pytest.mark.parametrize(
    ("what", "value"), [("key", "other"), ("metric", "l2"), ("format", -1), ("embeddings", [1])]
)
def test_an_index_of_other_embeddings_is_built_anew(
    kind: Any, what: str, value: object, tmp_path: Path, built: list[Path]
) -> None:
    embeddings = random(60, 8)
    index = kind.open_or_build(embeddings, tmp_path, key="k")
    about = json.loads((index.home / "about.json").read_text("utf-8"))
    (index.home / "about.json").write_text(json.dumps(about | {what: value}), "utf-8")
    index = kind.open_or_build(embeddings, tmp_path, key="k")
    assert len(built) == 2
    assert index.search(embeddings[:3].astype(np.float32), 1).rows.tolist() == [[0], [1], [2]]
    kind.open_or_build(embeddings[:50], tmp_path, key="k")
    assert len(built) == 3


@pytest.mark.parametrize("damage", ["short", "rubbish", "missing", "about", "more"])
def test_a_damaged_index_is_built_anew(
    kind: Any, damage: str, tmp_path: Path, built: list[Path]
) -> None:
    embeddings = random(60, 8)
    index = kind.open_or_build(embeddings, tmp_path, key="k")
    files = [path for path in index.home.rglob("*") if path.is_file() and path.name != "about.json"]
    largest = max(files, key=lambda path: path.stat().st_size)
    size = largest.stat().st_size
    if damage == "short":
        largest.write_bytes(largest.read_bytes()[: size // 2])
    elif damage == "rubbish":
        largest.write_bytes(b"x" * size)
    elif damage == "missing":
        largest.unlink()
    elif damage == "about":
        (index.home / "about.json").write_text("{", "utf-8")
    else:
        (index.home / "strange").write_text("", "utf-8")
    index = kind.open_or_build(embeddings, tmp_path, key="k")
    assert len(built) == 2
    assert index.search(embeddings[:3].astype(np.float32), 1).rows.tolist() == [[0], [1], [2]]


@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_build_leaves_nothing(
    kind: Any, before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = random(60, 8)
    if before:
        kind.open_or_build(embeddings, tmp_path, key="old")
    with monkeypatch.context() as patch:
        patch.setattr(approximate.Approximate, "_calibrate", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            kind.open_or_build(embeddings, tmp_path, key="k")
    assert [path.name for path in tmp_path.iterdir()] == ([kind.name] if before else [])
    assert kind.open_or_build(embeddings, tmp_path, key="k").recall == 1


def _interrupt(self: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_that_cannot_be_written(kind: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(cs.ConvscopeError, match="cannot write to"):
        kind.open_or_build(random(9, 8), tmp_path / "file", key="k")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for kind in (Faiss, Lance):
        monkeypatch.setitem(sys.modules, kind.package, None)
        with pytest.raises(cs.ConvscopeError) as caught:
            kind.open_or_build(random(9, 8), tmp_path, key="k")
        says = f"{kind.package} is not installed: pip install 'convscope[{kind.name}]'"
        assert str(caught.value) == says


def test_nothing_to_search(kind: Any, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match="no embeddings"):
        kind.open_or_build(random(0, 8), tmp_path, key="k")


@pytest.mark.parametrize("total", [60, 1500])
@pytest.mark.usefixtures("few")
def test_embeddings_that_are_not_finite(kind: Any, total: int, tmp_path: Path) -> None:
    embeddings = random(total, 64)
    embeddings[31, 2] = np.nan
    with pytest.raises(cs.ConvscopeError, match="not finite"):
        kind.open_or_build(embeddings, tmp_path, key="k")
    assert not list(tmp_path.iterdir())


# SQL filters.


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Array, Lance]]:
    needs("lancedb")
    embeddings = clustered(6000, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convscope.collection.search.lance.FEW", 1000)
        folder = tmp_path_factory.mktemp("table")
        yield (
            embeddings,
            Lance.open_or_build(embeddings, folder, columns(6000), metric="l2", key="k"),
        )


def columns(total: int, size: int = 700) -> Iterator[Any]:
    import pyarrow as pa

    for begin in range(0, total, size):
        rows = range(begin, min(begin + size, total))
        labels = ["cat's" if row % 3 else "dog" for row in rows]
        yield pa.RecordBatch.from_pydict({"label": labels, "width": list(rows)})


@pytest.mark.parametrize("filtered", [0, 5000])
@pytest.mark.parametrize(
    ("where", "meets"),
    [
        ("label = 'dog'", lambda row: row % 3 == 0),
        ("label = 'cat''s' AND width >= 5000", lambda row: row % 3 and row >= 5000),
        ("width % 2 = 1", lambda row: row % 2 == 1),
        ("width IN (3, 5, 4000)", lambda row: row in (3, 5, 4000)),
        ("width < 0", lambda row: False),
    ],
)
def test_a_filter_leaves_what_meets_it(
    table: tuple[Array, Lance],
    where: str,
    meets: Any,
    filtered: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("convscope.collection.search.lance.FILTERED", filtered)
    embeddings, index = table
    queries = embeddings[::150] + random(40, 64, seed=3).astype(np.float32) / 4
    left = np.array([row for row in range(6000) if meets(row)], int)
    truth = exact(embeddings[left], queries, 10, "l2") if len(left) else None
    found = index.search(queries, 10, where=where)
    assert found.rows.shape == (40, min(10, len(left)))
    assert set(found.rows.ravel()) <= set(left)
    if truth:
        hits = (found.distances <= truth.distances[:, -1:]).mean()
        assert hits == 1 if filtered else hits >= 0.9


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("color = 'red'", "No field named color"),
        ("label = ", "Error parsing"),
        ("label", "boolean"),
        ("width = 1; DROP TABLE embeddings", "cannot filter by"),
        ("width = 1 LIMIT 3", "cannot filter by"),
        ("", "cannot filter by ''"),
    ],
)
def test_a_filter_that_is_no_sql(table: tuple[Array, Lance], where: str, says: str) -> None:
    with pytest.raises(cs.ConvscopeError, match=says) as caught:
        table[1].search(np.ones((1, 64), np.float32), 3, where=where)
    assert "\n" not in str(caught.value)
    assert "/" not in str(caught.value)


def test_columns_have_a_row_for_every_embedding(tmp_path: Path) -> None:
    needs("lancedb")
    embeddings = random(30, 8)
    for total, says in (
        (29, "30 embeddings, but only 29 rows"),
        (31, "30 embeddings, but more rows"),
    ):
        with pytest.raises(cs.ConvscopeError, match=says):
            Lance.open_or_build(embeddings, tmp_path, columns(total, 8), key="k")
    renamed = (batch.rename_columns(["label", "row"]) for batch in columns(30))
    with pytest.raises(cs.ConvscopeError, match="has its own column 'row'"):
        Lance.open_or_build(embeddings, tmp_path, renamed, key="k")
    assert not list(tmp_path.iterdir())


def test_the_table_is_anyones_to_read(table: tuple[Array, Lance]) -> None:
    import lancedb

    embeddings, index = table
    read = lancedb.connect(str(index.home)).open_table("embeddings").to_arrow()
    assert read.schema.names == ["row", "label", "width", "vector"]
    assert read["row"].to_pylist() == read["width"].to_pylist() == list(range(6000))
    np.testing.assert_array_equal(read["vector"][77].as_py(), embeddings[77])


def test_importing_is_light() -> None:
    program = (
        "import sys, convscope.collection.search.faiss, convscope.collection.search.lance;"
        "print({'faiss', 'lancedb'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n"
