"""K2, union efficiency: does every account break new ground, or do all send the same things?"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from clustering.signals.traffic import Signal, Traffic, no_evidence


def union_efficiency(traffic: Traffic) -> Signal:
    """|union of the principals' prompts| / sum of |each principal's prompts|; a work queue gives 1, a class 1/A.

    Null model: the prompts are common property, as a benchmark's, a class's or a popular question's are: at least
    every second prompt of a principal is one that another principal sends, too. p is the binomial lower tail of
    the (principal, prompt) pairs of which that holds. A principal's repetitions of a prompt count once: retries
    are no evidence either way.

    Tried and dropped: as many coincidences as the background's popularity of texts of that length gives. It has
    no power for long payloads, of which nobody repeats any, campaign or not.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        pairs = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
        if len(np.unique(pairs[0])) < 2:
            continue
        _, senders = np.unique(pairs[1], return_counts=True)
        out.effect[group] = len(senders) / pairs.shape[1]
        out.p_value[group] = binom.cdf(senders[senders > 1].sum(), pairs.shape[1], 0.5)
    return out
