"""The stages of a density clustering: core distances, spanning tree, condensed tree, flat clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clustering.density.condensed_tree import CondensedTree, condense
from clustering.density.extraction import extract
from clustering.density.reachability import check_graph, core_distances
from clustering.density.result import Clustering
from clustering.density.settings import ClusterSettings
from clustering.density.spanning_tree import minimum_spanning_tree

_DEFAULT = ClusterSettings()


def cluster_graph(
    indices: ArrayLike,
    distances: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    farthest: float = np.inf,
    settings: ClusterSettings = _DEFAULT,
) -> Clustering:
    """Cluster the points of a kNN graph by density (HDBSCAN*; Campello, Moulavi and Sander 2013).

    Parameters
    ----------
    indices
        Neighbours of each point, integers (n, k), the point itself left out, -1 where one is missing;
        int32 is read as it is, all else is copied as int64.
    distances
        Their distances, (n, k), read as float32, ascending in each row.
    weights
        Number of identical points that each point stands for, (n,), at least 1; None for 1 each.
    farthest
        Neighbours at a larger distance count as missing.
    settings
        Cluster size, smoothing, floor and selection.

    Returns
    -------
    The clustering. It is the same on every run, and permuting the points permutes it. On a full graph of
    points without ties it equals ``hdbscan.HDBSCAN(algorithm="generic")``; see the modules for where it goes
    beyond.

    Raises
    ------
    ValueError
        The arrays do not form a kNN graph.

    Notes
    -----
    All points identical, or a graph without any split, has no cluster unless ``allow_single_cluster`` is set.
    """
    given = np.asarray(indices)
    kind: Any = np.int32 if given.dtype == np.int32 else np.int64
    neighbours: NDArray[Any] = np.ascontiguousarray(given, dtype=kind)
    lengths = np.ascontiguousarray(distances, dtype=np.float32)
    if weights is None:
        point_weights = np.ones(neighbours.shape[0], dtype=np.int64)
    else:
        point_weights = np.ascontiguousarray(weights, dtype=np.int64)
    check_graph(neighbours, lengths, point_weights)
    return _cluster(neighbours, lengths, point_weights, float(np.float32(farthest)), settings)


def _cluster(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    weights: NDArray[np.int64],
    farthest: float,
    settings: ClusterSettings,
) -> Clustering:
    core = core_distances(
        indices,
        distances,
        weights,
        min_samples=settings.min_samples,
        floor=settings.distance_floor,
        farthest=farthest,
    )
    spanning_tree = minimum_spanning_tree(indices, distances, core, farthest=farthest)
    core[np.isinf(core)] = spanning_tree.bridge_distance  # a lone point without neighbours
    if weights.size:
        tree = condense(spanning_tree, core, weights, min_cluster_size=settings.min_cluster_size)
    else:
        tree = _empty_tree()
    clusters = extract(tree, weights, settings)
    return Clustering(
        labels=clusters.labels,
        strengths=clusters.strengths,
        point_weights=weights,
        core_distances=core,
        spanning_tree=spanning_tree,
        tree=tree,
        clusters=clusters,
    )


def _empty_tree() -> CondensedTree:
    """A root of no points."""
    nothing = np.zeros(0, dtype=np.int64)
    root = np.array([-1], dtype=np.int32)
    return CondensedTree(
        nothing.astype(np.int32), np.zeros(0), root, np.zeros(1), np.zeros(1, dtype=np.int64)
    )
