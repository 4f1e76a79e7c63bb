"""How many distinct things a whole holds, by a sample of it: texts, accounts.

The sample comes in blocks of neighbouring rows, and a thing is counted once per block, so that a burst of
repeats in one place is one sighting and not proof that the thing is everywhere.

No estimator is right on every input: for a sample of m out of N some inputs make each one err by a factor of
about sqrt(N / m) (Charikar, Chaudhuri, Motwani, Narasayya 2000, theorem 1), and how many new things N rows
bring can be told without assumptions only up to N of order m log m (Orlitsky, Suresh, Wu 2016). What makes
logs easier is that a thing is there at least once: in a sample it is expected at least m / N times. Measured
on planted wholes (all different, each two, five or twenty times, drawn evenly or by Zipf from few or many,
and mixtures) with 50,000 rows sampled: within a factor of 1.9 for wholes 40 times as large, 2.1 for 200.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MOST_SIGHTINGS = 24  # a thing seen in more blocks than this has no unseen companions
_N_RATES = 48
_N_STEPS = 3_000  # of expectation and maximisation: stopped early, they leave the estimate smooth


def estimate_distinct(sightings: ArrayLike, *, times: float) -> float:
    """Distinct things in a whole that is `times` as large as the sample.

    The number of blocks that a thing is seen in is Poisson with a rate of its own, and the rates' law is
    fitted to the counts of things seen once, twice, ... by expectation and maximisation (the empirical Bayes
    of Efron and Thisted 1976, with the law on a grid of rates as in Valiant and Valiant 2013). The rarest
    possible thing, one of a kind, has the rate 1 / `times`. A thing of rate r is seen with probability
    1 - exp(-r), so that each seen one stands for 1 / (1 - exp(-r)).

    Parameters
    ----------
    sightings
        (d,) blocks in which each thing of the sample was seen, >= 1.
    times
        Size of the whole over that of the sample, >= 1.

    Returns
    -------
    float
        At least d, at most d * times; d where the sample is the whole.

    Raises
    ------
    ValueError
        `times` is below 1.
    """
    if times < 1:
        raise ValueError(f"times={times}: the whole is at least as large as the sample; give 1 or more")
    seen = np.asarray(sightings, dtype=np.int64)
    rare = seen[seen <= _MOST_SIGHTINGS]
    if times == 1 or not len(rare):
        return float(len(seen))
    counts = np.bincount(rare, minlength=_MOST_SIGHTINGS + 1)[1:].astype(float)
    rates = np.geomspace(1 / times, max(_MOST_SIGHTINGS, 2 / times), _N_RATES)
    shares = _fit(counts, _truncated_poisson(rates))
    per_seen = 1 / -np.expm1(-rates)
    common = len(seen) - len(rare)
    return float(min(common + len(rare) * (shares * per_seen).sum(), len(seen) * times))


def _truncated_poisson(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rates, k): chance of k = 1, 2, ... sightings among the things that are seen 1 to the most times."""
    k = np.arange(1, _MOST_SIGHTINGS + 1)
    logs = k * np.log(rates)[:, None] - np.cumsum(np.log(k))
    law = np.exp(logs - logs.max(axis=1, keepdims=True))
    normed: NDArray[np.float64] = law / law.sum(axis=1, keepdims=True)
    return normed


def _fit(counts: NDArray[np.float64], law: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each rate among the things seen, from equal shares on."""
    shares = np.full(len(law), 1 / len(law))
    for _ in range(_N_STEPS):
        mixed = shares @ law
        shares = shares * (law @ (counts / np.maximum(mixed, 1e-300))) / counts.sum()
    return shares
