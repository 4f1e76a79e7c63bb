"""Our trees in the ``hdbscan`` package's form, so that its plots and tools can read them.

That form has binary splits and takes every row of size 1 for a point. A point of weight w is therefore
written as w equal rows, and a break into more than two clusters as splits of one lambda, one below another:
clusters without a lifetime, which no selection prefers to those below them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.density.condensed_tree import CondensedTree, merge
from clustering.density.spanning_tree import SpanningTree

TREE_DTYPE = np.dtype(
    [("parent", np.intp), ("child", np.intp), ("lambda_val", np.float64), ("child_size", np.intp)]
)


def _binary_splits(
    tree: CondensedTree, n: int
) -> tuple[list[tuple[int, int, float, int]], NDArray[np.int64]]:
    """Rows of the clusters, each after its parent's, and the id of each cluster of `tree`, from n upwards."""
    children = np.argsort(tree.cluster_parents, kind="stable")[1:]  # without the root, whose parent is -1
    bounds = np.searchsorted(tree.cluster_parents[children], np.arange(tree.cluster_parents.size + 1))
    ids = np.full(tree.cluster_parents.size, n, dtype=np.int64)
    rows: list[tuple[int, int, float, int]] = []
    for cluster in range(tree.cluster_parents.size):
        waiting = [(int(ids[cluster]), children[bounds[cluster] : bounds[cluster + 1]])]
        while waiting:
            parent, below = waiting.pop()
            half = below.size // 2
            for part in (below[:half], below[half:]):
                if part.size == 0:
                    continue
                child = n + 1 + len(rows)
                lambda_val = float(tree.cluster_births[part[0]])
                rows.append((parent, child, lambda_val, int(tree.cluster_weights[part].sum())))
                if part.size == 1:
                    ids[part[0]] = child
                else:
                    waiting.append((child, part))
    return rows, ids


def to_records(tree: CondensedTree, weights: NDArray[np.int64]) -> NDArray[np.void]:
    """The condensed tree as an array of (parent, child, lambda_val, child_size).

    Parameters
    ----------
    tree
        Condensed tree of n points.
    weights
        Their weights, (n,).

    Returns
    -------
    Rows of the clusters, parents first, then those of the points by index. Points are 0..n-1, the root is n.
    It takes 32 bytes per unit of weight and clusters of a heavy corpus are costly to plot.
    """
    n = weights.size
    rows, ids = _binary_splits(tree, n)
    points = np.empty(int(weights.sum()), dtype=TREE_DTYPE)
    points["parent"] = np.repeat(ids[tree.point_clusters], weights)
    points["child"] = np.repeat(np.arange(n), weights)
    points["lambda_val"] = np.repeat(tree.point_lambdas, weights)
    points["child_size"] = 1
    return np.concatenate([np.array(rows, dtype=TREE_DTYPE), points])


def to_linkage(tree: SpanningTree) -> NDArray[np.float64]:
    """The spanning tree's single linkage in the form of ``scipy.cluster.hierarchy``.

    Parameters
    ----------
    tree
        Spanning tree of n points.

    Returns
    -------
    float64 (n - 1, 4): two nodes, their distance, number of points below, weights not counted.
    """
    n = tree.sources.size + 1
    joined, sizes = merge(tree.sources, tree.targets, np.ones(n, dtype=np.int64))
    return np.column_stack([joined, tree.distances, sizes[n:]]).astype(np.float64)
