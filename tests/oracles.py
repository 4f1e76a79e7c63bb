"""Slow and obvious versions of what the product computes fast; written from the definitions, sharing no code.

They take full distance matrices and small n.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components


def full_graph(matrix, k=None):
    """The k nearest neighbours (all by default) of each point of a distance matrix, (n, k), ties by index."""
    n = len(matrix)
    k = max(n - 1 if k is None else min(k, n - 1), 0)
    rows = [sorted((matrix[i][j], j) for j in range(n) if j != i)[:k] for i in range(n)]
    indices = np.array([[j for _, j in row] for row in rows], dtype=np.int64).reshape(n, k)
    distances = np.array([[d for d, _ in row] for row in rows], dtype=np.float32).reshape(n, k)
    return indices, distances


def expand(matrix, weights):
    """Distance matrix of the points that weighted points stand for, and which point each comes from."""
    origin = np.repeat(np.arange(len(weights)), weights)
    return np.asarray(matrix)[np.ix_(origin, origin)], origin


def mutual_reachability(matrix, *, min_samples, floor=1e-6):
    """max(core_i, core_j, d_ij, floor); core is the distance of the min_samples-th other, or last, point."""
    n = len(matrix)
    place = min(min_samples, n - 1)
    core = np.sort(matrix, axis=1)[:, place]  # place 0 is the point itself
    reach = np.maximum(np.maximum(matrix, np.maximum.outer(core, core)), floor)
    return reach, np.maximum(core, floor)


def kruskal(n, edges):
    """Edges (d, lo, hi) of the minimum spanning forest, in their order."""
    group = list(range(n))
    tree = []
    for d, lo, hi in sorted(set(edges)):
        if group[lo] != group[hi]:
            old, new = group[hi], group[lo]
            group = [new if g == old else g for g in group]
            tree.append((d, lo, hi))
    return tree


def _parts_below(reach, members, threshold):
    """Components of `members` when only edges shorter than `threshold` are left."""
    _, part = connected_components(reach[np.ix_(members, members)] < threshold, directed=False)
    return [members[part == p] for p in range(part.max() + 1)]


def _threshold(reach, members):
    """Smallest length at which edges up to it connect `members`."""
    sub = reach[np.ix_(members, members)]
    joined = np.zeros(len(members), dtype=bool)
    joined[0] = True
    longest = 0.0
    while not joined.all():
        away = np.where(joined, np.inf, sub[joined].min(axis=0))
        longest = max(longest, away.min())
        joined[away.argmin()] = True
    return longest


def condensed_clusters(reach, min_cluster_size):
    """Clusters of the hierarchy of Campello, Moulavi and Sander (2013): equal edges are cut at once.

    Returns dicts with ``parent`` (a place in the list), ``birth``, ``size`` and ``points`` {point: lambda}.
    """
    clusters = [
        {"parent": -1, "birth": 0.0, "size": len(reach), "points": {}, "members": np.arange(len(reach))}
    ]
    for place, cluster in enumerate(clusters):  # grows while it is read
        members = cluster["members"]
        while True:
            t = _threshold(reach, members)
            parts = _parts_below(reach, members, t)
            large = [part for part in parts if len(part) >= min_cluster_size]
            cluster["points"] |= {
                int(i): 1 / t for part in parts if len(part) < min_cluster_size for i in part
            }
            if len(large) != 1:
                break
            members = large[0]
        clusters += [
            {"parent": place, "birth": 1 / t, "size": len(part), "points": {}, "members": part}
            for part in large
        ]
    return clusters


def _stability(clusters, place):
    own = clusters[place]
    children = [c for c in clusters if c["parent"] == place]
    return sum(lam - own["birth"] for lam in own["points"].values()) + sum(
        (c["birth"] - own["birth"]) * c["size"] for c in children
    )


def _best(clusters, place, may_choose):
    """The most stable set of clusters at or below `place`, with its total; the upper cluster on a tie."""
    below = [_best(clusters, c, True) for c in range(len(clusters)) if clusters[c]["parent"] == place]
    total = sum(value for value, _ in below)
    own = _stability(clusters, place)
    if may_choose and own * (1 + 1e-9) >= total:
        return own, {place}
    return total, set().union(*(chosen for _, chosen in below))


def density_clusters(reach, *, min_cluster_size, selection="eom"):
    """Labels and strengths of HDBSCAN* on a full matrix of mutual reachability; never the root."""
    clusters = condensed_clusters(reach, min_cluster_size)
    parents = {c["parent"] for c in clusters}
    if selection == "leaf":
        chosen = {place for place in range(1, len(clusters)) if place not in parents}
    else:
        chosen = _best(clusters, 0, False)[1]
    labels = np.full(len(reach), -1)
    strengths = np.zeros(len(reach))
    for place in chosen:
        children = [c["birth"] for c in clusters if c["parent"] == place]
        last = max([*clusters[place]["points"].values(), *children])
        for below, cluster in enumerate(clusters):
            ancestor = below
            while ancestor not in (place, -1):
                ancestor = clusters[ancestor]["parent"]
            if ancestor == place:
                for i, lam in cluster["points"].items():
                    labels[i] = place
                    strengths[i] = min(lam, last) / last
    return labels, strengths
