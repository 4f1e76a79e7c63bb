"""The pools that are followed: those of campaigns, and those that hand conversations round.

What a pool leads to is no finding of its own: it was looked at because the pool was found. So it has the
p-value of what made the pool, or of what found it in the pool if that is larger (``followed_p_values``), and
the q-value that follows (``followed_q_values``). It takes no part in Benjamini and Hochberg's procedure, in
which it would change the q-values of families that it has nothing to do with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clustering.accounts import CampaignAccounts
from clustering.pools import Claims
from clustering.relays import Relays
from clustering.signals import LEAST_OVERLAP


@dataclass(frozen=True, eq=False)
class CampaignPools:
    """Pools to follow, k of them.

    Attributes
    ----------
    members : k times (m,) int64
        Principals, ascending.
    p_values, q_values : (k,) float64
        Of what made the pool.
    groups : (k,) int64
        Group of families that its finds belong to; a new number for a pool that only hands on conversations.
    claims : Claims
        Conversations that change hands inside a pool.
    n_going_on, n_changed : (k,) int64
        Conversations that go on among those behind the claims, and those of them that changed hands.
    """

    members: list[NDArray[np.int64]]
    p_values: NDArray[np.float64]
    q_values: NDArray[np.float64]
    groups: NDArray[np.int64]
    claims: Claims
    n_going_on: NDArray[np.int64]
    n_changed: NDArray[np.int64]


def campaign_numbers(groups: NDArray[np.int64], flagged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of each flagged family's group, 0..c-1; -1 for the others."""
    out = np.full(len(groups), -1, np.int64)
    out[flagged] = np.unique(groups[flagged], return_inverse=True)[1]
    return out


def campaign_pools(
    accounts: CampaignAccounts,
    relays: Relays,
    *,
    groups: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    p_values: NDArray[np.float64],
    q_values: NDArray[np.float64],
) -> CampaignPools:
    """Pools of the campaigns, by their numbers, then those that hand on conversations.

    A campaign's p is the smallest of its group's families, Bonferroni over all of them, flagged or not; its q
    is the smallest of theirs: it is found at the level at which its first family is. A pool that hands on
    conversations was looked for in parts of its own, and its p is for all of these: that is its q, too. One
    that shares at least half of its principals with a campaign's is the campaign's, and claims for it.

    Parameters
    ----------
    accounts : CampaignAccounts
    relays : Relays
    groups, flagged, p_values, q_values : (f,)
        Of the families.
    """
    campaigns = np.unique(groups[flagged])
    n, n_relays = len(campaigns), len(relays.pools)
    members = [accounts.pool(campaign) for campaign in range(n)]
    home = np.array([_home(pool, members, n + k) for k, pool in enumerate(relays.pools)], np.int64)
    inside = [groups == group for group in campaigns]
    p = np.append([min(1.0, rows.sum() * p_values[rows].min()) for rows in inside], relays.p_values)
    q = np.append([q_values[rows].min() for rows in inside], relays.p_values)
    own_groups = np.append(campaigns, int(groups.max(initial=-1)) + 1 + np.arange(n_relays))
    claimed_p, n_going_on, n_changed = (np.zeros(n + n_relays) for _ in range(3))
    np.maximum.at(claimed_p, home, relays.p_values)
    np.add.at(n_going_on, home, relays.n_going_on)
    np.add.at(n_changed, home, relays.n_changed)
    return CampaignPools(
        [*members, *relays.pools],
        p,
        q,
        np.append(campaigns, own_groups[home]).astype(np.int64),
        Claims(np.append(home, -1)[relays.claimed], claimed_p),
        n_going_on.astype(np.int64),
        n_changed.astype(np.int64),
    )


def followed_p_values(
    pools: CampaignPools, of_pool: NDArray[np.int64], found: NDArray[np.float64]
) -> NDArray[np.float64]:
    """p of families that pools lead to: the larger of what made the pool and what found them in it."""
    return np.maximum(found, pools.p_values[of_pool])


def joined_p_values(own: NDArray[np.float64], tied: NDArray[np.float64]) -> NDArray[np.float64]:
    """p of a family that was looked at twice: by its own evidence, and by what ties it to a pool.

    Twice the smaller one (Bonferroni). To charge one of the two alone lets the other in for nothing.
    """
    return np.asarray(np.minimum(1.0, 2 * np.minimum(own, tied)))


def followed_q_values(
    pools: CampaignPools, of_pool: NDArray[np.int64], p_values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """q of families that pools lead to: the larger of the pool's and their own p.

    Their p is Bonferroni over all that was tested when the pools were followed, so that a wrong one comes in
    seldom beside a right campaign; where the campaign is wrong it is in its q.
    """
    return np.maximum(pools.q_values[of_pool], p_values)


def _home(pool: NDArray[np.int64], campaigns: Sequence[NDArray[np.int64]], own: int) -> int:
    """The first campaign whose pool holds most of a pool, if half of it; else its own number."""
    shared = [len(np.intersect1d(pool, members)) for members in campaigns]
    best = int(np.argmax(shared)) if shared else 0
    return best if shared and shared[best] >= LEAST_OVERLAP * len(pool) else own
