"""The kNN graph against brute force: no vector is its own neighbour, whatever repeats."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index import KnnGraph, build_index, knn_graph

Rows = NDArray[np.float32]


def unit_rows(n: int, *, seed: int, dim: int = 16, n_centres: int = 0) -> Rows:
    """Random unit rows, around centres where asked for."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, dim))
    if n_centres:
        rows = generator.normal(size=(n_centres, dim))[generator.integers(0, n_centres, n)] + 0.6 * rows
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def all_distances(vectors: Rows) -> NDArray[np.float64]:
    """Cosine distances of every pair in float64, rounded to 1e-6, infinite on the diagonal."""
    rows = vectors.astype(float)
    lengths = np.linalg.norm(rows, axis=1)
    scale = lengths[:, None] * lengths[None, :]
    cosines = np.divide(rows @ rows.T, scale, out=np.zeros_like(scale), where=scale > 0)
    distances = np.round(np.clip(1 - cosines, 0, 2), 6)
    np.fill_diagonal(distances, np.inf)
    return distances


def check_graph(graph: KnnGraph, vectors: Rows, k: int) -> None:
    """Invariants of every graph; and each distance is that of the pair."""
    n = len(vectors)
    assert graph.indices.shape == graph.distances.shape == (n, k)
    assert graph.indices.dtype == np.int32
    assert graph.distances.dtype == np.float32
    assert 0 <= graph.recall <= 1
    assert np.array_equal(graph.indices < 0, np.isinf(graph.distances))
    assert np.all((graph.indices >= 0).sum(axis=1) == min(k, max(n - 1, 0)))
    assert not np.any(graph.indices == np.arange(n)[:, None])
    for row in range(n):
        found = graph.indices[row][graph.indices[row] >= 0]
        near = graph.distances[row][: len(found)]
        assert len(np.unique(found)) == len(found)
        assert np.all(np.lexsort((found, near)) == np.arange(len(found)))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 40),
    k=st.integers(1, 12),
    n_distinct=st.integers(1, 40),
    seed=st.integers(0, 1000),
    zeros=st.booleans(),
)
def test_graph_equals_brute_force(n: int, k: int, n_distinct: int, seed: int, *, zeros: bool) -> None:
    vectors = unit_rows(n_distinct, seed=seed)[np.random.default_rng(seed).integers(0, n_distinct, n)]
    if zeros and n:
        vectors = vectors.copy()
        vectors[:: max(n // 3, 1)] = 0
    graph = knn_graph(vectors, k)
    check_graph(graph, vectors, k)
    true = all_distances(vectors)
    n_near = min(k, max(n - 1, 0))
    expected = np.sort(true, axis=1)[:, :n_near]
    np.testing.assert_allclose(graph.distances[:, :n_near], expected, atol=1.5e-6)
    if n_near:
        pairs = np.take_along_axis(true, graph.indices[:, :n_near], axis=1)
        np.testing.assert_allclose(graph.distances[:, :n_near], pairs, atol=1.5e-6)


def test_duplicates_have_distance_zero_and_are_not_themselves() -> None:
    vectors = np.repeat(unit_rows(4, seed=1), 10, axis=0)
    graph = knn_graph(vectors, 9)
    check_graph(graph, vectors, 9)
    assert np.all(graph.distances == 0)
    assert np.array_equal(
        np.sort(np.c_[graph.indices, np.arange(40)], axis=1) // 10,
        np.repeat(np.arange(4), 10)[:, None] * np.ones((1, 10)),
    )


def test_all_identical_beyond_the_candidates() -> None:
    vectors = np.repeat(unit_rows(1, seed=2), 500, axis=0)
    graph = knn_graph(vectors, 5)
    check_graph(graph, vectors, 5)
    assert np.all(graph.distances == 0)


def test_large_graph_reaches_its_recall_and_is_deterministic() -> None:
    vectors = unit_rows(11_000, seed=3, n_centres=100)
    graph = knn_graph(vectors, 10, seed=4, recall_target=0.97)
    check_graph(graph, vectors, 10)
    assert graph.recall >= 0.97
    rows = np.arange(0, len(vectors), 50)
    similarities = vectors[rows] @ vectors.T
    similarities[np.arange(len(rows)), rows] = -2
    reach = -np.sort(-similarities, axis=1)[:, 9]
    recall = np.mean(1 - graph.distances[rows] >= reach[:, None] - 2e-6)
    assert recall >= 0.95
    again = knn_graph(vectors, 10, seed=4, recall_target=0.97)
    assert again.indices.tobytes() == graph.indices.tobytes()
    assert again.distances.tobytes() == graph.distances.tobytes()


def test_what_more_lists_show_is_added_to_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer lists at a time, no rounds between: the graph of all the lists at once."""
    vectors = unit_rows(11_000, seed=8, n_centres=100)
    cells = build_index(vectors, k=10).cells()
    assert cells.n_probes > 4
    recalls = []
    module = import_module("index.knn_graph")  # the package's name is the function's
    monkeypatch.setattr(module, "_LEAST_GAIN", 2.0)  # no round is worth it
    for probes in (2, cells.n_probes):
        monkeypatch.setattr(module, "_FIRST_PROBES", probes)
        graph = knn_graph(vectors, 10, cells=cells, recall_target=1.0)
        check_graph(graph, vectors, 10)
        recalls.append((graph.recall, graph.distances.tobytes()))
    assert recalls[0] == recalls[1]


def test_lengths_that_are_off_by_a_hundredth_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What further lists show is compared by inner products first, and these depend on the lengths."""
    vectors = unit_rows(11_000, seed=12, n_centres=100)
    vectors *= np.random.default_rng(0).uniform(0.991, 1.009, (11_000, 1)).astype(np.float32)
    vectors[7] = 0
    cells = build_index(vectors, k=10).cells()
    module = import_module("index.knn_graph")
    monkeypatch.setattr(module, "_LEAST_GAIN", 2.0)
    graphs = []
    for probes in (2, cells.n_probes):
        monkeypatch.setattr(module, "_FIRST_PROBES", probes)
        graphs.append(knn_graph(vectors, 10, cells=cells, recall_target=1.0))
    # All lists at once keep the largest products and lose a few of the nearest; further lists add to them.
    assert np.mean(graphs[0].distances <= graphs[1].distances) > 0.999
    assert graphs[0].recall >= graphs[1].recall
    assert np.all(graphs[0].indices[7] >= 0)


def test_progress_counts_each_pass_to_its_end() -> None:
    vectors = unit_rows(11_000, seed=8, n_centres=100)
    told: list[tuple[str, int, int]] = []
    knn_graph(vectors, 10, recall_target=0.97, threads=2, on_progress=lambda *count: told.append(count))
    passes = [0] + [i + 1 for i, (_, done, total) in enumerate(told) if done == total]
    assert passes[-1] == len(told)
    assert told[0][0] == "vectors compared"
    for start, stop in pairwise(passes):
        counted = told[start:stop]
        assert len({(what, total) for what, _, total in counted}) == 1
        assert [done for _, done, _ in counted] == sorted({done for _, done, _ in counted})
        assert counted[-1][2] == 11_000


def test_threads_do_not_change_the_distances() -> None:
    for vectors in (unit_rows(5_000, seed=5), unit_rows(11_000, seed=5, n_centres=90)):
        cells = build_index(vectors, k=8).cells()
        one, two = (knn_graph(vectors, 8, cells=cells, threads=threads) for threads in (1, 2))
        assert one.distances.tobytes() == two.distances.tobytes()
        assert one.indices.tobytes() == two.indices.tobytes()


@pytest.mark.parametrize("n", [700, 11_000])
def test_half_precision_in_a_file_gives_the_graph_of_float32(n: int, tmp_path: Path) -> None:
    halves = unit_rows(n, seed=9, n_centres=40).astype(np.float16)
    halves[3] = 0
    np.save(tmp_path / "rows.npy", halves)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    full, half, file = (knn_graph(rows, 6) for rows in (halves.astype(np.float32), halves, mapped))
    check_graph(half, halves.astype(np.float32), 6)
    assert file.indices.tobytes() == half.indices.tobytes()
    assert file.distances.tobytes() == half.distances.tobytes()
    assert np.mean(half.indices == full.indices) > 0.999  # a sum in another order may round otherwise
    np.testing.assert_allclose(half.distances, full.distances, atol=1.5e-6)


def test_graph_is_that_of_search() -> None:
    vectors = unit_rows(400, seed=6)
    index = build_index(vectors)
    graph = knn_graph(vectors, 6, cells=index.cells())
    ids, distances = index.search(vectors, 7)
    assert np.array_equal(ids[:, 0], np.arange(400))
    assert np.array_equal(ids[:, 1:], graph.indices)
    assert np.array_equal(distances[:, 1:], graph.distances)


def test_wrong_arguments_are_named() -> None:
    vectors = unit_rows(6, seed=7)
    with pytest.raises(ValueError, match="k=0"):
        knn_graph(vectors, 0)
    with pytest.raises(ValueError, match="cells: they hold 5 vectors of 16 dimensions"):
        knn_graph(vectors, 2, cells=build_index(vectors[:5]).cells())
    with pytest.raises(ValueError, match=r"must be 0\.\.5"):
        build_index(vectors, ids=np.arange(1, 7)).cells()
