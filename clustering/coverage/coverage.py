"""Coverage: how broadly, deeply and evenly a family sweeps its space, and how fast it still gains ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.coverage.growth import (
    effective_number,
    estimated_size,
    new_ground,
    relative_entropy,
    sample_coverage,
)
from clustering.coverage.sampling import FamilyVectors
from clustering.evenly import evenly

N_CELLS = 128
N_BACKGROUND = 5_000  # ordinary prompts whose cells are found
_FEWEST_IN_CELL = 10  # of the background, in the mean
_N_ROUNDS = 10
_BLOCK = 65_536  # vectors at a time
_MOST_AXES = 4  # of a grid; more slots are what happens to vary
CLOSED = 0.5  # a slot is closed when its next value is more likely than not one that was seen


@dataclass(frozen=True, eq=False)
class Cells:
    """Areas of what a log is ordinarily about.

    Attributes
    ----------
    centres : (K, d) float32
    ordinary : float
        Effective number of cells that ordinary prompts touch, in [1, K].
    """

    centres: NDArray[np.float32]
    ordinary: float

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """Nearest centre of each vector, by squared distance; the first of equals."""
        squares = np.einsum("ij,ij->i", self.centres, self.centres)
        out = np.empty(len(vectors), np.int64)
        for begin in range(0, len(vectors), _BLOCK):
            block = vectors[begin : begin + _BLOCK]
            out[begin : begin + _BLOCK] = (squares - 2 * block @ self.centres.T).argmin(axis=1)
        return out


@dataclass(frozen=True, eq=False)
class Coverage:
    """Coverage of f families or groups; NaN where the log cannot tell.

    Attributes
    ----------
    breadth : (f,) float64, cells
        Effective number of areas of ordinary use that its prompts touch, at least 1.
    breadth_share : (f,) float64
        The same over what ordinary prompts touch, at most 1.
    depth : (f,) float64
        Share of the estimated full size that was sent, in (0, 1].
    evenness : (f,) float64
        Entropy over its maximum, in [0, 1]: of the values of the closed slots (their mean), else of the
        prompts where these recur, else of the cells.
    efficiency : (f,) float64
        Share of the second half of the requests that brought a prompt not sent before, in [0, 1].
    full_size : (f,) float64, prompts
        The smaller of Chao1 over prompts and of the grid that its slots span, where these are two to four
        and all closed. NaN: unidentified, as where no prompt was sent twice.
    """

    breadth: NDArray[np.float64]
    breadth_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    evenness: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    full_size: NDArray[np.float64]


def background_cells(vectors: NDArray[np.float32], *, seed: int) -> Cells | None:
    """Cells of ordinary prompts by k-means (Lloyd's rounds); None where there are too few for two.

    Parameters
    ----------
    vectors : (n, d) float32
        Of prompts in no family; at most ``N_BACKGROUND`` are used, evenly spread.
    seed : int
        Of the first centres.
    """
    said = evenly(vectors[np.einsum("ij,ij->i", vectors, vectors) > 0], N_BACKGROUND)
    distinct = np.unique(said, axis=0)
    n_cells = min(N_CELLS, len(said) // _FEWEST_IN_CELL, len(distinct))
    if n_cells < 2:
        return None
    first = np.random.default_rng(seed).choice(len(distinct), n_cells, replace=False)
    cells = Cells(distinct[first], 1.0)
    for _ in range(_N_ROUNDS):
        cells = Cells(_means(said, cells), 1.0)
    counts = np.bincount(cells.of(said), minlength=n_cells)
    return Cells(cells.centres, effective_number(counts, n_cells))


def coverage(
    prompt_counts: Sequence[NDArray[np.int64]],
    slot_counts: Sequence[Sequence[NDArray[np.int64]]],
    vectors: FamilyVectors,
    *,
    cells: Cells | None,
) -> Coverage:
    """Coverage of every family or group.

    Parameters
    ----------
    prompt_counts : per family, (V,) int64
        Requests of each of its distinct prompts.
    slot_counts : per family, per slot, (V,) int64
        Requests per value of a slot; no slot for groups of several templates.
    vectors : FamilyVectors
        Of the same families, or regrouped.
    cells : Cells or None
        None: breadth is not known.
    """
    n = vectors.n_families
    out = np.full((6, n), np.nan)
    by_cell = _cell_counts(vectors, cells)
    for family in range(n):
        prompts = prompt_counts[family]
        closed = [slot for slot in slot_counts[family] if sample_coverage(slot) >= CLOSED and len(slot) > 1]
        size = estimated_size(prompts)
        if 2 <= len(closed) <= _MOST_AXES and len(closed) == len(slot_counts[family]):
            size = float(np.fmin(size, np.prod([estimated_size(s) for s in closed])))
        size = float(np.maximum(size, len(prompts)))  # NaN, not identified, stays NaN
        touched = by_cell[family] if by_cell is not None else np.zeros(0, np.int64)
        out[0, family] = effective_number(touched, max(1, len(touched)))
        out[2, family] = len(prompts) / size
        out[3, family] = _evenness(closed, prompts, touched)
        out[4, family] = new_ground(prompts)
        out[5, family] = size
    if cells is not None:
        out[1] = np.minimum(1.0, out[0] / cells.ordinary)
    return Coverage(*out)


def _means(vectors: NDArray[np.float32], cells: Cells) -> NDArray[np.float32]:
    """Mean of the vectors of each cell; an empty one keeps its centre."""
    from scipy.sparse import csr_array

    place, n = cells.of(vectors), len(vectors)
    member = csr_array((np.ones(n), (place, np.arange(n))), shape=(len(cells.centres), n))
    counts = np.bincount(place, minlength=len(cells.centres))[:, None]
    means = (member @ vectors) / np.maximum(counts, 1)
    return np.where(counts > 0, means, cells.centres).astype(np.float32)


def _cell_counts(vectors: FamilyVectors, cells: Cells | None) -> NDArray[np.int64] | None:
    """Payloads of each family in each cell, (f, K)."""
    if cells is None:
        return None
    n_cells = len(cells.centres)
    said = np.einsum("ij,ij->i", vectors.payloads, vectors.payloads) > 0
    inside = np.flatnonzero(said & (vectors.payload_of >= 0))
    place = vectors.payload_of[inside] * n_cells + cells.of(vectors.payloads[inside])
    return np.bincount(place, minlength=vectors.n_families * n_cells).reshape(vectors.n_families, n_cells)


def _evenness(
    closed: Sequence[NDArray[np.int64]], prompts: NDArray[np.int64], touched: NDArray[np.int64]
) -> float:
    if closed:
        return float(np.mean([relative_entropy(slot) for slot in closed]))
    if prompts.sum() > len(prompts) > 1:
        return relative_entropy(prompts)
    return relative_entropy(touched)
