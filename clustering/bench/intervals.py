"""95 % intervals: of a share of independent worlds or families, and of a mean over worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LEVEL = 0.95
_N_DRAWS = 4_000


def share_interval(n_hits: int, n: int) -> tuple[float, float]:
    """Exact interval of a binomial share (Clopper and Pearson 1934, Biometrika 26); (0, 1) when n is 0."""
    from scipy.stats import binomtest

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(n_hits, n).proportion_ci(_LEVEL, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap of a mean over worlds (Efron and Tibshirani 1993, ch. 13); the worlds are drawn.

    A single world has no interval: it is (value, value). Deterministic; NaN when there is no value.
    """
    if not len(values):
        return float("nan"), float("nan")
    table = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(table), (_N_DRAWS, len(table)))
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(table[drawn].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def spread(low: float, high: float) -> str:
    """An interval for a table."""
    return f"{low:.3f}\u2013{high:.3f}"
