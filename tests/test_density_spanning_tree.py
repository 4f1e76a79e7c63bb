"""The minimum spanning tree against Kruskal and scipy."""

import numpy as np
import pytest
from oracles import full_graph, kruskal
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree as scipy_tree

from clustering.density.reachability import core_distances
from clustering.density.spanning_tree import minimum_spanning_tree


def random_graph(rng, n, k, levels):
    """A kNN graph that need not be symmetric, with many equal distances and missing neighbours."""
    indices = np.full((n, k), -1)
    distances = np.full((n, k), np.inf, dtype=np.float32)
    for i in range(n):
        others = np.delete(np.arange(n), i)
        row = rng.choice(others, size=min(rng.integers(0, k + 1), n - 1), replace=False)
        indices[i, : row.size] = row
        distances[i, : row.size] = np.sort(rng.integers(1, levels + 1, row.size) / levels)
    return indices, distances


def reachability_edges(indices, distances, core):
    return [
        (max(float(d), core[i], core[j]), min(i, j), max(i, j))
        for i, row in enumerate(indices.tolist())
        for j, d in zip(row, distances[i], strict=True)
        if j >= 0
    ]


@pytest.mark.parametrize("seed", range(40))
def test_the_edges_are_those_of_kruskal(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 60)), int(rng.integers(1, 6))
    indices, distances = random_graph(rng, n, k, levels=int(rng.choice([1, 3, 1000])))
    core = core_distances(indices, distances, np.ones(n, dtype=np.int64), min_samples=2, floor=0.0)
    tree = minimum_spanning_tree(indices, distances, core)
    expected = kruskal(n, reachability_edges(indices, distances, core))
    n_edges = n - tree.n_components
    found = list(zip(tree.distances.tolist(), tree.sources.tolist(), tree.targets.tolist(), strict=True))
    assert found[:n_edges] == expected
    assert (tree.distances[n_edges:] == tree.bridge_distance).all()
    assert all(d < tree.bridge_distance for d in tree.distances[:n_edges])


def test_the_weight_is_that_of_scipy():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(300, 4))
    indices, distances = full_graph(np.linalg.norm(points[:, None] - points, axis=2), 12)
    core = core_distances(indices, distances, np.ones(300, dtype=np.int64), min_samples=4, floor=0.0)
    edges = {(lo, hi): d for d, lo, hi in reachability_edges(indices, distances, core)}
    lo, hi = np.array(list(edges)).T
    expected = scipy_tree(coo_matrix((list(edges.values()), (lo, hi)), shape=(300, 300))).sum()
    tree = minimum_spanning_tree(indices, distances, core)
    assert tree.n_components == 1
    assert tree.distances.astype(float).sum() == pytest.approx(expected, rel=1e-12)


def test_bridges_join_components_from_the_smallest_index():
    indices = np.array([[3], [4], [-1], [0], [1]])
    distances = np.array([[0.2], [0.3], [np.inf], [0.2], [0.3]], dtype=np.float32)
    core = core_distances(indices, distances, np.ones(5, dtype=np.int64), min_samples=1, floor=0.0)
    tree = minimum_spanning_tree(indices, distances, core)
    assert tree.n_components == 3
    assert tree.distances == pytest.approx([0.2, 0.3, 2.0, 2.0])
    assert list(zip(tree.sources, tree.targets, strict=True)) == [(0, 3), (1, 4), (0, 1), (0, 2)]


def test_a_bridge_is_longer_than_any_edge_of_another_metric():
    indices, distances = np.array([[1], [0], [-1]]), np.array([[50.0], [50.0], [np.inf]], dtype=np.float32)
    core = core_distances(indices, distances, np.ones(3, dtype=np.int64), min_samples=1, floor=0.0)
    assert minimum_spanning_tree(indices, distances, core).distances.tolist() == [50.0, 100.0]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_without_edges_there_are_only_bridges(n):
    empty = np.zeros((n, 0), dtype=np.int64), np.zeros((n, 0), dtype=np.float32)
    tree = minimum_spanning_tree(*empty, np.full(n, np.inf))
    assert tree.distances.tolist() == [2.0] * max(n - 1, 0)
    assert tree.n_components == n
