"""K8, devotion: how much of their accounts' traffic does a group take?"""

from __future__ import annotations

import numpy as np

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence, principal_counts, ratio_p_value

_FEWEST_REQUESTS = 3  # an account that sent one or two requests is devoted by arithmetic


def devotion(traffic: Traffic) -> Signal:
    """Share of its principals' requests that a group takes, over principals who sent at least three.

    Null model: a thing that people use takes at most half of what they send; p by the jackknife over principals.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        who, counts = principal_counts(traffic, rows)
        loads = traffic.loads[who]
        counts, loads = counts[loads >= _FEWEST_REQUESTS], loads[loads >= _FEWEST_REQUESTS]
        if len(counts) < FEWEST:
            continue
        out.effect[group] = counts.sum() / loads.sum()
        out.p_value[group] = ratio_p_value(counts.astype(np.float64), loads.astype(np.float64), 0.5)
    return out
