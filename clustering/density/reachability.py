"""Core distances of weighted points on a kNN graph, and the graph's validation.

Contract: ``indices`` is int32 or int64 (n, k), self removed, -1 where a neighbour is missing; ``distances``
is float32 (n, k), ascending, infinite where missing. Neighbours beyond ``farthest`` are as good as missing. A
point of weight w stands for w identical points, so it has w - 1 neighbours at distance 0 before those of its
row.

Every distance d counts as max(d, floor). Identical points would otherwise meet at lambda = 1 / 0, and a
cluster would keep nothing but its duplicates. The floor is never under `RESOLUTION`, which keeps every lambda
finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clustering.density.compiled import compiled

RESOLUTION = 1e-6
"""Smallest distance told apart from 0: float32 cosine distances carry an error of about 1e-7."""

_MOST_POINTS = 2**30  # a tree of n points has 2 n - 1 nodes, numbered in int32
_PROBLEMS = {
    1: "a neighbour outside -1..n-1",
    2: "the point itself as a neighbour; remove it",
    3: "a neighbour whose distance is negative, infinite or not a number",
    4: "distances that descend; sort each row",
}


@compiled
def _first_problem(indices: NDArray[Any], distances: NDArray[np.float32]) -> tuple[int, int]:
    n, k = indices.shape
    for i in range(n):
        previous = 0.0
        for s in range(k):
            j = indices[i, s]
            if j < -1 or j >= n:
                return i, 1
            if j == i:
                return i, 2
            if j >= 0:
                d = distances[i, s]
                if not (d >= 0.0 and d < np.inf):
                    return i, 3
                if d < previous:
                    return i, 4
                previous = d
    return -1, 0


@compiled
def _core_distances(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    weights: NDArray[np.int64],
    min_samples: int,
    floor: float,
    farthest: float,
) -> NDArray[np.float32]:
    n, k = indices.shape
    core = np.empty(n, dtype=np.float32)
    for i in range(n):
        carried = weights[i] - 1
        reached = np.float32(0.0 if carried > 0 else np.inf)
        for s in range(k):
            if carried >= min_samples:
                break
            j = indices[i, s]
            if j >= 0 and distances[i, s] <= farthest:
                reached = distances[i, s]
                carried += weights[j]
        core[i] = reached
    lonely = np.isinf(core)
    if lonely.any():  # only listed by others: their distances are all that is known
        core[lonely] = -1.0
        for i in range(n):
            for s in range(k):
                j = indices[i, s]
                if j >= 0 and lonely[j] and distances[i, s] <= farthest:
                    core[j] = max(core[j], distances[i, s])
        core[core < 0.0] = np.inf
    for i in range(n):
        core[i] = max(core[i], np.float32(floor))
    return core


def check_graph(indices: NDArray[Any], distances: NDArray[np.float32], weights: NDArray[np.int64]) -> None:
    """Refuse a graph that breaks the contract.

    Parameters
    ----------
    indices
        Neighbours, (n, k).
    distances
        Their distances, (n, k).
    weights
        Number of identical points that each point stands for, (n,), at least 1.

    Raises
    ------
    ValueError
        Names the argument, the first row at fault and the remedy.
    """
    if indices.ndim != 2 or indices.shape != distances.shape:
        raise ValueError(
            "indices and distances must be two arrays of one shape (n, k), "
            f"not {indices.shape} and {distances.shape}"
        )
    if len(indices) > _MOST_POINTS:
        raise ValueError(
            f"indices: {len(indices):,} points; the trees number up to {_MOST_POINTS:,}, so give fewer"
        )
    if weights.shape != (indices.shape[0],):
        raise ValueError(f"weights must have one value per point, ({indices.shape[0]},), not {weights.shape}")
    if weights.size and weights.min() < 1:
        raise ValueError(
            f"weights must be at least 1, not {weights.min()}; leave out points that stand for none"
        )
    row, problem = _first_problem(indices, distances)
    if problem:
        raise ValueError(f"row {row} of the kNN graph has {_PROBLEMS[problem]}")


def core_distances(
    indices: NDArray[Any],
    distances: NDArray[np.float32],
    weights: NDArray[np.int64],
    *,
    min_samples: int,
    floor: float,
    farthest: float = np.inf,
) -> NDArray[np.float32]:
    """Distance within which a point has `min_samples` other points, duplicates counted.

    Campello, Moulavi and Sander (2013), definition 1, with the point itself left out as in the dense path of
    the ``hdbscan`` package: the smallest d with w_i - 1 + sum of w_j over neighbours within d >=
    `min_samples`.

    Parameters
    ----------
    indices, distances
        The kNN graph, (n, k).
    weights
        Number of identical points that each point stands for, (n,).
    min_samples
        Weight to reach, at least 1.
    floor
        Smallest distance; see the module.
    farthest
        Largest distance of a neighbour.

    Returns
    -------
    Core distances, float32 (n,), at least `floor`. Where the k neighbours do not carry enough weight it is
    the last neighbour's distance; where a row is empty, that of the farthest point that lists it; infinite
    only for a point of weight 1 without any neighbour.
    """
    return _core_distances(indices, distances, weights, min_samples, max(floor, RESOLUTION), farthest)
