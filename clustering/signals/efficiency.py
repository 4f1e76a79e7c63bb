"""K2, union efficiency: does every request break new ground, or do the principals send the same things?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from clustering.signals.traffic import Signal, Traffic, no_evidence


def union_efficiency(traffic: Traffic, payload_words: NDArray[np.int64]) -> Signal:
    """|union of the principals' prompts| / sum of |each principal's prompts|; a work queue gives 1, a class 1/A.

    Null model: the principals draw what they send as people in this log draw texts of that length. With kappa
    the share of pairs of requests of two principals that are the same prompt, in the background and among
    prompts whose payload is as long (same power of two in words), the pairs that coincide in the group are
    Poisson with mean kappa times its number of pairs; p is the lower tail of the pairs that do.

    Parameters
    ----------
    traffic : Traffic
    payload_words : (n_prompts,) int64
        Words of each prompt outside its skeleton.
    """
    length_class = np.log2(np.maximum(payload_words, 1)).astype(np.int64)
    background = traffic.background
    of_row = length_class[traffic.prompts[background]]
    kappa = {int(c): _coincidence(traffic, background[of_row == c]) for c in np.unique(of_row)}
    out = no_evidence(traffic.n_groups)
    for group, rows in traffic.each_group():
        pairs, same = _pairs(traffic, rows)
        if pairs == 0:
            continue
        distinct = len(np.unique(traffic.prompts[rows]))
        each = len(np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1).T)
        typical = int(np.median(length_class[traffic.prompts[rows]]))
        out.effect[group] = distinct / each
        out.p_value[group] = poisson.cdf(same, kappa.get(typical, 0.0) * pairs)
    return out


def _pairs(traffic: Traffic, rows: NDArray[np.int64]) -> tuple[float, float]:
    """Pairs of (principal, prompt) of two principals, and how many are the same prompt.

    A principal's repetitions of a prompt count once: retries are no evidence either way.
    """
    both = np.unique(np.stack([traffic.principals[rows], traffic.prompts[rows]]), axis=1)
    _, per_principal = np.unique(both[0], return_counts=True)
    _, per_prompt = np.unique(both[1], return_counts=True)
    n = float(both.shape[1])
    pairs = (n * n - (per_principal.astype(np.float64) ** 2).sum()) / 2
    same = (per_prompt * (per_prompt - 1.0)).sum() / 2
    return pairs, same


def _coincidence(traffic: Traffic, rows: NDArray[np.int64]) -> float:
    pairs, same = _pairs(traffic, rows)
    return same / pairs if pairs else 0.0
