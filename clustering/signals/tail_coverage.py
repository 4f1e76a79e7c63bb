"""S4, tail coverage: are rare subjects reached more often than by as many ordinary requests?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import binom

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence

_MOST_FIELDS = 16  # of as many cells each
_FEWEST_IN_CELL = 40  # ordinary requests in the mean, where the cells are found
_MOST_IN_CELL = 2  # requests of a group in the mean: with more, ordinary ones reach the rare cells, too
_N_STEPS = 10  # of k-means: cells need to be stable, not optimal
_N_NODES = 15  # of the quadrature over the error of what is expected


def tail_coverage(
    traffic: Traffic,
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
    background: NDArray[np.int64],
    *,
    seed: int,
) -> Signal:
    """Rare cells that a group hits, over what as many ordinary requests in its fields would.

    k-means divides ordinary requests into fields and those into cells. Rare are a field's cells with at most
    its median share. Of n requests in the field, one or more falls into cell c with e_c = 1 - (1 - q_c)**n,
    q_c its share of the field among the other half of the ordinary principals (shares of the half that chose
    the cells would be too small). Null model: in its fields, whichever they are, the group asks what ordinary
    people ask there, independently or in runs of one principal, which only hit fewer cells (Jensen). p is
    the binomial upper tail of the hits, which bounds that of unequal chances (Hoeffding 1956, Ann. Math.
    Stat. 27(3)), averaged over the normal error of sum(e_c) across the principals that gave the shares. A
    benchmark or a class is as wide as a sweep here; payloads of a few words are spread otherwise than whole
    requests are.

    Tried and dropped: one set of cells without fields; it ranks campaigns before look-alikes a little less
    well. All requests of a large group; with more than two to a cell, ordinary ones reach the
    rare cells, too.

    Parameters
    ----------
    traffic : Traffic
    vectors : (m, d) float32
        Payload vectors of the sampled prompts, unit rows.
    vector_of : (n_prompts,) int64
        Row of ``vectors`` for each prompt; -1 where it was not sampled or has no payload.
    background : (b,) int64
        Rows of ordinary requests.
    seed : int
        Of the halves, of k-means, and of the sample of a large group.

    Returns
    -------
    Signal
        Effect 1 of ordinary requests. NaN with fewer than five principals with a payload, or fewer than some
        three hundred ordinary requests.
    """
    out = no_evidence(traffic.n_groups)
    who, prompts = _pairs(traffic, background, vector_of)
    half = np.random.default_rng([seed, len(who)]).random(int(who.max(initial=-1)) + 1) < 0.5
    chosen = half[who]
    cells = _cells(vectors[vector_of[prompts[chosen]]], seed)
    if cells is None or chosen.all():
        return out
    cell_of = cells.of(vectors)
    shares = _shares(cells, who[~chosen], cell_of[vector_of[prompts[~chosen]]])
    found = np.full((traffic.n_groups, 4), np.nan)  # hits, sum(e_c), its error, rare cells in reach
    for group, rows in traffic.each_group():
        senders, own = _pairs(traffic, rows, vector_of)
        if len(np.unique(senders)) >= FEWEST:
            random = np.random.default_rng([seed, len(own)])
            sample = random.permutation(len(own))[: _MOST_IN_CELL * len(cells.rare)]
            found[group] = _hits(cells, shares, cell_of[vector_of[own[sample]]])
    hits, expected, error, reach = found.T
    measured = expected > 0
    out.effect[measured] = hits[measured] / expected[measured]
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.clip((expected[:, None] + nodes * error[:, None]) / reach[:, None], 0, 1)
    p = binom.sf(hits[:, None] - 1, reach[:, None], chance) @ (weights / weights.sum())
    out.p_value[measured] = np.clip(p[measured], 0, 1)
    return out


def _pairs(
    traffic: Traffic, rows: NDArray[np.int64], vector_of: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Principal and prompt of the rows with a payload, each pair once: retries are no draws."""
    n_prompts = len(vector_of)
    rows = rows[vector_of[traffic.prompts[rows]] >= 0]
    pairs = np.unique(traffic.principals[rows] * n_prompts + traffic.prompts[rows])
    return pairs // n_prompts, pairs % n_prompts


