"""Density clustering against the ``hdbscan`` package, the definition, expanded points and itself permuted."""

import numpy as np
import pytest
from checks import check_clustering, partition
from density_cases import mixture
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import density_clusters, expand, full_graph, mutual_reachability
from scipy.spatial.distance import cdist

from clustering.density import ClusterSettings, cluster_graph


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_hdbscan_where_no_two_edges_are_equal(seed, metric, selection):
    """With min_samples = 1 no two mutual reachabilities are equal; for more, see the next tests."""
    from hdbscan import HDBSCAN

    points = mixture(seed)
    matrix = cdist(points, points)
    size = 5 + seed
    ours = cluster_graph(
        *full_graph(matrix),
        settings=ClusterSettings(min_cluster_size=size, min_samples=1, selection=selection),
    )
    theirs = HDBSCAN(
        min_cluster_size=size,
        min_samples=1,
        metric=metric,
        algorithm="generic",
        cluster_selection_method=selection,
    ).fit(points if metric == "euclidean" else matrix)
    assert ours.n_clusters > 1
    assert ours.labels.tolist() == partition(theirs.labels_)
    assert ours.strengths == pytest.approx(theirs.probabilities_, abs=1e-5)
    of_the_tree = ours.clusters.stabilities / (ours.clusters.weights * ours.tree.point_lambdas.max())
    assert np.sort(of_the_tree) == pytest.approx(np.sort(theirs.cluster_persistence_), abs=1e-5)


def without_arbitrary_members(clusterer):
    """Labels of hdbscan, less the points that leave a cluster at the very lambda of its birth.

    Such a point is tied between the clusters that part there; the order of the rows decides its place.
    """
    rows = clusterer.condensed_tree_.to_numpy()
    births = {row["child"]: row["lambda_val"] for row in rows if row["child_size"] > 1}
    labels = clusterer.labels_.copy()
    for row in rows[rows["child_size"] == 1]:
        if births.get(row["parent"]) == row["lambda_val"]:
            labels[row["child"]] = -1
    return labels


@pytest.mark.parametrize("seed", range(8))
def test_equals_hdbscan_with_smoothing_on_separate_blobs(seed):
    from hdbscan import HDBSCAN

    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(centre, rng.uniform(0.5, 1), (50, 3)) for centre in np.eye(3) * 12])
    chosen = ClusterSettings(min_cluster_size=30, min_samples=5)
    ours = cluster_graph(*full_graph(cdist(points, points)), settings=chosen)
    theirs = HDBSCAN(min_cluster_size=30, min_samples=5, algorithm="generic").fit(points)
    assert ours.n_clusters == 3
    assert ours.labels.tolist() == partition(without_arbitrary_members(theirs))
    members = ours.labels >= 0
    assert ours.strengths[members] == pytest.approx(theirs.probabilities_[members], abs=1e-5)


def test_hdbscans_own_partition_depends_on_the_order_of_rows_and_ours_does_not():
    """Why equality with smoothing is asked only away from ties: this fails when the package mends it."""
    from hdbscan import HDBSCAN

    theirs, ours = set(), set()
    points = mixture(2)
    chosen = ClusterSettings(min_cluster_size=5, min_samples=3)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(points))
        back = np.argsort(order)
        found = HDBSCAN(min_cluster_size=5, min_samples=3, algorithm="generic").fit(points[order])
        theirs.add(tuple(partition(found.labels_[back])))
        graph = full_graph(cdist(points[order], points[order]))
        ours.add(tuple(partition(cluster_graph(*graph, settings=chosen).labels[back])))
    assert len(theirs) > 1
    assert len(ours) == 1


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("seed", range(10))
def test_equals_the_definition_with_smoothing(seed, selection):
    rng = np.random.default_rng(seed)
    matrix = cdist(*[mixture(seed)[rng.permutation(60)[:50]]] * 2).astype(np.float32).astype(np.float64)
    reach, _ = mutual_reachability(matrix, min_samples=3)
    labels, strengths = density_clusters(reach, min_cluster_size=4, selection=selection)
    chosen = ClusterSettings(min_cluster_size=4, min_samples=3, selection=selection)
    found = cluster_graph(*full_graph(matrix), settings=chosen)
    assert found.labels.tolist() == partition(labels)
    assert found.strengths == pytest.approx(strengths, abs=1e-6)


