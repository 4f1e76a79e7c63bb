"""Flat clusters of a condensed tree: excess of mass or leaves, with strengths, persistences and exemplars.

The rules are those of the ``hdbscan`` package, in compiled loops of our own: its ``compute_stability`` and
``get_clusters`` take any row of size above 1 for a cluster, so they cannot carry weights, and they keep a
Python dictionary per cluster. On trees of weight 1 without ties the results are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.density.compiled import compiled
from clustering.density.condensed_tree import CondensedTree
from clustering.density.settings import ClusterSettings

N_EXEMPLARS = 16
_TIE = 1e-9  # relative; sums over a cluster's points in another order differ by less


@dataclass(frozen=True, eq=False)
class FlatClusters:
    """Clusters numbered 0..c-1 by their smallest member.

    Attributes
    ----------
    labels
        int64 (n,), -1 for noise.
    strengths
        float32 (n,), in [0, 1]: lambda at which the point leaves over the largest at which the cluster lives;
        0 for noise.
    nodes
        int64 (c,), the cluster's number in the condensed tree.
    weights
        int64 (c,), sum of the weights of the members.
    stabilities
        float64 (c,), excess of mass: sum over members of weight times (lambda of leaving - lambda of birth).
    persistences
        float64 (c,), in (0, 1]: the weighted mean over members of (lambda of leaving - lambda of birth), over
        the cluster's largest lambda. ``hdbscan`` divides by the tree's largest, so that one pair of near
        duplicates anywhere makes all else look fleeting.
    exemplars
        int64 (c, 16), members of the largest lambda in each leaf below the cluster, densest first, then
        heaviest, then smallest index; -1 where there are fewer.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    nodes: NDArray[np.int64]
    weights: NDArray[np.int64]
    stabilities: NDArray[np.float64]
    persistences: NDArray[np.float64]
    exemplars: NDArray[np.int64]


@compiled
def _lives(
    point_clusters: NDArray[np.int32],
    point_lambdas: NDArray[np.float64],
    weights: NDArray[np.int64],
    parents: NDArray[np.int32],
    births: NDArray[np.float64],
    cluster_weights: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Stability, largest lambda and leafness of each cluster of the tree."""
    stability = np.zeros(parents.size)
    deaths = np.zeros(parents.size)
    is_leaf = np.ones(parents.size, dtype=np.bool_)
    for c in range(1, parents.size):
        parent = parents[c]
        stability[parent] += (births[c] - births[parent]) * cluster_weights[c]
        deaths[parent] = max(deaths[parent], births[c])
        is_leaf[parent] = False
    for i in range(point_clusters.size):
        c = point_clusters[i]
        stability[c] += (point_lambdas[i] - births[c]) * weights[i]
        deaths[c] = max(deaths[c], point_lambdas[i])
    return stability, deaths, is_leaf


@compiled
def _heaviest_antichain(parents: NDArray[np.int32], stability: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Clusters at least as stable as all that lies below them (Campello et al. 2013, equation 6)."""
    chosen = np.ones(parents.size, dtype=np.bool_)
    below = np.zeros(parents.size)
    for c in range(parents.size - 1, -1, -1):
        chosen[c] = below[c] <= stability[c] * (1.0 + _TIE)
        if c > 0:
            below[parents[c]] += stability[c] if chosen[c] else below[c]
    return chosen


@compiled
def _uppermost(parents: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The uppermost chosen cluster at or above each cluster, -1 for none."""
    owner = np.full(parents.size, -1, dtype=np.int32)
    for c in range(parents.size):
        if c > 0 and owner[parents[c]] >= 0:
            owner[c] = owner[parents[c]]
        elif chosen[c]:
            owner[c] = c
    return owner


@compiled
def _number(owners: NDArray[np.int32], n_nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace tree clusters by 0, 1, ... in the order of their first points."""
    labels = np.full(owners.size, -1, dtype=np.int64)
    label_of = np.full(n_nodes, -1, dtype=np.int64)
    nodes = np.empty(n_nodes, dtype=np.int64)
    n_labels = 0
    for i in range(owners.size):
        c = owners[i]
        if c >= 0:
            if label_of[c] < 0:
                label_of[c] = n_labels
                nodes[n_labels] = c
                n_labels += 1
            labels[i] = label_of[c]
    return labels, nodes[:n_labels].copy()


def _exemplars(
    labels: NDArray[np.int64],
    lambdas: NDArray[np.float64],
    weights: NDArray[np.int64],
    densest: NDArray[np.bool_],
    n_labels: int,
) -> NDArray[np.int64]:
    candidates = np.flatnonzero(densest & (labels >= 0))
    order = np.lexsort(
        (-weights[candidates], -lambdas[candidates], labels[candidates])
    )  # stable: then by index
    candidates = candidates[order]
    starts = np.searchsorted(labels[candidates], np.arange(n_labels))
    place = np.arange(candidates.size) - starts[labels[candidates]]
    first = place < N_EXEMPLARS
    exemplars = np.full((n_labels, N_EXEMPLARS), -1, dtype=np.int64)
    exemplars[labels[candidates[first]], place[first]] = candidates[first]
    return exemplars


def extract(tree: CondensedTree, weights: NDArray[np.int64], settings: ClusterSettings) -> FlatClusters:
    """Choose clusters of the tree.

    Parameters
    ----------
    tree
        Condensed tree of n >= 1 points.
    weights
        Weights of the points, (n,).
    settings
        ``selection``, ``allow_single_cluster``, ``min_cluster_size`` and ``min_persistence`` are read.

    Returns
    -------
    The clusters. Between a cluster and equally stable ones below it the upper is chosen. The root can be
    chosen only where a single cluster is allowed and it weighs enough; as in ``hdbscan``, its members are
    then the points that stay to its end.
    """
    stability, deaths, is_leaf = _lives(
        tree.point_clusters,
        tree.point_lambdas,
        weights,
        tree.cluster_parents,
        tree.cluster_births,
        tree.cluster_weights,
    )
    chosen = (
        is_leaf.copy()
        if settings.selection == "leaf"
        else _heaviest_antichain(tree.cluster_parents, stability)
    )
    if not settings.allow_single_cluster or tree.cluster_weights[0] < settings.min_cluster_size:
        chosen[0] = False
    owners = _uppermost(tree.cluster_parents, chosen)[tree.point_clusters]
    if chosen[0]:
        owners[tree.point_lambdas < deaths[0]] = -1
    persistence = stability / (tree.cluster_weights * deaths) if weights.size else stability
    owners[persistence[owners] < settings.min_persistence] = -1
    labels, nodes = _number(owners, chosen.size)
    members = np.flatnonzero(labels >= 0)
    strengths = np.zeros(labels.size, dtype=np.float32)
    strengths[members] = np.minimum(tree.point_lambdas[members] / deaths[owners[members]], 1.0)
    member_weights = np.zeros(nodes.size, dtype=np.int64)
    np.add.at(member_weights, labels[members], weights[members])
    densest = is_leaf[tree.point_clusters] & (tree.point_lambdas == deaths[tree.point_clusters])
    return FlatClusters(
        labels=labels,
        strengths=strengths,
        nodes=nodes,
        weights=member_weights,
        stabilities=stability[nodes],
        persistences=persistence[nodes],
        exemplars=_exemplars(labels, tree.point_lambdas, weights, densest, nodes.size),
    )
