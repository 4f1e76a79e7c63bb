"""Exact distances of found neighbours, and their order.

A search engine may sum a dot product in another order for another batch. So whatever it finds is measured
again here, each pair alone in a fixed order of additions, rounded to `RESOLUTION`, and ordered by (distance,
id).

cosine distance d(a, b) = 1 - a.b / (|a| |b|), in [0, 2]; 1 where a or b is zero.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.compiled import compiled
from index.vectors import Vectors, bits, dot, widen

RESOLUTION = 1e-6  # distances are multiples of it: ten times the rounding error of a float32 dot product
_STEPS = 1_000_000  # 1 / RESOLUTION
_BLOCK_ROWS = 2_048


@compiled()
def rounded_distance(product: np.float32, scale: np.float32) -> np.float32:
    """Cosine distance, a multiple of `RESOLUTION`, of an inner product and the product of both lengths."""
    cosine = product / scale if scale > 0 else 0.0
    return np.float32(np.rint(min(max(1.0 - cosine, 0.0), 2.0) * _STEPS) * RESOLUTION)


@compiled()
def keep_nearest(ids: NDArray[Any], distances: NDArray[np.float32], found: int, distance: np.float32) -> None:
    """Insert a neighbour into a row's, ascending by (distance, id), if it is among the nearest."""
    place = ids.shape[0]
    while place > 0 and (
        distances[place - 1] > distance or (distances[place - 1] == distance and ids[place - 1] > found)
    ):
        if place < ids.shape[0]:
            ids[place] = ids[place - 1]
            distances[place] = distances[place - 1]
        place -= 1
    if place < ids.shape[0]:
        ids[place] = found
        distances[place] = distance


@compiled()
def _rank_rows(
    queries: NDArray[Any],
    vectors: NDArray[Any],
    positions: NDArray[Any],
    ids: NDArray[Any],
    excluded: NDArray[Any],
    out_ids: NDArray[Any],
    out_distances: NDArray[np.float32],
) -> None:
    """Insertion sort of each row's candidates by (rounded distance, id) into the first k places."""
    query = np.empty(vectors.shape[1], dtype=np.float32)
    near = np.empty_like(query)
    for row in range(positions.shape[0]):
        widen(queries[row], query)
        norm = np.sqrt(dot(query, query))
        for column in range(positions.shape[1]):
            at = positions[row, column]
            if at < 0 or ids[row, column] == excluded[row]:
                continue
            widen(vectors[at], near)
            distance = rounded_distance(dot(query, near), norm * np.sqrt(dot(near, near)))
            keep_nearest(out_ids[row], out_distances[row], ids[row, column], distance)


def rank_candidates(
    queries: Vectors,
    vectors: Vectors,
    positions: NDArray[Any],
    *,
    k: int,
    ids: NDArray[Any] | None = None,
    excluded: NDArray[Any] | None = None,
    threads: int = 1,
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """The k nearest of each query's candidates, by exact distance.

    Parameters
    ----------
    queries
        Shape (m, dim), float32 or float16.
    vectors
        Shape (n, dim), float32 or float16; read, not copied.
    positions
        Shape (m, c), int32 or int64: rows of `vectors` that are candidates of each query; -1 for none.
        Distinct in a row.
    k
        Neighbours wanted.
    ids
        Shape (m, c): the candidates' ids, >= 0; by default their positions.
    excluded
        Shape (m,): an id each query must not have, such as its own; by default none.
    threads
        Python threads that share the rows (the kernel holds no lock).

    Returns
    -------
    Ids, of their type and shape (m, k), -1 where there are fewer than k, and float32 cosine distances,
    multiples of 1e-6, infinite there. Ascending by (distance, id). A row depends on its query and its
    candidates alone.
    """
    m = len(positions)
    ids = positions if ids is None else ids
    excluded = np.full(m, -1, dtype=ids.dtype) if excluded is None else excluded
    out_ids = np.full((m, k), -1, dtype=ids.dtype)
    distances = np.full((m, k), np.inf, dtype=np.float32)
    asking, asked = bits(queries), bits(vectors)

    def rank(start: int) -> None:
        rows = slice(start, start + _BLOCK_ROWS)
        _rank_rows(
            asking[rows], asked, positions[rows], ids[rows], excluded[rows], out_ids[rows], distances[rows]
        )

    starts = range(0, m, _BLOCK_ROWS)
    if threads == 1 or len(starts) <= 1:
        for start in starts:
            rank(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(rank, starts))
    return out_ids, distances
