"""What else a pool sends, where that is of one hand, too.

Plain instructions and relayed conversations have no text in common and lie among what people ask. Accounts
that do nothing but work for a campaign still betray them: each of these accounts asks about everything, while
people keep to their own subjects. Where the accounts have people's ordinary requests as well, the mixture
looks like people, and nothing is said of it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clustering.observed import Observed
from clustering.signals import LINK_LEVEL, Traffic, paired_sample, payload_icc
from clustering.subjects import payload_vectors, sample_people

_ORDINARY = 0.5  # of what is left: more is the pool's than not


@dataclass(frozen=True, eq=False)
class Claims:
    """Requests that are a pool's own by another sign than what lies near them.

    Attributes
    ----------
    pools : (N,) int64
        Pool of each request, -1 for most.
    p_values : (pools,) float64
        Of the sign; 0 where the pool itself rests on it.
    """

    pools: NDArray[np.int64]
    p_values: NDArray[np.float64]


def one_hand_leftovers(
    observed: Observed, pools: Sequence[NDArray[np.int64]], *, placed: NDArray[np.bool_], seed: int
) -> Claims:
    """The pools all of whose other requests are of one hand.

    What is left of a pool are its principals' requests without a common text, outside the placed families,
    whose prompts nobody else sent. Null model: at least half of them are these people's own, about subjects
    that they keep to like the log's other people. Pairs of one principal's requests are then both ordinary in
    a quarter of the cases or more, and the intraclass correlation is at least a quarter of people's. p is as
    in ``exchangeability``, Bonferroni over the pools; a pool claims what is left where it is at most
    LINK_LEVEL.

    Parameters
    ----------
    observed : Observed
    pools : per pool, principals
    placed : (f,) bool
        Families whose requests keep their place.
    seed : int
        Of the samples.
    """
    traffic = observed.traffic
    claims = np.full(len(traffic.prompts), -1, np.int64)
    p_values = np.ones(len(pools))
    left = _left(traffic, pools, textual=placed | observed.templated)
    of_pool = np.isin(traffic.principals, np.concatenate([np.zeros(0, np.int64), *pools]))
    in_template = np.append(observed.templated, False)[traffic.groups]
    people = sample_people(traffic, np.flatnonzero(~of_pool & ~in_template), seed=seed)
    sampled = [paired_sample(left, rows, seed=seed) for _, rows in left.each_group()]
    vectors = payload_vectors(observed, np.concatenate([people, *sampled]))
    usual = payload_icc(traffic, people, *vectors)
    if usual is None or not usual.value > 0:
        return Claims(claims, p_values)
    for number, rows in enumerate(sampled):
        found = payload_icc(traffic, rows, *vectors)
        if found is not None:
            p_values[number] = min(1.0, len(pools) * found.below(_ORDINARY**2, usual))
        if p_values[number] <= LINK_LEVEL:
            claims[left.members(number)] = number
    return Claims(claims, p_values)


def _left(traffic: Traffic, pools: Sequence[NDArray[np.int64]], *, textual: NDArray[np.bool_]) -> Traffic:
    """The requests grouped by the pool that they are left of; a principal of two pools is the first's."""
    pool_of = np.full(len(traffic.loads), -1, np.int64)
    for number in reversed(range(len(pools))):
        pool_of[pools[number]] = number
    groups = np.where(np.append(textual, False)[traffic.groups], -1, pool_of[traffic.principals])
    sent_by_others = np.zeros(int(traffic.prompts.max(initial=-1)) + 1, bool)
    sent_by_others[traffic.prompts[pool_of[traffic.principals] < 0]] = True
    return replace(traffic, groups=np.where(sent_by_others[traffic.prompts], -1, groups), n_groups=len(pools))
