"""K1, exchangeability: could any of the accounts have sent any of the requests?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from clustering.signals.traffic import Signal, Traffic, no_evidence

N_SAMPLED = 1_000  # requests of a group whose payloads are compared
_MOST_OF_ONE = 20  # of a principal: more would let one heavy account speak for the pool
_FEWEST_PAIRED = 10  # degrees of freedom within principals


def exchangeability(
    traffic: Traffic,
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
    background: NDArray[np.int64],
) -> Signal:
    """Intraclass correlation of payload vectors within principals; 0 of a dispatcher, more of people.

    ICC = (MSB - MSW) / (MSB + (n0 - 1) MSW), one-way random effects summed over dimensions, with
    n0 = (n - sum(n_a**2) / n) / (A - 1) (Donner and Koval 1980, Biometrics 36(1), eq. 2). A principal's
    repetitions of a prompt count once. Null model: the group's principals keep to their subjects at least
    half as much as the principals of this log's background do. p is the lower tail of Student's t: the errors
    of both by the jackknife over principals, degrees of freedom one less than the group's effective number of
    principals, (sum n_a)**2 / sum(n_a**2), for few busy ones make the jackknife's error as uncertain as few.

    Parameters
    ----------
    traffic : Traffic
    vectors : (m, d) float32
        Payload vectors of the sampled prompts.
    vector_of : (n_prompts,) int64
        Row of ``vectors`` for each prompt; -1 where it was not sampled or has no payload.
    background : (b,) int64
        Rows of requests whose ICC is that of people.
    """
    out = no_evidence(traffic.n_groups)
    people, people_error, _ = _icc(traffic, background, vectors, vector_of)
    if not people > 0:
        return out  # people without subjects of their own: nothing to tell a dispatcher from
    for group, rows in traffic.each_group():
        value, error, n_effective = _icc(traffic, rows, vectors, vector_of)
        if np.isnan(value) or np.isnan(error):
            continue
        error = max(np.hypot(error, people_error / 2), 1e-6)
        out.effect[group] = value
        out.p_value[group] = t.cdf((value - people / 2) / error, n_effective - 1)
    return out


def paired_sample(
    traffic: Traffic, rows: NDArray[np.int64], *, seed: int, n_requests: int = N_SAMPLED
) -> NDArray[np.int64]:
    """Some of the rows, whole principals in random order: an ICC needs several requests of each.

    Parameters
    ----------
    traffic : Traffic
    rows : (m,) int64
    seed : int
    n_requests : int
        Where the sample ends; principals with one request come last, others give at most twenty.

    Returns
    -------
    (<= n_requests,) int64, ascending
    """
    order = rows[np.argsort(traffic.principals[rows], kind="stable")]
    _, first, counts = np.unique(traffic.principals[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(first, counts)
    key = np.random.default_rng([seed, len(rows)]).random(len(counts)) + (counts == 1)
    keep = place < _MOST_OF_ONE
    chosen = order[keep][np.argsort(np.repeat(key, counts)[keep], kind="stable")]
    return np.sort(chosen[:n_requests])


def _icc(
    traffic: Traffic,
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    vector_of: NDArray[np.int64],
) -> tuple[float, float, float]:
    """ICC of the rows with a vector, its error, effective principals; NaN where too few of them sent two."""
    rows = rows[vector_of[traffic.prompts[rows]] >= 0]
    both = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
    _, member = np.unique(both[0], return_inverse=True)
    n, n_principals = both.shape[1], int(member.max(initial=-1)) + 1
    if n_principals < 3 or n - n_principals < _FEWEST_PAIRED:
        return np.nan, np.nan, np.nan
    z = vectors[vector_of[both[1]]].astype(np.float64)
    counts = np.bincount(member).astype(np.float64)
    sums = np.zeros((n_principals, z.shape[1]))
    np.add.at(sums, member, z)
    # Row 0 leaves nobody out, row a + 1 principal a: the statistics need only these sums.
    per_principal = np.stack(
        [
            np.ones(n_principals),
            counts,
            counts**2,
            (sums**2).sum(axis=1) / counts,
            np.bincount(member, weights=(z**2).sum(axis=1)),
        ],
        axis=1,
    )
    without = per_principal.sum(axis=0) - np.vstack([np.zeros(5), per_principal])
    grand = ((sums.sum(axis=0) - np.vstack([np.zeros(z.shape[1]), sums])) ** 2).sum(axis=1)
    values = _from_sums(without, grand)
    left = values[1:][np.isfinite(values[1:])]
    if len(left) < 3 or not np.isfinite(values[0]):
        return np.nan, np.nan, np.nan
    error = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    return float(values[0]), float(error), float(n**2 / (counts**2).sum())


def _from_sums(sums: NDArray[np.float64], grand: NDArray[np.float64]) -> NDArray[np.float64]:
    """ICC per row of (A, n, sum n_a**2, sum |S_a|**2 / n_a, sum |z|**2) and of |S|**2; NaN where none is."""
    principals, n, squares_of_counts, between, total = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        msb = (between - grand / n) / (principals - 1)
        msw = (total - between) / (n - principals)
        n0 = (n - squares_of_counts / n) / (principals - 1)
        return np.asarray((msb - msw) / (msb + (n0 - 1) * msw))
