"""The intraclass correlation: how alike one principal's requests are, against everybody's.

ICC = (MSB - MSW) / (MSB + (n0 - 1) MSW), one-way random effects summed over dimensions, with
n0 = (n - sum(n_a**2) / n) / (A - 1) (Donner and Koval 1980, Biometrics 36(1), eq. 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from clustering.signals.traffic import Traffic

N_SAMPLED = 1_000  # requests of a group that are compared
_MOST_OF_ONE = 20  # of a principal: more would let one heavy account speak for the pool
_FEWEST_PAIRED = 10  # degrees of freedom within principals
_SMALLEST_ERROR = 1e-6


@dataclass(frozen=True)
class Intraclass:
    """An ICC, its standard error (jackknife over principals), and the effective number of principals.

    That number is (sum n_a)**2 / sum(n_a**2): few busy ones make the error as uncertain as few.
    """

    value: float
    error: float
    n_effective: float

    def at_most_half_of(self, people: Intraclass) -> float:
        """p of "this ICC is at least half of people's": lower tail of Student's t, both errors counted."""
        error = max(float(np.hypot(self.error, people.error / 2)), _SMALLEST_ERROR)
        return float(t.cdf((self.value - people.value / 2) / error, self.n_effective - 1))


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


def intraclass(member: NDArray[np.int64], z: NDArray[np.float64]) -> Intraclass | None:
    """ICC of n vectors within the classes 0..A-1; None where too few principals sent two.

    Parameters
    ----------
    member : (n,) int64
        Principal of each vector, all of 0..A-1 taken.
    z : (n, d) float64
    """
    n, n_principals = len(member), int(member.max(initial=-1)) + 1
    if n_principals < 3 or n - n_principals < _FEWEST_PAIRED:
        return None
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
        return None
    error = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    return Intraclass(float(values[0]), float(error), float(n**2 / (counts**2).sum()))


def _from_sums(sums: NDArray[np.float64], grand: NDArray[np.float64]) -> NDArray[np.float64]:
    """ICC per row of (A, n, sum n_a**2, sum |S_a|**2 / n_a, sum |z|**2) and of |S|**2; NaN where none is."""
    principals, n, squares_of_counts, between, total = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        msb = (between - grand / n) / (principals - 1)
        msw = (total - between) / (n - principals)
        n0 = (n - squares_of_counts / n) / (principals - 1)
        return np.asarray((msb - msw) / (msb + (n0 - 1) * msw))
