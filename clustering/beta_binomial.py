"""Counts out of totals whose rate differs from one to the next: the beta-binomial law, and its fit.

A beta-binomial of mean m and correlation r is a binomial whose rate is drawn from
Beta(m (1 - r) / r, (1 - m) (1 - r) / r) (Skellam 1948, JRSS B 10(2)): r near 0 is the binomial, r near 1 is
all or nothing. Counts come with multiplicities, so a log of millions costs what its distinct pairs cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, logsumexp

BOUNDS = ((-8.0, 8.0), (-6.0, 2.0))  # of logit(mean) and logit(correlation)


@dataclass(frozen=True)
class BetaBinomial:
    """Mean in (0, 1) and correlation in (0, 1) of a law of counts."""

    mean: float
    correlation: float

    def log_pmf(self, counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log probability of each count, 0 <= count <= total."""
        rest = (1 - self.correlation) / self.correlation
        a, b = self.mean * rest, (1 - self.mean) * rest
        ways = gammaln(totals + 1) - gammaln(counts + 1) - gammaln(totals - counts + 1)
        out: NDArray[np.float64] = ways + betaln(counts + a, totals - counts + b) - betaln(a, b)
        return out


UNKNOWN = BetaBinomial(0.5, 1 / 3)  # every count from 0 to the total is as likely


def law_at(logits: NDArray[np.float64]) -> BetaBinomial:
    """The law of (logit(mean), logit(correlation))."""
    mean, correlation = expit(logits)
    return BetaBinomial(float(mean), float(correlation))


def tabled(
    counts: NDArray[np.int64], totals: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """The distinct (count, total), shape (2, d), the place of each row among them (m,), and their numbers."""
    width = int(totals.max(initial=0)) + 1
    keys, place, times = np.unique(counts * width + totals, return_inverse=True, return_counts=True)
    return np.stack([keys // width, keys % width]).astype(np.float64), place, times.astype(np.float64)


def fit_law(counts: NDArray[np.int64], totals: NDArray[np.int64]) -> BetaBinomial:
    """The likeliest law; ``UNKNOWN`` when no total is above 0. Deterministic."""
    if not (totals > 0).any():
        return UNKNOWN
    table, _, times = tabled(counts, totals)
    return law_at(_least(lambda t: -(times * law_at(t).log_pmf(*table)).sum(), [0.0, -2.0], BOUNDS)[0])


def campaign_posterior(counts: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability that each count is of the higher of two laws, mixed in unknown parts.

    Two laws against one by Schwarz's criterion (1978, Ann. Statist. 6(2)): where one does, all are high when
    its mean is a half or more, else none is.

    Returns
    -------
    (m,) float64 in [0, 1]
    """
    if len(counts) == 0:
        return np.zeros(0)
    table, place, times = tabled(counts, totals)
    one, worst = _least(lambda t: -(times * law_at(t).log_pmf(*table)).sum(), [0.0, -2.0], BOUNDS)

    def parts(t: NDArray[np.float64]) -> NDArray[np.float64]:
        laws = (law_at(t[1:3]), law_at(t[3:5]))
        weights = np.log(expit(np.array([-t[0], t[0]])))
        return np.stack([w + law.log_pmf(*table) for w, law in zip(weights, laws, strict=True)])

    def surprise(t: NDArray[np.float64]) -> float:
        return float(-(times * logsumexp(parts(t), axis=0)).sum())

    starts = ([-1.0, -2.0, -3.0, 1.0, -2.0], [0.0, -3.0, -2.0, 2.0, -2.0], [-3.0, -2.0, -2.0, 1.0, -2.0])
    tried = [_least(surprise, start, (BOUNDS[0], *BOUNDS, *BOUNDS)) for start in starts]
    two, best = min(tried, key=lambda fit: fit[1])
    if worst - best <= 1.5 * np.log(len(counts)):  # three parameters more
        return np.full(len(counts), float(law_at(one).mean >= 0.5))
    logs = parts(two)
    high = int(two[3] > two[1])
    posterior: NDArray[np.float64] = np.exp(logs[high] - logsumexp(logs, axis=0))[place]
    return posterior


def _least(
    function: Callable[[NDArray[np.float64]], float],
    start: Sequence[float],
    bounds: Sequence[tuple[float, float]],
) -> tuple[NDArray[np.float64], float]:
    """Where a function is least, and how little."""
    fit = minimize(function, np.array(start), method="L-BFGS-B", bounds=bounds)
    return fit.x, float(fit.fun)
