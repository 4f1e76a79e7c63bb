"""How a sample of a space grows, and how large the space may be: accumulation, Chao1, Good-Turing.

All from the counts n_v of how often each of S values was seen among n requests, with f_k values seen k times.
A sample in which every value was seen once says nothing about how many there are: the size is then NaN,
unidentified, and not "large".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln


def expected_distinct(counts: NDArray[np.int64], n_drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected distinct values among m of the n requests, drawn without replacement: the growth curve.

    S - sum_v C(n - n_v, m) / C(n, m) (Hurlbert 1971, Ecology 52(4), eq. 4). It needs no order.

    Parameters
    ----------
    counts : (S,) int64, each at least 1
    n_drawn : (k,) int64, each in 0..n
    """
    n = int(counts.sum())
    values, frequency = np.unique(counts, return_counts=True)
    m = np.asarray(n_drawn, np.float64)[:, None]
    left = n - values[None, :] - m
    logs = (
        gammaln(n - values + 1.0)[None, :]
        - gammaln(np.maximum(left, 0) + 1.0)
        + gammaln(n - m + 1.0)
        - gammaln(n + 1.0)
    )
    missed = np.where(left >= 0, np.exp(logs), 0.0)
    return np.asarray((frequency * (1 - missed)).sum(axis=1))


def estimated_size(counts: NDArray[np.int64]) -> float:
    """Chao1, a lower bound on the number of values in the space; NaN where it is not identified.

    S + (n - 1) / n * f1**2 / (2 f2), and S + (n - 1) / n * f1 (f1 - 1) / 2 where f2 = 0 (Chao 1984, Scand. J.
    Statist. 11(4); in this form Chao et al. 2009, Ecology 90(4), eqs. 1-2).
    """
    n, seen = int(counts.sum()), len(counts)
    once, twice = _once_and_twice(counts)
    if n == 0 or once == n:
        return float("nan")
    unseen = once * once / (2 * twice) if twice else once * (once - 1) / 2
    return seen + (n - 1) / n * unseen


def sample_coverage(counts: NDArray[np.int64]) -> float:
    """Probability that the next request brings a value that was seen before, in [0, 1]; NaN without requests.

    1 - f1 / n * (n - 1) f1 / ((n - 1) f1 + 2 f2) (Chao and Jost 2012, Ecology 93(12), eq. 4a, after Good and
    Turing).
    """
    n = int(counts.sum())
    once, twice = _once_and_twice(counts)
    if n == 0:
        return float("nan")
    if once == 0:
        return 1.0
    share = (n - 1) * once / ((n - 1) * once + 2 * twice) if n > 1 else 1.0
    return 1 - once / n * share


def new_ground(counts: NDArray[np.int64]) -> float:
    """Share of the second half of the requests that brought something new, in [0, 1]; NaN under two requests.

    (S_n - S_h) / (n - h) on the growth curve, h = n // 2: its slope where the sample stands. The slope at the
    very end, f1 / n, is 0 for a sweep that samples each value twice, however far it has still to go.
    """
    n = int(counts.sum())
    if n < 2:
        return float("nan")
    half = n // 2
    before, after = expected_distinct(counts, np.array([half, n]))
    return float(np.clip((after - before) / (n - half), 0.0, 1.0))


def relative_entropy(counts: NDArray[np.int64]) -> float:
    """Entropy over its maximum log S, in [0, 1]; NaN if S < 2 (Pielou 1966, J. Theor. Biol. 13)."""
    seen = counts[counts > 0]
    if len(seen) < 2:
        return float("nan")
    shares = seen / seen.sum()
    return float(min(1.0, -(shares * np.log(shares)).sum() / np.log(len(seen))))


def effective_number(counts: NDArray[np.int64], n_most: int) -> float:
    """Number of equally common values that coincide as often; NaN without requests.

    n (n - 1) / sum n_v (n_v - 1), the unbiased inverse of Simpson's concentration (Hill 1973, Ecology 54(2)):
    it does not grow with the sample, as entropy's and the number of values seen do. In [1, n_most], and at
    most n, which is all that can be said where nothing coincides.
    """
    n = int(counts.sum())
    if n == 0:
        return float("nan")
    if n == 1:
        return 1.0
    coincidences = int((counts * (counts - 1)).sum())
    most = min(n_most, n)
    return float(most) if coincidences == 0 else float(min(most, n * (n - 1) / coincidences))


def _once_and_twice(counts: NDArray[np.int64]) -> tuple[int, int]:
    return int((counts == 1).sum()), int((counts == 2).sum())
