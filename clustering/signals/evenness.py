"""S3, evenness: are the values of a slot, or the prompts themselves, used equally often?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, chi2

from clustering.signals.traffic import Signal, Traffic, no_evidence

_FEWEST_VALUES = 5
_ONCE_EACH = 0.01  # probability below which equal prompts were not dealt at random
_HALF_STEP = 1.0  # without it equal counts would have p = 0
_SMALLEST_MEAN = 1.5  # below it nearly every value stands alone, and an even use cannot be told


def slot_evenness(traffic: Traffic, fillers: Sequence[Sequence[NDArray[np.int64]]]) -> Signal:
    """Dispersion of how often a slot's values are used; of the most even slot, or the prompts, of each group.

    Effect: chi-square over its degrees of freedom, sum((n_v - m)**2) / (V - 1) over the variance m (1 + l -
    m) of a zero-truncated Poisson with mean m = l / (1 - exp(-l)). Null model: values are drawn independently
    (Poisson, or a more uneven law such as Zipf's); p is the lower tail of chi-square, with a correction for
    continuity (counts of a fixed total move the sum of squares in steps of 2), times the number of slots
    looked at. What everyone does once (a benchmark, a class) is even, but no sweep: a group whose equal
    prompts do not fall to principals as a queue would deal them is no evidence.

    Parameters
    ----------
    traffic : Traffic
    fillers : per group, per slot, (V,) int64
        Requests per value; empty where a group has no slots.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        n_equal, dealt = _equal_prompts(traffic, rows)
        if not dealt:
            continue
        candidates = [_evenness(counts) for counts in fillers[group]]
        if n_equal:
            candidates.append(_evenness(np.unique(traffic.prompts[rows], return_counts=True)[1]))
        looked = [c for c in candidates if c is not None]
        if looked:
            effect, p = min(looked, key=lambda c: (c[1], c[0]))
            out.effect[group], out.p_value[group] = effect, min(1.0, p * len(looked))
    return out


def _evenness(counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """Dispersion index and p of the counts of V values; None where they cannot tell."""
    mean = float(counts.mean()) if len(counts) else 0.0
    if len(counts) < _FEWEST_VALUES or mean < _SMALLEST_MEAN:
        return None
    rate = brentq(lambda x: x / -np.expm1(-x) - mean, 1e-9, mean)
    variance = mean * (1 + rate - mean)
    squares = float(((counts - mean) ** 2).sum())
    freedom = len(counts) - 1
    return squares / variance / freedom, float(chi2.cdf((squares + _HALF_STEP) / variance, freedom))


def _equal_prompts(traffic: Traffic, rows: NDArray[np.int64]) -> tuple[int, bool]:
    """Pairs of requests with equal prompts, and whether they fall to principals as chance would deal them.

    Under a queue a pair of equal prompts falls to one principal with probability sum(share**2); a class or a
    benchmark gives everyone each item once. Decided at one in a hundred (binomial, lower tail).
    """
    _, per_prompt = np.unique(traffic.prompts[rows], return_counts=True)
    _, per_principal = np.unique(traffic.principals[rows], return_counts=True)
    both = np.stack([traffic.prompts[rows], traffic.principals[rows]])
    _, per_both = np.unique(both, axis=1, return_counts=True)
    equal = int((per_prompt * (per_prompt - 1) // 2).sum())
    within = int((per_both * (per_both - 1) // 2).sum())
    chance = float(((per_principal / len(rows)) ** 2).sum())
    return equal, equal == 0 or bool(binom.cdf(within, equal, chance) > _ONCE_EACH)
