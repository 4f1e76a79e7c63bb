"""Core distances on a kNN graph, and what is refused."""

import numpy as np
import pytest
from checks import partition
from oracles import expand, full_graph, mutual_reachability
from scipy.spatial.distance import cdist

from clustering.density import ClusterSettings, cluster_graph
from clustering.density.reachability import RESOLUTION, core_distances


def ones(n):
    return np.ones(n, dtype=np.int64)


def random_matrix(seed, n=40):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    return cdist(points, points).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("min_samples", [1, 5, 39, 100])
def test_core_distances_equal_those_of_the_hdbscan_package(min_samples):
    from hdbscan._hdbscan_reachability import mutual_reachability as packaged

    matrix = random_matrix(0)
    core = core_distances(*full_graph(matrix), ones(40), min_samples=min_samples, floor=0.0)
    expected = packaged(matrix.copy(), min_samples)
    assert np.array_equal(np.maximum(matrix, np.maximum.outer(core, core)), expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_counts_like_so_many_points(seed):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(seed, 20)
    weights = rng.integers(1, 6, 20)
    expanded, origin = expand(matrix, weights)
    _, expected = mutual_reachability(expanded, min_samples=7, floor=0.1)
    core = core_distances(*full_graph(matrix), weights, min_samples=7, floor=0.1)
    assert np.array_equal(core[origin], expected)


def test_the_last_neighbour_stands_in_where_the_row_carries_too_little():
    indices = np.array([[1, 2], [0, -1], [1, -1]])
    distances = np.array([[0.1, 0.4], [0.1, np.inf], [0.3, np.inf]], dtype=np.float32)
    core = core_distances(indices, distances, ones(3), min_samples=5, floor=0.0)
    assert core == pytest.approx([0.4, 0.1, 0.3])


def test_a_point_that_only_others_list_takes_the_farthest_of_them():
    indices = np.array([[2], [2], [-1], [-1], [-1]])
    distances = np.array([[0.1], [0.4], [np.inf], [np.inf], [np.inf]], dtype=np.float32)
    weights = np.array([1, 1, 1, 1, 2])
    core = core_distances(indices, distances, weights, min_samples=5, floor=0.0)
    assert core == pytest.approx([0.1, 0.4, 0.4, np.inf, RESOLUTION])


def test_no_distance_is_below_the_floor_or_the_resolution():
    graph = full_graph(np.zeros((6, 6)))
    assert (core_distances(*graph, ones(6), min_samples=2, floor=0.35) == 0.35).all()
    assert (core_distances(*graph, ones(6), min_samples=2, floor=0.0) == RESOLUTION).all()


@pytest.mark.parametrize(
    ("indices", "distances", "message"),
    [
        ([[1], [2]], [[0.1], [0.1]], r"row 1 .* outside -1\.\.n-1"),
        ([[1], [-2]], [[0.1], [0.1]], r"row 1 .* outside -1\.\.n-1"),
        ([[0], [0]], [[0.1], [0.1]], "row 0 .* itself"),
        ([[1], [0]], [[0.1], [-0.1]], "row 1 .* negative"),
        ([[1], [0]], [[np.inf], [0.1]], "row 0 .* infinite"),
        ([[1], [0]], [[np.nan], [0.1]], "row 0 .* not a number"),
        ([[1, 2], [0, 2], [0, 1]], [[0.1, 0.2], [0.1, 0.2], [0.2, 0.1]], "row 2 .* descend"),
        ([[1], [0]], [[0.1, 0.2], [0.1, 0.2]], "one shape"),
        ([1, 0], [0.1, 0.1], "one shape"),
    ],
)
def test_what_is_no_knn_graph_is_refused(indices, distances, message):
    with pytest.raises(ValueError, match=message):
        cluster_graph(indices, distances)


def test_wrong_weights_are_refused():
    graph = full_graph(random_matrix(1, 5))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        cluster_graph(*graph, weights=[1, 1, 0, 1, 1])
    with pytest.raises(ValueError, match=r"\(5,\), not \(4,\)"):
        cluster_graph(*graph, weights=[1, 1, 1, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_cluster_size": 1},
        {"min_samples": 0},
        {"distance_floor": -0.1},
        {"distance_floor": np.nan},
        {"selection": "flat"},
    ],
)
def test_wrong_settings_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClusterSettings(**wrong)


def test_missing_neighbours_may_stand_anywhere_in_a_row():
    matrix = random_matrix(2, 30)
    indices, distances = full_graph(matrix, 8)
    settings = ClusterSettings(min_cluster_size=3, min_samples=2)
    plain = cluster_graph(indices, distances, settings=settings)
    gaps = np.insert(indices, 3, -1, axis=1), np.insert(distances, 3, np.inf, axis=1)
    assert partition(cluster_graph(*gaps, settings=settings).labels) == partition(plain.labels)
