"""A better graph from a rough one: rows meet candidates, and a neighbour's neighbour is likely a neighbour.

Each round, each row meets the neighbours of its neighbours, and those that list them: the idea of Dong, Moses
and Li (2011, "Efficient k-nearest neighbor graph construction for generic similarity measures") without its
sampling, and with its flags: two rows that meet over two edges which were there in the round before have met
in that round. A round reads the graph before it and writes a new one, so neither the order of the rows nor
the threads matter.

A *marked* graph holds -2 - j for the neighbour j where the edge is new, j where it is old, -1 for none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.compiled import compiled
from index.ranking import keep_nearest, rounded_distance
from index.vectors import dot, widen


@compiled()
def mark_new(near: NDArray[np.int32], indices: NDArray[np.int32]) -> None:
    """Write the graph into `near`, marked: new is an edge that the graph held there does not have."""
    n, k = indices.shape
    marked = np.empty(k, dtype=np.int32)
    for row in range(n):
        for place in range(k):
            found = indices[row, place]
            is_old = found < 0
            for before in near[row]:
                is_old |= before == found or before == -2 - found
            marked[place] = found if is_old else -2 - found
        near[row] = marked


@compiled()
def _row(marked: int) -> int:
    """The neighbour that an entry of a marked graph means."""
    return -2 - marked if marked < -1 else marked


@compiled()
def listed_by(near: NDArray[np.int32], n_kept: int) -> NDArray[np.int32]:
    """For each row up to `n_kept` rows that list it, those first that rank it higher; marked as well."""
    n, k = near.shape
    back = np.full((n, n_kept), -1, dtype=np.int32)
    filled = np.zeros(n, dtype=np.int32)
    for column in range(k):
        for row in range(n):
            marked = near[row, column]
            if marked == -1:
                continue
            listed = _row(marked)
            if filled[listed] < n_kept:
                back[listed, filled[listed]] = -2 - row if marked < -1 else row
                filled[listed] += 1
    return back


@compiled()
def _is_new(seen: NDArray[np.int32], number: int) -> bool:
    """Put a number into a hash table of a power of two of slots, -1 for free; whether it was not there."""
    slot = (number * 0x9E3779B1 >> 7) & (seen.shape[0] - 1)
    while seen[slot] >= 0:
        if seen[slot] == number:
            return False
        slot = (slot + 1) & (seen.shape[0] - 1)
    seen[slot] = number
    return True


@compiled()
def meet(
    rows: NDArray[np.int32],
    candidates: NDArray[np.int32],
    vectors: NDArray[Any],
    lengths: NDArray[np.float32],
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Let some rows meet candidates of their own.

    Parameters
    ----------
    rows
        Which rows, (m,).
    candidates
        Shape (m, c): rows, distinct in each, -1 for none. The row itself, and what it lists, are passed over.
    vectors, lengths, indices, distances
        As for `explore`.
    """
    query = np.empty(vectors.shape[1], dtype=np.float32)
    for place in range(rows.shape[0]):
        row = rows[place]
        widen(vectors[row], query)
        for other in candidates[place]:
            is_known = other < 0 or other == row
            for listed in indices[row]:
                is_known |= listed == other
            if not is_known:
                product, scale = dot(query, vectors[other]), lengths[row] * lengths[other]
                keep_nearest(indices[row], distances[row], other, rounded_distance(product, scale))


@compiled()
def explore(
    rows: NDArray[np.int32],
    vectors: NDArray[Any],
    lengths: NDArray[np.float32],
    near: NDArray[np.int32],
    back: NDArray[np.int32],
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Let some rows meet their neighbours' neighbours.

    Parameters
    ----------
    rows
        Which rows.
    vectors
        Shape (n, dim), as `bits` gives them.
    lengths
        Their lengths, shape (n,).
    near, back
        The graph before this round, shape (n, k), marked, and its `listed_by`.
    indices, distances
        The graph, shape (n, k), in which these rows are written.
    """
    k = near.shape[1]
    n_slots = 64
    while n_slots < 2 * (1 + k + k * (k + back.shape[1])):
        n_slots *= 2
    seen = np.empty(n_slots, dtype=np.int32)
    query = np.empty(vectors.shape[1], dtype=np.float32)
    for row in rows:
        widen(vectors[row], query)
        seen[:] = -1
        _is_new(seen, row)
        for first in near[row]:
            if first != -1:
                _is_new(seen, _row(first))
        for first in near[row]:
            if first == -1:
                break
            for around in (near[_row(first)], back[_row(first)]):
                for second in around:
                    if second == -1:
                        break
                    other = _row(second)
                    if (first < -1 or second < -1) and _is_new(seen, other):
                        product, scale = dot(query, vectors[other]), lengths[row] * lengths[other]
                        keep_nearest(indices[row], distances[row], other, rounded_distance(product, scale))
