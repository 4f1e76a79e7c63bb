"""Minimum spanning tree of a kNN graph under mutual reachability, by Borůvka's algorithm.

The mutual reachability distance of i and j is max(core_i, core_j, d_ij) (Campello, Moulavi and Sander 2013,
definition 2). The graph is symmetrised: i and j are joined when either lists the other. Its edges are ordered
by (distance, smaller index, larger index), so that the tree is unique whatever the ties.

A kNN graph falls apart into components as soon as a family has more than k members. *Bridges* join the
components to one tree. All bridges have one distance, greater than any edge's, so they are the first to be
cut, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustering.density.compiled import compiled, is_cached

LARGEST_COSINE_DISTANCE = 2.0


@dataclass(frozen=True, eq=False)
class SpanningTree:
    """Edges of a spanning tree in ascending order of (distance, source, target).

    Attributes
    ----------
    sources, targets
        int32 (n - 1,), the smaller and the larger index of each edge.
    distances
        float32 (n - 1,), mutual reachability, ascending; bridges come last.
    bridge_distance
        Distance of a bridge: 2, the largest cosine distance, or twice the longest edge where that reaches 2.
    n_components
        Components of the graph; there are ``n_components - 1`` bridges.
    """

    sources: NDArray[np.int32]
    targets: NDArray[np.int32]
    distances: NDArray[np.float32]
    bridge_distance: float
    n_components: int


@compiled
def find(parents: NDArray[np.int32], x: int) -> int:
    """Representative of x's set; halves the path on the way."""
    while parents[x] != x:
        parents[x] = parents[parents[x]]
        x = parents[x]
    return x


@compiled
def _precedes(d: float, lo: int, hi: int, best_d: float, best_lo: int, best_hi: int) -> bool:
    if d != best_d:
        return d < best_d
    if lo != best_lo:
        return lo < best_lo
    return hi < best_hi


@compiled
def _shortest_ways_out(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    core: NDArray[np.float32],
    farthest: float,
    component: NDArray[np.int32],
    open_points: NDArray[np.int32],
    best_d: NDArray[np.float32],
    best: NDArray[np.int32],
) -> int:
    """Find the first edge out of each component; return how many points have a neighbour outside theirs."""
    best_d[:] = np.inf
    kept = 0
    for i in open_points:
        is_open = False
        for s in range(indices.shape[1]):
            j = indices[i, s]
            if j < 0 or component[j] == component[i] or distances[i, s] > farthest:
                continue
            is_open = True
            d = max(max(distances[i, s], core[i]), core[j])
            lo, hi = min(i, j), max(i, j)
            for c in (component[i], component[j]):
                if _precedes(d, lo, hi, best_d[c], best[c, 0], best[c, 1]):
                    best_d[c] = d
                    best[c, 0] = lo
                    best[c, 1] = hi
        if is_open:  # neighbours inside stay inside: a closed point need not be looked at again
            open_points[kept] = i
            kept += 1
    return kept


@compiled
def _boruvka(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    core: NDArray[np.float32],
    farthest: float,
    edges: NDArray[np.int32],
    lengths: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Write the edges, (n - 1, 2), and their lengths, as many as there are; return each point's component."""
    n = indices.shape[0]
    component = np.arange(n).astype(np.int32)
    parents = component.copy()
    open_points = component.copy()
    best_d = np.empty(n, dtype=np.float32)
    best = np.zeros((n, 2), dtype=np.int32)
    n_edges = 0
    while True:
        n_open = _shortest_ways_out(indices, distances, core, farthest, component, open_points, best_d, best)
        if n_open == 0:
            return component
        open_points = open_points[:n_open]
        for c in range(n):
            if best_d[c] < np.inf:
                a, b = find(parents, best[c, 0]), find(parents, best[c, 1])
                if a != b:  # both components may have chosen this edge
                    parents[max(a, b)] = min(a, b)
                    edges[n_edges] = best[c]
                    lengths[n_edges] = best_d[c]
                    n_edges += 1
        for i in range(n):
            component[i] = find(parents, i)


def minimum_spanning_tree(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    core: NDArray[np.float32],
    *,
    farthest: float = np.inf,
) -> SpanningTree:
    """Spanning tree of least total mutual reachability distance.

    Parameters
    ----------
    indices, distances
        The kNN graph, (n, k).
    core
        Core distances, (n,).
    farthest
        Largest distance of an edge.

    Returns
    -------
    The tree. It takes O(n k log n) time and 48 n bytes beside the graph, and depends on nothing but the
    graph.
    """
    n_joins = max(len(indices) - 1, 0)
    edges, lengths = np.zeros((n_joins, 2), dtype=np.int32), np.empty(n_joins, dtype=np.float32)
    first_members = np.unique(_boruvka(indices, distances, core, farthest, edges, lengths))
    n_edges = n_joins - max(first_members.size - 1, 0)
    longest = float(lengths[:n_edges].max(initial=0))
    bridge = LARGEST_COSINE_DISTANCE if longest < LARGEST_COSINE_DISTANCE else 2.0 * longest
    edges[n_edges:, 1] = first_members[1:]  # unions keep the smallest index as representative
    lengths[n_edges:] = bridge
    order = np.lexsort((edges[:, 1], edges[:, 0], lengths))
    return SpanningTree(
        sources=edges[order, 0],
        targets=edges[order, 1],
        distances=lengths[order],
        bridge_distance=bridge,
        n_components=int(first_members.size),
    )


def is_compiled() -> bool:
    """Whether the loops were compiled before on this machine, and wait in numba's cache."""
    return is_cached(_boruvka)
