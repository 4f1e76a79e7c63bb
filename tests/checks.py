"""Invariants that hold for every result, whatever the input: call them in every test."""

from __future__ import annotations

import numpy as np


def partition(labels):
    """Labels renamed 0, 1, ... by first appearance, noise kept: equal for equal partitions."""
    names = {}
    return [-1 if label < 0 else names.setdefault(int(label), len(names)) for label in labels]


def check_clustering(clustering, settings):
    """Everything that must hold of a `Clustering`."""
    n = clustering.labels.size
    _check_labels(clustering, settings)
    _check_clusters(clustering)
    _check_spanning_tree(clustering.spanning_tree, n)
    _check_condensed_tree(clustering.tree, clustering.point_weights, settings)
    assert np.isfinite(clustering.core_distances).all()
    assert (clustering.core_distances >= settings.distance_floor).all()


def _check_labels(clustering, settings):
    labels, strengths, weights = clustering.labels, clustering.strengths, clustering.point_weights
    assert labels.dtype == np.int64
    assert strengths.dtype == np.float32
    assert sorted(set(labels.tolist()) - {-1}) == list(range(clustering.n_clusters))
    assert partition(labels) == labels.tolist(), "clusters are numbered by their smallest member"
    assert ((strengths >= 0) & (strengths <= 1)).all()
    assert ((strengths == 0) == (labels == -1)).all()
    sizes = [weights[labels == c].sum() for c in range(clustering.n_clusters)]
    assert all(size >= settings.min_cluster_size for size in sizes)
    assert sizes == clustering.clusters.weights.tolist()


def _check_clusters(clustering):
    clusters = clustering.clusters
    assert (clusters.stabilities > 0).all()
    assert ((clusters.persistences > 0) & (clusters.persistences <= 1 + 1e-9)).all()
    assert (np.diff(np.sort(clusters.nodes)) > 0).all(), "no part of the tree is chosen twice"
    for label, exemplars in enumerate(clusters.exemplars):
        found = exemplars[exemplars >= 0]
        assert found.size > 0
        assert (exemplars[found.size :] == -1).all()
        assert len(set(found.tolist())) == found.size
        assert (clustering.labels[found] == label).all()
        assert clustering.strengths[found].max() == 1.0


def _check_spanning_tree(tree, n):
    assert tree.sources.size == tree.targets.size == tree.distances.size == max(n - 1, 0)
    assert (tree.sources < tree.targets).all()
    assert (np.lexsort((tree.targets, tree.sources, tree.distances)) == np.arange(tree.distances.size)).all()
    assert (tree.distances > 0).all()
    bridges = tree.distances == tree.bridge_distance
    assert bridges.sum() == max(tree.n_components - 1, 0)
    group = list(range(n))
    for a, b in zip(tree.sources.tolist(), tree.targets.tolist(), strict=True):
        while group[a] != a:
            a = group[a]
        while group[b] != b:
            b = group[b]
        assert a != b, "a spanning tree has no cycle"
        group[a] = b


def _check_condensed_tree(tree, weights, settings):
    parents, births = tree.cluster_parents, tree.cluster_births
    assert parents[0] == -1
    assert births[0] == 0
    assert (parents[1:] < np.arange(1, parents.size)).all()
    assert (births[1:] > births[parents[1:]]).all(), "a cluster lives for a while"
    assert (tree.point_lambdas > births[tree.point_clusters]).all()
    assert np.isfinite(tree.point_lambdas).all()
    assert (tree.cluster_weights[1:] >= settings.min_cluster_size).all()
    totals = np.bincount(tree.point_clusters, weights, minlength=parents.size)
    for c in range(parents.size - 1, 0, -1):
        totals[parents[c]] += totals[c]
    assert totals.tolist() == tree.cluster_weights.tolist(), "no weight is lost or counted twice"
    n_children = np.bincount(parents[1:], minlength=parents.size)
    assert (n_children != 1).all()
