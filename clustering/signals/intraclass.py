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

LEAST_OF_PEOPLES = 0.5  # of people's ICC: the accounts of one hand have less
N_SAMPLED = 1_000  # requests of a group that are compared
N_PEOPLE = 20_000  # requests that show how far people keep to what is their own
_MOST_OF_ONE = 20  # of a principal: more would let one heavy account speak for the pool
_FEWEST_PAIRED = 10  # degrees of freedom within principals
_NO_SPREAD = 1e-24  # of variances of unit vectors: rounding


@dataclass(frozen=True)
class Intraclass:
    """An ICC of A principals, and what its uncertainty follows from.

    Attributes
    ----------
    value : float
    error : float
        Standard error by the jackknife over principals.
    n_effective : float
        (sum n_a)**2 / sum(n_a**2): few busy principals make the error as uncertain as few.
    n_principals : int
    n_each : float
        n0 above: requests of a principal.
    n_dimensions : float
        tr(C)**2 / tr(C**2) of the covariance C: as many independent dimensions of one variance.
    """

    value: float
    error: float
    n_effective: float
    n_principals: int
    n_each: float
    n_dimensions: float

    def below(self, part: float, people: Intraclass) -> float:
        """p of "this ICC is at least this part of people's": lower tail of Student's t, both errors counted.

        The own error is at least what it would be at that part: where an ICC comes out low by chance, its
        jackknife error does so too, and p would be too small.
        """
        bound = part * people.value
        error = np.hypot(max(self.error, self.error_at(bound)), part * people.error)
        return float(t.cdf((self.value - bound) / error, self.n_effective - 1))

    def error_at(self, icc: float) -> float:
        """Standard error of normal numbers with such an ICC (Donner 1986, Int. Stat. Rev. 54(1))."""
        n = self.n_each
        freedom = (self.n_principals - 1) * self.n_dimensions
        return float((1 - icc) * (1 + (n - 1) * icc) * np.sqrt(2 / (n * (n - 1) * freedom)))


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
    """ICC of n vectors within the classes 0..A-1; None where too few principals sent two, or all the same.

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
    n_dimensions = _dimensions(z)
    if len(left) < 3 or not np.isfinite(values[0]) or n_dimensions == 0:
        return None
    error = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    n_squares = float((counts**2).sum())
    n_each = (n - n_squares / n) / (n_principals - 1)
    return Intraclass(float(values[0]), float(error), n**2 / n_squares, n_principals, n_each, n_dimensions)


def _dimensions(z: NDArray[np.float64]) -> float:
    """Effective number of dimensions that the numbers vary in; 0 where they do not vary."""
    covariance = np.atleast_2d(np.cov(z.T))
    squares = float((covariance**2).sum())
    return float(np.trace(covariance)) ** 2 / squares if squares > _NO_SPREAD else 0.0


def _from_sums(sums: NDArray[np.float64], grand: NDArray[np.float64]) -> NDArray[np.float64]:
    """ICC per row of (A, n, sum n_a**2, sum |S_a|**2 / n_a, sum |z|**2) and of |S|**2; NaN where none is."""
    principals, n, squares_of_counts, between, total = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        msb = (between - grand / n) / (principals - 1)
        msw = (total - between) / (n - principals)
        n0 = (n - squares_of_counts / n) / (principals - 1)
        return np.asarray((msb - msw) / (msb + (n0 - 1) * msw))
