"""K3, load equality: do the accounts carry even loads, as a queue deals them, or people's uneven ones?"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from clustering.evenly import evenly
from clustering.signals.clockwork import keeps_a_clock
from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence, principal_counts

_N_DRAWS = 999
_MOST_PRINCIPALS = 2_000  # drawn at a time; a larger pool is compared by a sample of its accounts
_SMALLEST_MEAN = 2.0  # who tried a thing once or twice shows nothing of how often people come back


def load_dispersion(traffic: Traffic, *, seed: int) -> Signal:
    """Variance over mean of the requests per principal.

    Null model: how often a person uses a thing has a geometric law (every use may be the last; the law of
    largest entropy for its mean), or a more uneven one. p is the share of 999 draws of as many principals,
    with the same mean, that are at least as even; beyond the draws, of the scaled chi-square with their
    moments.

    NaN below two requests each: a thing that people try once or twice, as what spreads from one to the next,
    is used evenly by everybody.

    A schedule deals even loads without anybody's dealing: principals that keep a clock are left out.
    """
    out = no_evidence(traffic.n_groups)
    clock = keeps_a_clock(traffic)
    for group, members in traffic.each_group():
        rows = members[~clock[members]]
        _, counts = principal_counts(traffic, rows)
        if len(counts) < FEWEST:
            continue
        counts = evenly(counts, _MOST_PRINCIPALS)
        mean = counts.mean()
        out.effect[group] = counts.var(ddof=1) / mean
        if mean < _SMALLEST_MEAN:
            continue
        # A generator of the group's own, so that its p does not depend on the other groups.
        draws = np.random.default_rng([seed, len(counts), int(counts.sum())]).geometric(
            1 / mean, (_N_DRAWS, len(counts))
        )
        null = draws.var(axis=1, ddof=1) / draws.mean(axis=1)
        freedom = 2 * null.mean() ** 2 / null.var()
        tail = float(chi2.cdf(out.effect[group] * freedom / null.mean(), freedom))
        out.p_value[group] = drawn_p_value(int((null <= out.effect[group]).sum()), _N_DRAWS, tail)
    return out