@st.composite
def tied_cases(draw):
    """Few points on a coarse grid with weights: ties and duplicates everywhere."""
    n = draw(st.integers(2, 14))
    places = draw(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=n, max_size=n))
    weights = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    chosen = ClusterSettings(
        min_cluster_size=draw(st.integers(2, 6)),
        min_samples=draw(st.integers(1, 5)),
        distance_floor=draw(st.sampled_from([0.0, 1.0, 1.5])),
        selection=draw(st.sampled_from(["eom", "leaf"])),
    )
    matrix = np.abs(np.array(places)[:, None] - np.array(places)).sum(axis=2).astype(float)
    return matrix, np.array(weights), chosen


@given(tied_cases())
@settings(max_examples=300, deadline=None)
def test_weighted_points_are_clustered_as_the_points_they_stand_for(case):
    """Against the definition on the expanded points, and against our own run on them."""
    matrix, weights, chosen = case
    found = cluster_graph(*full_graph(matrix), weights=weights, settings=chosen)
    check_clustering(found, chosen)
    expanded, origin = expand(matrix, weights)
    own = cluster_graph(*full_graph(expanded), settings=chosen)
    check_clustering(own, chosen)
    assert own.labels.tolist() == found.labels[origin].tolist()
    assert own.strengths == pytest.approx(found.strengths[origin], abs=1e-6)
    reach, _ = mutual_reachability(
        expanded, min_samples=chosen.min_samples, floor=max(chosen.distance_floor, 1e-6)
    )
    labels, strengths = density_clusters(
        reach, min_cluster_size=chosen.min_cluster_size, selection=chosen.selection
    )
    assert own.labels.tolist() == partition(labels)
    assert own.strengths == pytest.approx(strengths, abs=1e-6)


@given(tied_cases(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_permuting_the_rows_permutes_the_labels(case, random):
    matrix, weights, chosen = case
    order = list(range(len(weights)))
    random.shuffle(order)
    plain = cluster_graph(*full_graph(matrix), weights=weights, settings=chosen)
    moved = cluster_graph(*full_graph(matrix[np.ix_(order, order)]), weights=weights[order], settings=chosen)
    assert partition(moved.labels) == partition(plain.labels[order])
    assert moved.strengths == pytest.approx(plain.strengths[order], abs=1e-6)


def test_the_same_bytes_on_every_run_whatever_the_layout_of_the_arrays():
    points = mixture(5)
    indices, distances = full_graph(cdist(points, points), 12)
    first = cluster_graph(indices, distances)
    second = cluster_graph(np.asfortranarray(indices.astype(np.int32)), distances.astype(np.float64).tolist())
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.strengths.tobytes() == second.strengths.tobytes()
    assert first.edges.tobytes() == second.edges.tobytes()


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_permuting_a_sparse_graph_with_missing_neighbours_permutes_the_labels(seed, random):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    points = rng.normal(size=(n, 2)).cumsum(axis=0)
    indices, distances = full_graph(cdist(points, points), 6)
    far = distances > np.quantile(distances, 0.7)
    indices[far], distances[far] = -1, np.inf
    order = list(range(n))
    random.shuffle(order)
    new = np.argsort(order)
    chosen = ClusterSettings(min_cluster_size=3, min_samples=2)
    plain = cluster_graph(indices, distances, settings=chosen)
    check_clustering(plain, chosen)
    moved = cluster_graph(np.where(indices < 0, -1, new[indices])[order], distances[order], settings=chosen)
    assert partition(moved.labels) == partition(plain.labels[order])
