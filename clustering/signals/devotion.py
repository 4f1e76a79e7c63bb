"""K8, devotion: how much of their accounts' traffic does a group take?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence, principal_counts, ratio_p_value

_FEWEST_REQUESTS = 3  # an account that sent one or two requests is devoted by arithmetic
_PEOPLE = 0.5
_STAKES = np.linspace(0.1, 1.9, 10)


def devotion(traffic: Traffic) -> Signal:
    """Share of its principals' requests that a group takes, over principals who sent at least three.

    Null model: a thing that people use takes at most half of what else each of them sends, by a law of their
    own. The request by which a principal came to be counted is left out: among people who sent it once by
    chance the share would exceed a half by that alone. p is that of a test by betting, 1 / mean over stakes b
    of prod(1 + b (share - 1/2)) (Waudby-Smith and Ramdas 2024, JRSS B 86(1), section 4): exact for any number
    of principals, and at least 2**-A. Small accounts speak as loud there as busy ones, so the pool's traffic
    as a whole must be devoted, too: the larger p counts, of this test and of the jackknife of the effect.
    """
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        who, counts = principal_counts(traffic, rows)
        loads = traffic.loads[who]
        counts, loads = counts[loads >= _FEWEST_REQUESTS], loads[loads >= _FEWEST_REQUESTS]
        if len(counts) < FEWEST:
            continue
        out.effect[group] = counts.sum() / loads.sum()
        pooled = ratio_p_value(counts.astype(np.float64), loads.astype(np.float64), _PEOPLE)
        out.p_value[group] = max(pooled, _betting_p_value((counts - 1) / (loads - 1)))
    return out


def _betting_p_value(shares: NDArray[np.float64]) -> float:
    """p of "independent shares in [0, 1] have means of at most a half" (Ville's inequality)."""
    logs = np.log1p(_STAKES[:, None] * (shares - _PEOPLE)).sum(axis=1)
    largest = logs.max()
    return float(np.exp(min(0.0, -largest - np.log(np.exp(logs - largest).mean()))))
