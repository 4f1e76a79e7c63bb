"""Single linkage and the condensed tree of weighted points, as plain arrays in compiled loops.

The condensed tree (Campello, Moulavi and Sander 2013, section 3) follows the components of the graph as the
distance falls, lambda = 1 / distance rises. Where a cluster breaks into two or more parts of at least
`min_cluster_size`, each such part is a new cluster; with one such part the cluster goes on; smaller parts
fall out of it, and with no such part it dies.

Two points differ from the ``hdbscan`` package, and agree with it where neither occurs:

- Edges of equal distance are cut at once, and a cluster may break into more than two parts. A binary tree
  cuts them one after another in the order of the rows. With a distance floor most edges of a family are
  equal, and the result would depend on that order.
- Sizes are sums of weights. A point of weight w joins itself at its core distance; where w reaches the
  minimum size it goes on alone, as w identical points would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.density.compiled import compiled
from clustering.density.spanning_tree import SpanningTree, find

_IN_CLUSTER = 0.0
_SAME_CUT = -1.0


@dataclass(frozen=True, eq=False)
class CondensedTree:
    """Clusters 0..m-1, the root first, each before its children; one row per point and one per cluster.

    Attributes
    ----------
    point_clusters
        int32 (n,), the last cluster that each point belongs to.
    point_lambdas
        float64 (n,), lambda at which the point leaves it.
    cluster_parents
        int32 (m,), -1 for the root.
    cluster_births
        float64 (m,), lambda at which the cluster leaves its parent, 0 for the root.
    cluster_weights
        int64 (m,), sum of the weights of the cluster's points at its birth.
    """

    point_clusters: NDArray[np.int32]
    point_lambdas: NDArray[np.float64]
    cluster_parents: NDArray[np.int32]
    cluster_births: NDArray[np.float64]
    cluster_weights: NDArray[np.int64]


@compiled
def merge(
    sources: NDArray[np.int32], targets: NDArray[np.int32], weights: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Single linkage: join along ascending edges.

    Parameters
    ----------
    sources, targets
        Edges of a spanning tree, (n - 1,), shortest first.
    weights
        Weights of the points, (n,).

    Returns
    -------
    The two nodes that each edge joins, (n - 1, 2), and the weight of every node, (2 n - 1,). Nodes under n
    are points; node n + e is made by edge e.
    """
    n = weights.shape[0]
    parents = np.arange(n).astype(np.int32)
    node_of = parents.copy()
    joined = np.empty((n - 1, 2), dtype=np.int32)
    node_weights = np.empty(2 * n - 1, dtype=np.int64)
    node_weights[:n] = weights
    for e in range(n - 1):
        a, b = find(parents, sources[e]), find(parents, targets[e])
        joined[e, 0] = node_of[a]
        joined[e, 1] = node_of[b]
        node_weights[n + e] = node_weights[node_of[a]] + node_weights[node_of[b]]
        parents[max(a, b)] = min(a, b)
        node_of[min(a, b)] = n + e
    return joined, node_weights


@compiled
def _parts(
    node: int,
    joined: NDArray[np.int32],
    heights: NDArray[np.float32],
    fate: NDArray[np.float32],
    parts: NDArray[np.int32],
) -> int:
    """Write what `node` breaks into when all its edges of one length are cut; return the number of parts."""
    n = joined.shape[0] + 1
    n_parts = 0
    n_waiting = 1
    parts[parts.size - 1] = node  # parts grow from the front, waiting nodes from the back
    while n_waiting > 0:
        x = parts[parts.size - n_waiting]
        n_waiting -= 1
        for child in joined[x - n]:
            if child >= n and heights[child] == heights[node]:
                fate[child] = _SAME_CUT
                n_waiting += 1
                parts[parts.size - n_waiting] = child
            else:
                parts[n_parts] = child
                n_parts += 1
    return n_parts


@compiled
def _large_first(
    parts: NDArray[np.int32],
    node_weights: NDArray[np.int64],
    heights: NDArray[np.float32],
    height: float,
    min_cluster_size: int,
) -> int:
    """Move the parts that live on below `height` to the front; return their number."""
    n_large = 0
    for p in range(parts.size):
        x = parts[p]
        if node_weights[x] >= min_cluster_size and heights[x] < height:
            parts[p], parts[n_large] = parts[n_large], x
            n_large += 1
    return n_large


@compiled
def _condense(
    joined: NDArray[np.int32],
    heights: NDArray[np.float32],
    node_weights: NDArray[np.int64],
    min_cluster_size: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
    n = joined.shape[0] + 1
    cluster = np.zeros(2 * n - 1, dtype=np.int32)
    fate = np.zeros(2 * n - 1, dtype=np.float32)  # _IN_CLUSTER, _SAME_CUT, or the height at which it fell out
    parts = np.empty(2 * n, dtype=np.int32)
    most = 2 * min(n, node_weights[2 * n - 2] // min_cluster_size) + 1  # leaves are heavy, and hold a point
    cluster_parents = np.full(most, -1, dtype=np.int32)
    births = np.zeros(most, dtype=np.float64)
    cluster_weights = np.zeros(most, dtype=np.int64)
    cluster_weights[0] = node_weights[2 * n - 2]
    n_clusters = 1
    for node in range(2 * n - 2, n - 1, -1):  # a node is made after its parts, so it comes before them here
        if fate[node] > _IN_CLUSTER:
            for child in joined[node - n]:
                cluster[child] = cluster[node]
                fate[child] = fate[node]
        elif fate[node] == _IN_CLUSTER:
            n_parts = _parts(node, joined, heights, fate, parts)
            n_large = _large_first(parts[:n_parts], node_weights, heights, heights[node], min_cluster_size)
            for x in parts[n_large:n_parts]:
                cluster[x] = cluster[node]
                fate[x] = heights[node]
            for x in parts[:n_large]:
                cluster[x] = cluster[node]
                if n_large > 1:
                    cluster[x] = n_clusters
                    cluster_parents[n_clusters] = cluster[node]
                    births[n_clusters] = 1.0 / np.float64(heights[node])
                    cluster_weights[n_clusters] = node_weights[x]
                    n_clusters += 1
    lambdas = np.empty(n, dtype=np.float64)
    for i in range(n):  # a heavy point goes on alone, until its duplicates part
        lambdas[i] = 1.0 / np.float64(heights[i] if fate[i] == _IN_CLUSTER else fate[i])
    made = slice(0, n_clusters)
    return cluster[:n], lambdas, cluster_parents[made], births[made], cluster_weights[made]


def condense(
    tree: SpanningTree, core: NDArray[np.float32], weights: NDArray[np.int64], *, min_cluster_size: int
) -> CondensedTree:
    """Condensed tree of a spanning tree.

    Parameters
    ----------
    tree
        Spanning tree of n >= 1 points.
    core
        Finite core distances, (n,).
    weights
        Weights, (n,).
    min_cluster_size
        Smallest sum of weights of a cluster, at least 2.

    Returns
    -------
    The condensed tree, in O(n) time and about 70 n bytes. Which clusters there are, and their lambdas,
    depend neither on the order of the points nor on which of several minimum spanning trees is given.
    """
    joined, node_weights = merge(tree.sources, tree.targets, weights)
    heights = np.concatenate([core, tree.distances])  # the duplicates of a point join at its core distance
    clusters, lambdas, parents, births, totals = _condense(joined, heights, node_weights, min_cluster_size)
    return CondensedTree(clusters.copy(), lambdas, parents.copy(), births.copy(), totals.copy())
