"""Is it a pool at all? Requests beyond the four busiest principals."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from clustering.signals.traffic import Signal, Traffic, no_evidence, principal_counts

FEWEST = 5  # fewer than five hands are a customer, a lab or a team, not a pool of accounts
_STRAY_SHARE = 0.05


def principals(traffic: Traffic) -> Signal:
    """Effective number of principals, against "four customers and their strays".

    The effect is the inverse Simpson index 1 / sum(share**2) of the group's requests over principals (Hill
    1973, Ecology 54(2), order 2). Null model: four principals send the group, and every request is attributed
    to somebody else with probability 0.05 (shared keys, resold accounts); p is the binomial upper tail of the
    requests outside the four busiest.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        if len(rows) == 0:
            continue
        _, counts = principal_counts(traffic, rows)
        out.effect[group] = 1 / ((counts / counts.sum()) ** 2).sum()
        outside = len(rows) - np.sort(counts)[-(FEWEST - 1) :].sum()
        out.p_value[group] = binom.sf(outside - 1, len(rows), _STRAY_SHARE)
    return out
