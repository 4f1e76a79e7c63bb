"""K2, union efficiency: does every account break new ground, or do all send the same things?"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from clustering.signals.traffic import Signal, Traffic, no_evidence

_COMMON = 0.5


def union_efficiency(traffic: Traffic) -> Signal:
    """|union of the principals' prompts| / sum of |each principal's prompts|; a queue gives 1, a class 1/A.

    Null model: the prompts are common property, as a benchmark's, a class's or a popular question's are:
    taking the principals one after the other, the busiest first, every prompt of the others is, whatever came
    before it, with probability at least 1/2 one that was already sent (five who share a set show 4/5). p is
    the binomial lower tail of the repeats. A principal's repetitions of a prompt count once: retries are no
    evidence either way.

    Tried and dropped: as many coincidences as the background's popularity of texts of that length gives. It
    has no power for long payloads, of which nobody repeats any, campaign or not. A binomial of the prompts
    that have several senders: these come in pairs or more, so that p <= 0.01 came up to eighteen times too
    often.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        pairs = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
        own = np.unique(pairs[0], return_counts=True)[1]
        if len(own) < 2:
            continue
        n_pairs, n_prompts = pairs.shape[1], len(np.unique(pairs[1]))
        out.effect[group] = n_prompts / n_pairs
        out.p_value[group] = binom.cdf(n_pairs - n_prompts, n_pairs - own.max(), _COMMON)
    return out
