"""Invariants that hold for every result, whatever the input: call them in every test."""

from __future__ import annotations

from collections import Counter

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


def check_families(families, prompts, views, settings):
    """Everything that must hold of `Families`, whatever the prompts."""
    labels, weights = families.labels, prompts["n_requests"].to_numpy()
    n_families = len(families.ids)
    assert labels.size == families.strengths.size == len(prompts), "every prompt is accounted for"
    assert partition(labels) == labels.tolist(), "families are numbered by their smallest member"
    assert labels.max(initial=-1) == n_families - 1
    assert ((families.strengths >= 0) & (families.strengths <= 1)).all()
    assert ((families.strengths == 0) == (labels < 0)).all()
    assert families.ids.n_unique() == n_families
    assert families.ids.str.contains(r"^f[0-9a-f]{12}$").all()
    assert families.views.size == families.medoids.size == n_families
    assert (labels[families.medoids] == np.arange(n_families)).all()
    for family in range(n_families):
        members = np.flatnonzero(labels == family)
        assert weights[members].sum() >= settings.min_family
        assert (families.views[family] == 2) == (members.size == 1)
        if families.views[family] == 0:
            assert views.skeleton.lengths[members].all()
        assert families.medoids[family] == _medoid(families, members, weights, views.skeleton)
    _check_view_clusters(families, views)


def _medoid(families, members, weights, skeletons):
    """Of a family's rows the one with the commonest skeleton, strongest, most frequent, first."""
    carried, sent = {row: skeletons[row] for row in members.tolist()}, Counter()
    if families.views[families.labels[members[0]]] == 0:
        for row, skeleton in carried.items():
            sent[skeleton] += weights[row]
    return min(
        carried,
        key=lambda row: (-sent[carried[row]], carried[row], -families.strengths[row], -weights[row], row),
    )


def _check_view_clusters(families, views):
    """The points of both views carry the labels of their prompts, each prompt in one view at most."""
    skeletons = views.skeleton.to_list()
    by_skeleton = dict(zip(families.skeleton.texts, families.skeleton.labels.tolist(), strict=True))
    by_row = dict(zip(families.whole.rows.tolist(), families.whole.labels.tolist(), strict=True))
    assert set(by_skeleton) == set(skeletons) - {""}
    carriers = [skeletons.index(skeleton) for skeleton in families.skeleton.texts]
    assert families.skeleton.rows.tolist() == carriers, "the first prompt that carries each"
    assert len(families.whole.texts) == 0
    for row, (label, skeleton) in enumerate(zip(families.labels, skeletons, strict=True)):
        if row in by_row:
            assert by_row[row] == label
            assert by_skeleton.get(skeleton, -1) == -1
        else:
            assert by_skeleton[skeleton] == label >= 0
    for view in (families.skeleton, families.whole):
        assert view.labels.size == view.strengths.size == view.nearest.size == view.rows.size
        assert (view.index is None) == (view.labels.size == 0)
        assert (view.nearest >= 0).all()
        assert np.isinf(view.nearest[view.labels < 0]).all()
