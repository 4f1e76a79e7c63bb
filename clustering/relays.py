"""Pools that relay conversations: no text in common, no family, only that one account goes on with another's.

The principals that conversations change hands between are linked; a part of the linked ones in which far more
conversations change hands than people share is a pool, and those conversations are its requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.stats import binom

from clustering.signals import FEWEST, LINK_LEVEL, Traffic
from clustering.signals.session_hop import SHARED, Hops


@dataclass(frozen=True, eq=False)
class Relays:
    """Pools that relay.

    Attributes
    ----------
    pools : per pool, (m,) int64
        Principals, ascending; pools by their first.
    claimed : (N,) int64
        Pool of each request in a conversation that changed hands inside it; -1 for others.
    p_values : per pool, float
    n_going_on, n_changed : per pool, int64
        Conversations that go on among the linked, and those of them that changed hands.
    """

    pools: list[NDArray[np.int64]]
    claimed: NDArray[np.int64]
    p_values: NDArray[np.float64]
    n_going_on: NDArray[np.int64]
    n_changed: NDArray[np.int64]


def relay_pools(traffic: Traffic, hops: Hops) -> Relays:
    """Parts of the principals linked by conversations that change hands.

    Null model: each conversation that goes on began with somebody else with probability at most SHARED. A
    part was found by its links, so the fewest conversations that hold it together, those of most principals
    first, are left out on both sides; p is the binomial upper tail of the others, Bonferroni over the parts
    of FEWEST principals or more. Pools have p <= LINK_LEVEL. People who sent the pool a link hang on to it:
    only those stay of whose conversations that go on half or more change hands.

    Parameters
    ----------
    traffic : Traffic
    hops : Hops
        Of the same requests.
    """
    n = len(traffic.loads)
    talks = hops.conversation[hops.to_request]
    claimed = np.full(len(traffic.prompts), -1, np.int64)
    ends = np.concatenate([traffic.principals[hops.from_request], traffic.principals[hops.to_request]])
    number, talk = np.unique(np.concatenate([talks, talks]), return_inverse=True)
    shape = (n + len(number), n + len(number))
    who = np.unique(np.stack([talk, ends]), axis=1)
    size = np.bincount(who[0], minlength=len(number))
    rank = np.empty(len(number), np.int64)
    rank[np.lexsort((number, -size))] = np.arange(1, len(number) + 1)
    links = csr_matrix((rank[who[0]].astype(np.float64), (n + who[0], who[1])), shape=shape)
    part = connected_components(links, directed=False)[1]
    tree = minimum_spanning_tree(links)
    needed = np.bincount(tree.tocoo().row, minlength=shape[0])[n:] > 1
    n_members = np.bincount(part[:n], minlength=part.max(initial=-1) + 1)
    parts = np.flatnonzero(n_members >= FEWEST)
    going_on = np.flatnonzero(hops.conversation >= 0)
    of_part = part[traffic.principals[going_on]]
    all_talks = np.unique(np.stack([of_part, hops.conversation[going_on]]), axis=1)[0]
    relaying = _relaying(traffic, hops)
    found: list[tuple[NDArray[np.int64], float, int, int]] = []
    for one in parts:
        inside = part[n:] == one
        left_out, hopped = int((inside & needed).sum()), int(inside.sum())
        n_talks = int((all_talks == one).sum())
        p = float(binom.sf(hopped - left_out - 1, n_talks - left_out, SHARED)) * len(parts)
        pool = np.flatnonzero((part[:n] == one) & relaying)
        if p <= LINK_LEVEL and len(pool) >= FEWEST:
            its = np.isin(hops.conversation, number[inside])
            its[hops.from_request[np.isin(talks, number[inside])]] = True
            claimed[its & np.isin(traffic.principals, pool)] = len(found)
            found.append((pool, p, n_talks, hopped))
    p_values = np.array([p for _, p, _, _ in found], np.float64)
    counts = np.array([counted for _, _, *counted in found], np.int64).reshape(-1, 2)
    return Relays([pool for pool, *_ in found], claimed, p_values, counts[:, 0], counts[:, 1])


def _relaying(traffic: Traffic, hops: Hops) -> NDArray[np.bool_]:
    """Principals of whose conversations that go on half or more change hands, or none goes on."""
    going_on = np.flatnonzero(hops.conversation >= 0)
    who, talk = np.unique(np.stack([traffic.principals[going_on], hops.conversation[going_on]]), axis=1)
    changed = np.isin(talk, hops.conversation[hops.to_request])
    n = len(traffic.loads)
    relaying: NDArray[np.bool_] = 2 * np.bincount(who[changed], minlength=n) >= np.bincount(who, minlength=n)
    return relaying
