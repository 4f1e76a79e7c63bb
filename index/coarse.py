"""The lists of an inverted file: their centroids, and the nearest of them to any row, in two levels.

A flat k-means over L lists costs L distances a row and a round; the lists grow with sqrt(n), so the whole
grows with n^1.5. Here about sqrt(L) groups hold the centroids: a row meets all groups, then the centroids of
the nearest few. Now and then it misses a nearer list, and lies in the second nearest: no error, for whoever
uses the lists measures the recall that they give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from index.list_search import Lists, lists_of, nearest_in_lists

_GROUPS_PROBED = 8  # measured at 2,896 lists: the nearest list is among them for 98 rows in 100
_ITERATIONS = 8
_POLISH = 2  # rounds of k-means over all lists
_POINTS_PER_GROUP = 256
_BLOCK_ROWS = 8_192


@dataclass(frozen=True)
class Coarse:
    """Centroids in groups.

    Attributes
    ----------
    centroids
        Shape (L, dim), unit rows; list j is that of row j.
    heads
        Shape (G, dim), centres of the groups, unit rows.
    groups
        Of rows of `centroids`.
    """

    centroids: NDArray[np.float32]
    heads: NDArray[np.float32]
    groups: Lists


def grouped(centroids: NDArray[np.float32], *, seed: int) -> Coarse:
    """Put L centroids into about sqrt(L) groups."""
    heads = _k_means(centroids, math.isqrt(len(centroids)), seed=seed)
    return Coarse(centroids, heads, lists_of(_nearest(centroids, heads), n_lists=len(heads)))


def nearest_lists(coarse: Coarse, rows: NDArray[np.float32], n_wanted: int) -> NDArray[np.int32]:
    """The lists of nearest centroids, shape (m, n_wanted), nearest first, -1 where there are fewer."""
    n_groups = len(coarse.heads)
    everyone = Lists(np.array([0, n_groups]), np.arange(n_groups, dtype=np.int32))
    start = np.zeros((len(rows), 1), dtype=np.int32)
    near = nearest_in_lists(
        rows, coarse.heads, everyone, probed=start, n_wanted=min(_GROUPS_PROBED, n_groups)
    )
    return nearest_in_lists(rows, coarse.centroids, coarse.groups, probed=near, n_wanted=n_wanted)


def train_centroids(sample: NDArray[np.float32], n_lists: int, *, seed: int) -> NDArray[np.float32]:
    """Centroids of `n_lists` lists of about equally many rows of the sample.

    k-means into groups, in each group k-means into lists by its share of the sample, then two rounds of
    k-means over all lists at once, which mend what the borders of the groups cut.
    """
    n_groups = math.isqrt(n_lists)
    heads = _k_means(sample[: n_groups * _POINTS_PER_GROUP], n_groups, seed=seed)
    groups = lists_of(_nearest(sample, heads), n_lists=n_groups)
    shares = _shares(np.diff(groups.offsets), n_lists)
    centroids = np.concatenate(
        [
            _k_means(sample[groups.of(number)], share, seed=seed)
            for number, share in enumerate(shares.tolist())
            if share
        ]
    )
    for _ in range(_POLISH):
        centroids = _moved(centroids, sample, seed=seed)
    return centroids


def _shares(sizes: NDArray[np.int64], n_lists: int) -> NDArray[np.int64]:
    """Lists of each group: its share of the rows, the largest remainders rounded up; never above its size."""
    exact = sizes * (n_lists / sizes.sum())
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    rest = np.argsort(shares - exact, kind="stable")[: n_lists - int(shares.sum())]
    shares[rest] += 1
    return shares


def _moved(centroids: NDArray[np.float32], sample: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """One round of k-means: each centroid becomes the mean of its rows; one without rows stays."""
    coarse = grouped(centroids, seed=seed)
    starts = range(0, len(sample), _BLOCK_ROWS)
    numbers = np.concatenate([nearest_lists(coarse, sample[s : s + _BLOCK_ROWS], 1)[:, 0] for s in starts])
    lists = lists_of(numbers, n_lists=len(centroids))
    moved = centroids.copy()
    for number in np.flatnonzero(np.diff(lists.offsets)).tolist():
        total = sample[lists.of(number)].sum(axis=0)
        length = np.linalg.norm(total)
        if length > 0:
            moved[number] = total / length
    return moved


def _k_means(rows: NDArray[np.float32], k: int, *, seed: int) -> NDArray[np.float32]:
    """FAISS's k-means on the sphere: k centres, shape (k, dim)."""
    means = faiss.Kmeans(
        rows.shape[1],
        k,
        niter=_ITERATIONS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=max(_POINTS_PER_GROUP, -(-len(rows) // k)),
    )
    means.train(rows)
    return np.asarray(means.centroids, dtype=np.float32)


def _nearest(rows: NDArray[np.float32], heads: NDArray[np.float32]) -> NDArray[np.int32]:
    _, found = faiss.knn(rows, heads, 1, metric=faiss.METRIC_INNER_PRODUCT)
    numbers: NDArray[np.int32] = found[:, 0].astype(np.int32)
    return numbers
