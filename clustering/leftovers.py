"""What else a pool sends, where that is of one hand, too.

Plain instructions and relayed conversations have no text in common and lie among what people ask. Accounts
that only work for a campaign still betray them: each of these accounts asks about everything, while people
keep to their own subjects. Where the accounts have people's ordinary requests as well, the mixture looks like
people, and nothing is said of it here.

That the same hand sends something does not say what for: it may be what the campaign is after, or a cover
that an operator draws at random from anybody's prompts, and a log does not tell the two apart. So these sets
are shown and not flagged. Flagging them was tried: on other authors' traffic it found three sets of relayed
requests, and on the labelled log four covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clustering.observed import Observed
from clustering.pools import PoolFamilies
from clustering.signals import FEWEST, LINK_LEVEL, Traffic, paired_sample, payload_icc
from clustering.subjects import payload_vectors, sample_people

_ORDINARY = 0.5  # of what is left: more is the pool's than not


def leftover_families(
    observed: Observed,
    pools: Sequence[NDArray[np.int64]],
    *,
    placed: NDArray[np.bool_],
    min_family: int,
    seed: int,
) -> PoolFamilies:
    """Of each pool all of whose other requests are of one hand, those requests as one family.

    What is left of a pool are its principals' requests without a common text, outside the placed families,
    whose prompts nobody else sent; a prompt of several pools is left of the first. Null model: at least half
    of them are these people's own, about subjects that they keep to like the log's other people. Pairs of one
    principal's requests are then both ordinary in a quarter of the cases or more, and the intraclass
    correlation is at least a quarter of people's. p is as in ``exchangeability``, Bonferroni over the
    pools; what is left is a family where it is at most LINK_LEVEL, and of `min_family` requests of FEWEST
    principals.

    Parameters
    ----------
    observed : Observed
    pools : per pool, principals
    placed : (f,) bool
        Families whose requests keep their place.
    min_family : int
    seed : int
        Of the samples.
    """
    traffic = observed.traffic
    left = _left(traffic, pools, textual=placed | observed.templated)
    of_a_pool = np.isin(traffic.principals, np.concatenate([np.zeros(0, np.int64), *pools]))
    in_template = np.append(observed.templated, False)[traffic.groups]
    people = sample_people(traffic, np.flatnonzero(~of_a_pool & ~in_template), seed=seed)
    sampled = [paired_sample(left, rows, seed=seed) for _, rows in left.each_group()]
    vectors = payload_vectors(observed, np.concatenate([people, *sampled]))
    usual = payload_icc(traffic, people, *vectors)
    labels = np.full(int(traffic.prompts.max(initial=-1)) + 1, -1, np.int64)
    of_pool: list[int] = []
    p_values: list[float] = []
    for number, rows in left.each_group():
        found = payload_icc(traffic, sampled[number], *vectors)
        if usual is None or found is None or not usual.value > 0 or not _large(traffic, rows, min_family):
            continue
        p = min(1.0, len(pools) * found.below(_ORDINARY**2, usual))
        if p <= LINK_LEVEL:
            labels[traffic.prompts[rows]] = len(of_pool)
            of_pool.append(number)
            p_values.append(p)
    strengths = (labels >= 0).astype(np.float32)
    return PoolFamilies(
        labels,
        strengths,
        np.array(of_pool, np.int64),
        np.array(p_values, np.float64),
        np.zeros(len(of_pool), bool),
    )


def _large(traffic: Traffic, rows: NDArray[np.int64], min_family: int) -> bool:
    return len(rows) >= min_family and len(np.unique(traffic.principals[rows])) >= FEWEST


def _left(traffic: Traffic, pools: Sequence[NDArray[np.int64]], *, textual: NDArray[np.bool_]) -> Traffic:
    """The requests grouped by the pool that they are left of.

    A principal of two pools is the first's, and so is a prompt that two send: one family holds it.
    """
    pool_of = np.full(len(traffic.loads), -1, np.int64)
    for number in reversed(range(len(pools))):
        pool_of[pools[number]] = number
    sender = pool_of[traffic.principals]
    first = np.full(int(traffic.prompts.max(initial=-1)) + 1, len(pools))
    np.minimum.at(first, traffic.prompts, sender)  # -1 where others send it, too
    theirs = (sender == first[traffic.prompts]) & ~np.append(textual, False)[traffic.groups]
    return replace(traffic, groups=np.where(theirs, sender, -1), n_groups=len(pools))
