"""Resampling: is the same prompt sent again and again by the same accounts?"""

from __future__ import annotations

import numpy as np
from scipy.stats import nbinom

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence, ratio_p_value

_AGAIN = 0.5  # a person who got an answer asks again at most every second time


def repetition(traffic: Traffic) -> Signal:
    """Mean number of times that a principal sends one of the group's prompts.

    Null model: people ask again with probability one half at most, so twice in the mean. p is the negative
    binomial upper tail of the repetitions; or that of the jackknife over principals where it is larger, so
    that one account's retries do not speak for the others. Geometry T1, one prompt sampled many times, has no
    other structure.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        who, member = np.unique(traffic.principals[rows], return_inverse=True)
        if len(who) < FEWEST:
            continue
        pairs = np.unique(np.stack([member, traffic.prompts[rows]]), axis=1)
        requests = np.bincount(member).astype(np.float64)
        prompts = np.bincount(pairs[0]).astype(np.float64)
        out.effect[group] = requests.sum() / prompts.sum()
        chance = float(nbinom.sf(len(rows) - pairs.shape[1] - 1, pairs.shape[1], 1 - _AGAIN))
        out.p_value[group] = max(chance, ratio_p_value(requests, prompts, 1 / (1 - _AGAIN)))
    return out
