"""The nearest of the vectors in some lists, for many queries at once, list by list.

Asked one after the other, queries read the same lists again and again. Here all queries that probe a list
meet it in one matrix product, and a running threshold per query keeps the best. It serves three times: rows
among the groups of lists, among the centroids of some groups, among the vectors of some lists.

Deterministic for the same queries in the same order; a product of other shapes may round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.compiled import compiled
from index.vectors import Vectors, gathered

_BLOCK_ROWS = 1_024  # queries that meet a list at a time: their similarities stay in the cache
_BLOCK_COLUMNS = 512  # vectors of a list at a time
_SCAN = 32  # similarities compared with the threshold at once


@dataclass(frozen=True)
class Lists:
    """Which rows each list holds: those of list j are ``members[offsets[j] : offsets[j + 1]]``."""

    offsets: NDArray[np.int64]  # (n_lists + 1,)
    members: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, number: int) -> NDArray[np.int32]:
        """The rows of one list."""
        return self.members[self.offsets[number] : self.offsets[number + 1]]


def lists_of(numbers: NDArray[np.int32], *, n_lists: int) -> Lists:
    """The rows by the lists they are in, or probe: `numbers` of shape (n,) or (n, p), -1 for none."""
    rows = numbers.reshape(len(numbers), -1)
    offsets = np.zeros(n_lists + 1, dtype=np.int64)
    _count(rows, offsets[1:])
    np.cumsum(offsets, out=offsets)
    members = np.empty(offsets[-1], dtype=np.int32)
    _spread(rows, offsets[:-1].copy(), members)
    return Lists(offsets=offsets, members=members)


def nearest_in_lists(
    queries: NDArray[np.float32],
    vectors: Vectors,
    lists: Lists,
    *,
    probed: NDArray[np.int32],
    n_wanted: int,
    above: NDArray[np.float32] | None = None,
) -> NDArray[np.int32]:
    """The rows of largest inner product with each query among the lists it probes.

    Parameters
    ----------
    queries
        Shape (m, dim).
    vectors
        Shape (n, dim).
    lists
        Of rows of `vectors`; no row is in two.
    probed
        Shape (m, p): numbers of lists, distinct in a row, -1 for none.
    n_wanted
        Rows kept for each query, c.
    above
        Shape (m,): inner products no larger are not wanted; by default all are.

    Returns
    -------
    Rows of `vectors`, shape (m, c), descending by inner product, -1 where the lists hold fewer that are
    wanted. Memory: 8 m c + 4 m p bytes, one list as float32 and the queries that probe it.
    """
    asking = lists_of(probed, n_lists=len(lists))
    best = np.full((len(queries), n_wanted), -np.inf, dtype=np.float32)
    if above is not None:
        best[:] = above[:, None]
    found = np.full((len(queries), n_wanted), -1, dtype=np.int32)
    for number in np.flatnonzero(np.diff(asking.offsets)).tolist():
        for columns in _blocks(lists.of(number), _BLOCK_COLUMNS):
            block = gathered(vectors, columns)
            for rows in _blocks(asking.of(number), _BLOCK_ROWS):
                _keep_best(queries[rows] @ block.T, rows, columns, best, found)
    return found


def _blocks(rows: NDArray[np.int32], size: int) -> Iterator[NDArray[np.int32]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@compiled()
def _count(numbers: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    for row in range(numbers.shape[0]):
        for column in range(numbers.shape[1]):
            if numbers[row, column] >= 0:
                counts[numbers[row, column]] += 1


@compiled()
def _spread(numbers: NDArray[np.int32], places: NDArray[np.int64], members: NDArray[np.int32]) -> None:
    """Counting sort of the rows by list."""
    for row in range(numbers.shape[0]):
        for column in range(numbers.shape[1]):
            number = numbers[row, column]
            if number >= 0:
                members[places[number]] = row
                places[number] += 1


@compiled()
def _any_above(numbers: NDArray[np.float32], threshold: np.float32) -> bool:
    """Whether a number is larger; without a branch, so that the loop is vectorised."""
    n_above = 0
    for i in range(numbers.shape[0]):
        n_above += numbers[i] > threshold
    return n_above > 0


@compiled()
def _keep_best(
    similarities: NDArray[np.float32],
    asking: NDArray[np.int32],
    members: NDArray[np.int32],
    best: NDArray[np.float32],
    found: NDArray[np.int32],
) -> None:
    """Insert a block's similarities into each query's best, kept descending; the first of equals stays."""
    last = best.shape[1] - 1
    for row in range(similarities.shape[0]):
        query = asking[row]
        threshold = best[query, last]
        for start in range(0, similarities.shape[1], _SCAN):
            stop = min(start + _SCAN, similarities.shape[1])
            if not _any_above(similarities[row, start:stop], threshold):
                continue
            for column in range(start, stop):
                similarity = similarities[row, column]
                if similarity <= threshold:
                    continue
                place = last
                while place > 0 and best[query, place - 1] < similarity:
                    best[query, place] = best[query, place - 1]
                    found[query, place] = found[query, place - 1]
                    place -= 1
                best[query, place] = similarity
                found[query, place] = members[column]
                threshold = best[query, last]
