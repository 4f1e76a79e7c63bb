"""The parts of the graph's search against the slow and obvious."""

from __future__ import annotations

import numpy as np
import pytest
from test_knn_graph import all_distances, unit_rows

from index.coarse import grouped, nearest_lists, train_centroids
from index.exploring import explore, listed_by, mark_new
from index.list_search import lists_of, nearest_in_lists
from index.vectors import bits, gathered


def test_nearest_in_lists_are_the_nearest_of_what_is_probed() -> None:
    generator = np.random.default_rng(0)
    vectors, queries = unit_rows(1_500, seed=1), unit_rows(200, seed=2)
    numbers = generator.integers(0, 3, 1_500).astype(np.int32)  # lists longer than a block
    probed = np.array([[0, 2], [1, -1], [2, 1], [-1, -1]], dtype=np.int32)[np.arange(200) % 4]
    lists = lists_of(numbers, n_lists=4)
    found = nearest_in_lists(queries, vectors, lists, probed=probed, n_wanted=7)
    for query, lists_probed, rows in zip(queries, probed, found, strict=True):
        held = np.flatnonzero(np.isin(numbers, lists_probed))
        best = held[np.argsort(-(vectors[held] @ query), kind="stable")[:7]]
        assert rows[: len(best)].tolist() == best.tolist()
        assert np.all(rows[len(best) :] == -1)


def test_only_what_is_above_is_kept() -> None:
    vectors, queries = unit_rows(900, seed=5), unit_rows(40, seed=6)
    lists = lists_of(np.zeros(900, dtype=np.int32), n_lists=1)
    products = -np.sort(-(queries @ vectors.T), axis=1)
    better = np.arange(40) % 9  # so many are above
    above = (products[np.arange(40), better - 1] + products[np.arange(40), better]) / 2
    above[better == 0] = products[better == 0, 0] + 0.01
    found = nearest_in_lists(
        queries, vectors, lists, probed=np.zeros((40, 1), dtype=np.int32), n_wanted=6, above=above
    )
    assert (found >= 0).sum(axis=1).tolist() == np.minimum(better, 6).tolist()
    for query, rows in enumerate(found):
        near = products[query, : (rows >= 0).sum()]
        np.testing.assert_allclose(vectors[rows[rows >= 0]] @ queries[query], near, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
def test_a_round_finds_the_nearest_of_the_neighbours_neighbours(half: bool) -> None:
    n, k = 300, 4
    rows = unit_rows(n, seed=3)
    vectors = rows.astype(np.float16) if half else rows
    full = gathered(vectors, np.arange(n))
    true = all_distances(full)
    near = np.array([np.random.default_rng(i).choice(np.delete(np.arange(n), i), k, False) for i in range(n)])
    order = np.argsort(np.take_along_axis(true, near, axis=1), axis=1, kind="stable")
    near = np.take_along_axis(near, order, axis=1).astype(np.int32)
    indices, distances = near.copy(), np.take_along_axis(true, near, axis=1).astype(np.float32)
    marked = np.full_like(near, -1)
    mark_new(marked, near)
    back = listed_by(marked, 100)
    lengths = np.linalg.norm(full, axis=1)
    explore(np.arange(n, dtype=np.int32), bits(vectors), lengths, marked, back, indices, distances)
    for i in range(n):
        listed = back[i][back[i] != -1]
        assert set(np.where(listed < -1, -2 - listed, listed)) == set(np.flatnonzero((near == i).any(axis=1)))
        met = {int(o) for j in near[i] for o in [j, *near[j], *np.flatnonzero((near == j).any(axis=1))]}
        expected = np.sort(true[i, sorted(met - {i})])[:k]
        np.testing.assert_allclose(distances[i], expected, atol=2e-6)
        np.testing.assert_allclose(true[i, indices[i]], distances[i], atol=2e-6)


def test_lists_are_balanced_and_found_in_two_levels() -> None:
    rows = unit_rows(6_000, seed=4, n_centres=60)
    centroids = train_centroids(rows, 200, seed=1)
    assert centroids.shape == (200, 16)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    assert centroids.tobytes() == train_centroids(rows, 200, seed=1).tobytes()
    found = nearest_lists(grouped(centroids, seed=1), rows, 3)
    assert np.bincount(found[:, 0], minlength=200).max() < 10 * len(rows) / 200
    assert np.mean(found[:, 0] == np.argmax(rows @ centroids.T, axis=1)) > 0.9