@dataclass(frozen=True, eq=False)
class _Cells:
    """F fields of F cells each; cell c lies in field c // F.

    Attributes
    ----------
    fields : (F, d) float32
        Unit centres.
    centres : (F, F, d) float32
        Of each field's cells.
    rare : (F * F,) bool
    """

    fields: NDArray[np.float32]
    centres: NDArray[np.float32]
    rare: NDArray[np.bool_]

    def of(self, z: NDArray[np.float32]) -> NDArray[np.int64]:
        """Cell of each of the (n, d) vectors."""
        field = _nearest(z, self.fields)
        cell = np.empty(len(z), np.int64)
        for place, centres in enumerate(self.centres):
            inside = np.flatnonzero(field == place)
            cell[inside] = place * len(self.fields) + _nearest(z[inside], centres)
        return cell


def _cells(z: NDArray[np.float32], seed: int) -> _Cells | None:
    """Fields and cells of (n, d) vectors; None for too few."""
    n_fields = min(_MOST_FIELDS, int(np.sqrt(len(z) / _FEWEST_IN_CELL)))
    if n_fields < 2:
        return None
    random = np.random.default_rng([seed, len(z)])
    fields = _centres(z, n_fields, random)
    field = _nearest(z, fields)
    centres = np.stack([_centres(z[field == place], n_fields, random) for place in range(n_fields)])
    cells = _Cells(fields, centres, np.zeros(n_fields**2, np.bool_))
    counts = np.bincount(cells.of(z), minlength=n_fields**2).reshape(n_fields, n_fields)
    return _Cells(fields, centres, (counts <= np.median(counts, axis=1)[:, None]).ravel())


def _centres(z: NDArray[np.float32], n: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Unit centres of n clusters by spherical k-means (Dhillon and Modha 2001, Mach. Learn. 42, section 3).

    Fewer vectors than centres: the last centres are zero and nearest to nothing.
    """
    centres = np.zeros((n, z.shape[1]), np.float32)
    start = random.permutation(len(z))[:n]
    centres[: len(start)] = z[start]
    for _ in range(_N_STEPS):
        nearest = _nearest(z, centres)
        member = csr_array((np.ones(len(z), np.float32), (nearest, np.arange(len(z)))), shape=(n, len(z)))
        sums = member @ z
        lengths = np.linalg.norm(sums, axis=1)
        moved = lengths > 0
        centres[moved] = sums[moved] / lengths[moved, None]
    return centres


def _nearest(z: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray((z @ centres.T).argmax(axis=1), np.int64)


@dataclass(frozen=True, eq=False)
class _Shares:
    """How ordinary requests spread over the cells of their field.

    Attributes
    ----------
    of_field : (F * F,) float64
        q_c, in (0, 1).
    residuals : (P, F * F) sparse float64
        What each principal adds to the error of q_c, less its field's part: x_c / N.
    in_field : (P, F) sparse float64
        The field's part: a principal's requests in the field, over N.
    """

    of_field: NDArray[np.float64]
    residuals: csr_array
    in_field: csr_array


def _shares(cells: _Cells, who: NDArray[np.int64], cell: NDArray[np.int64]) -> _Shares:
    """Shares from the principals that did not choose the cells, one added to each cell's requests."""
    n_fields = len(cells.fields)
    counts = np.bincount(cell, minlength=n_fields**2).reshape(n_fields, n_fields) + 1.0
    totals = counts.sum(axis=1)
    _, who = np.unique(who, return_inverse=True)
    n_people = int(who.max()) + 1
    each = 1 / totals[cell // n_fields]
    return _Shares(
        (counts / totals[:, None]).ravel(),
        csr_array((each, (who, cell)), shape=(n_people, n_fields**2)),
        csr_array((each, (who, cell // n_fields)), shape=(n_people, n_fields)),
    )


def _hits(cells: _Cells, shares: _Shares, cell: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Rare cells hit, their expected number and its error, and rare cells in the group's fields."""
    n_fields = len(cells.fields)
    n = np.repeat(np.bincount(cell // n_fields, minlength=n_fields), n_fields)
    reached = cells.rare & (n > 0)
    missed = (1 - shares.of_field) ** np.maximum(n - 1, 0)
    expected = (1 - missed * (1 - shares.of_field))[reached].sum()
    slope = np.where(reached, n * missed, 0.0)
    by_field = (slope * shares.of_field).reshape(n_fields, n_fields).sum(axis=1)
    errors = shares.residuals @ slope - shares.in_field @ by_field
    hits = len(np.unique(cell[cells.rare[cell]]))
    return float(hits), float(expected), float(np.sqrt((errors**2).sum())), float(reached.sum())
