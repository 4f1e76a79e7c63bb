"""Sets without a common text: the requests that a pool sends and hardly anybody else.

Plain instructions have no wrapper, and lie among what people ask. What gives them away is who sends them: in
their neighbourhood most principals are of one campaign's pool, though the pool is a sliver of the sent. The
same accounts' ordinary requests lie among everybody's, and stay out, also where the pool's people share an
interest: those neighbourhoods are fuller of the pool than the log is, but alike, and the pool is no majority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import binom, false_discovery_control

from clustering.beta_binomial import campaign_posterior
from clustering.neighbourhoods import Senders, pool_nearby, senders, share_nearby
from clustering.signals import FEWEST, Traffic
from index import KnnGraph

MAJORITY = 0.5  # of the principals around a family: more of the pool than of anybody else
ERROR = 0.05  # of what is taken in, at most this share is expected to be ordinary
MOST_NODES = 100_000  # prompts of the graph: some 100 MB of vectors, and ten seconds of search


@dataclass(frozen=True, eq=False)
class Nodes:
    """Prompts among which pools are looked for.

    Attributes
    ----------
    prompts : (m,) int64
        Rows of distinct prompts, ascending.
    weights : (m,) float64
        Prompts that each stands for: 1, or more where a sample was drawn, of what a pool sends or nobody's.
    """

    prompts: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoolFamilies:
    """Families of view "pool" among n distinct prompts.

    Attributes
    ----------
    labels : (n,) int64
        0..f-1, by pool, then smallest member; -1 for prompts of none.
    strengths : (n,) float32
        In [0, 1]: probability that the prompt is the campaign's; 1 where it was not asked prompt by prompt
        (claimed ones, what is left of a pool), 0 for prompts of none.
    pools : (f,) int64
        Pool of each family.
    p_values : (f,) float64
        Of the null model of what found it: "fewer than half of the family's prompts lie among the pool beyond
        chance", ``half_p_value``, or that of the claims if it is larger; or of ``leftover_families``.
    claimed : (f,) bool
        Whether it holds claimed requests.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    pools: NDArray[np.int64]
    p_values: NDArray[np.float64]
    claimed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Claims:
    """Requests that are a pool's by another sign than what lies near, as relayed conversations are.

    Attributes
    ----------
    pools : (N,) int64
        Pool of each request, -1 for others.
    p_values : (k,) float64
        Of each pool's claims.
    """

    pools: NDArray[np.int64]
    p_values: NDArray[np.float64]


def pool_nodes(
    traffic: Traffic,
    pools: Sequence[NDArray[np.int64]],
    textual: NDArray[np.bool_],
    *,
    seed: int,
    most: int = MOST_NODES,
) -> Nodes:
    """The prompts of the graph: those without a common text, of the pools and of everybody else.

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    pools : per pool, principals
    textual : (f,) bool
        Families found by their skeleton: a common text.
    seed : int
        Of the sample, where there are more than `most`; half of the places are the pools'.
    """
    open_rows = ~np.append(textual, False)[traffic.groups]
    prompts = np.unique(traffic.prompts[open_rows])
    if len(prompts) <= most or not pools:
        return Nodes(prompts[: most if pools else 0], np.ones(len(prompts[: most if pools else 0])))
    of_pool = np.zeros(len(traffic.loads), bool)
    of_pool[np.concatenate(list(pools))] = True
    sent = np.isin(prompts, traffic.prompts[open_rows & of_pool[traffic.principals]])
    random = np.random.default_rng(seed)
    kept, weights = [], []
    for part, places in ((prompts[sent], most // 2), (prompts[~sent], most - min(most // 2, sent.sum()))):
        kept.append(random.choice(part, min(places, len(part)), replace=False))
        weights.append(np.full(len(kept[-1]), len(part) / max(1, len(kept[-1]))))
    order = np.argsort(np.concatenate(kept))
    return Nodes(np.concatenate(kept)[order], np.concatenate(weights)[order])


def pool_families(
    traffic: Traffic,
    pools: Sequence[NDArray[np.int64]],
    nodes: Nodes,
    graph: KnnGraph,
    *,
    placed: NDArray[np.bool_],
    claims: Claims | None = None,
    min_family: int,
) -> PoolFamilies:
    """Families of what each pool sends and hardly anybody else.

    A request of the pool is asked how many of the *principals* among its nearest prompts' senders, its own
    left out, are of the pool: each counts once, so that nobody's own subjects add up. It is taken in when

    - p of that number, binomial with the share that the pool would have (``share_nearby``), is significant
      (Benjamini and Hochberg over the pool's requests, ERROR). Null: these accounts send what everybody
      sends. Of this one p-value is made; the other conditions have none, and keep more out.
    - it belongs to the upper of two laws of such numbers with probability 1 - ERROR, or the pool has no other
      traffic (``campaign_posterior``). Null: these accounts share an interest, more or less strongly.

    Requests taken in that are near neighbours are one family, if they are `min_family` requests of FEWEST
    principals, and on average the pool is the majority where they lie: else the customers of one reseller,
    alike in their language, would come in. Prompts of more than one pool go to the first.

    Tried and dropped: the first condition alone, and an excess of 20 times with it (a pool of like-minded
    people draws its ordinary requests in); a majority at each request (a fifth fewer are found, none better);
    wider neighbourhoods than `min_family` (smaller sets are missed).

    Parameters
    ----------
    traffic : Traffic
        Grouped by family.
    pools : per pool, principals, ascending
    nodes : Nodes
    graph : KnnGraph
        Of the nodes' whole texts, k = `min_family`: a neighbourhood as large as the smallest family.
    placed : (f,) bool
        Families whose requests keep their place: the flagged ones. They count as neighbours.
    claims : Claims, optional
        A pool's claimed requests are one family, but for prompts that are mostly other requests' (a "go on").
    min_family : int

    Notes
    -----
    Deterministic. Memory: some 40 bytes for each (request of a pool, principal nearby), in blocks.
    """
    at = np.full(int(traffic.prompts.max(initial=-1)) + 1, -1)
    at[nodes.prompts] = np.arange(len(nodes.prompts))
    rows = np.flatnonzero(at[traffic.prompts] >= 0)
    fixed = np.zeros(len(nodes.prompts), bool)
    fixed[at[traffic.prompts[rows]]] = np.append(placed, False)[traffic.groups[rows]]
    sent = senders(at[traffic.prompts[rows]], traffic.principals[rows], nodes.weights, graph)
    labels, strengths = np.full(len(at), -1, np.int64), np.zeros(len(at), np.float32)
    n_sent = np.bincount(at[traffic.prompts[rows]], minlength=len(fixed))
    found: list[tuple[int, float, bool]] = []
    for number, members in enumerate(pools):
        pool = np.zeros(len(traffic.loads), bool)
        pool[members] = True
        mine = rows[:0] if claims is None else rows[claims.pools[rows] == number]
        n_own = np.bincount(at[traffic.prompts[mine]], minlength=len(fixed))
        own = (n_own > 0) & (n_own >= MAJORITY * n_sent)
        taken = _taken(sent, pool, (fixed, own & ~fixed))
        for family in _families(sent, pool, taken, min_family):
            labels[nodes.prompts[family]] = len(found)
            strengths[nodes.prompts[family]] = taken.strengths[family]
            p = min(1.0, len(pools) * half_p_value(taken.p_values[family], taken.n_tested))
            claimed = claims is not None and bool(taken.own[family].any())
            found.append((number, max(p, claims.p_values[number]) if claims and claimed else p, claimed))
            fixed[family] = True
    numbers, p_values, claimed_too = (np.array([one[k] for one in found]) for k in range(3))
    kinds = numbers.astype(np.int64), p_values.astype(np.float64), claimed_too.astype(bool)
    return PoolFamilies(labels, strengths, *kinds)


@dataclass(frozen=True, eq=False)
class _Taken:
    """What a pool takes in: per node the p of its least telling request, and its strength, 0 if left out.

    ``near`` (2, m) holds the principals near its requests, of the pool and others; ``own`` the claimed nodes.
    """

    p_values: NDArray[np.float64]
    strengths: NDArray[np.float32]
    near: NDArray[np.float64]
    own: NDArray[np.bool_]
    n_tested: int


def _taken(
    sent: Senders, pool: NDArray[np.bool_], marks: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> _Taken:
    """What the pool takes in beside the fixed nodes; claimed ones whatever lies near."""
    fixed, own = marks
    p_values, strengths, near = np.zeros(len(fixed)), own.astype(np.float32), np.zeros((2, len(fixed)))
    queries = np.flatnonzero(pool[sent.principals] & ~(fixed | own)[sent.nodes])
    at = sent.nodes[queries]
    if len(queries):
        hits, totals, others = pool_nearby(sent, pool, queries)
        p = binom.sf(hits - 1, totals, share_nearby(sent, pool))
        posterior = campaign_posterior(hits, totals)
        chosen = (false_discovery_control(p) <= ERROR) & (posterior >= 1 - ERROR)
        np.maximum.at(p_values, at, p)
        np.maximum.at(strengths, at[chosen], posterior[chosen].astype(np.float32))
        np.add.at(near[0], at, hits)
        np.add.at(near[1], at, others)
    return _Taken(p_values, strengths, near, own, len(np.unique(at)))


def _families(
    sent: Senders, pool: NDArray[np.bool_], taken: _Taken, min_family: int
) -> list[NDArray[np.int64]]:
    """Nodes of each family of what was taken in, by smallest member."""
    inside = taken.strengths > 0
    nodes, together = np.flatnonzero(inside), np.flatnonzero(taken.own)
    if len(nodes) == 0:
        return []
    to = sent.graph.indices[nodes]
    known = (to >= 0) & inside[to]
    i = np.concatenate([np.repeat(nodes, known.sum(axis=1)), together[1:]])
    j = np.concatenate([to[known], np.repeat(together[:1], max(0, len(together) - 1))])
    edges = csr_matrix((np.ones(len(i), bool), (i, j)), shape=(len(inside), len(inside)))
    part = connected_components(edges, directed=False)[1][nodes]
    n_parts = int(part.max()) + 1
    of_pool, others = (np.bincount(part, weights=near[nodes], minlength=n_parts) for near in taken.near)
    place = np.full(len(inside), -1)
    place[nodes] = part
    rows = np.flatnonzero(pool[sent.principals] & inside[sent.nodes])
    n_requests = np.bincount(place[sent.nodes[rows]], weights=sent.n_requests[rows], minlength=n_parts)
    who = np.unique(np.stack([place[sent.nodes[rows]], sent.principals[rows]]), axis=1)
    large = (n_requests >= min_family) & (np.bincount(who[0], minlength=n_parts) >= FEWEST)
    large &= of_pool >= MAJORITY * (of_pool + others)
    return [nodes[part == one] for one in dict.fromkeys(part.tolist()) if large[one]]


def half_p_value(p_values: NDArray[np.float64], n_tested: int) -> float:
    """p of "fewer than half of these are real", chosen among `n_tested`.

    Partial conjunction by Bonferroni (Benjamini and Heller 2008, Biometrics 64(4), eq. 2) over all tested:
    whatever was chosen, its u-th smallest p is no smaller than the u-th smallest of all. That u is chosen
    with it costs nothing more: u (n - u + 1) >= n, so that Simes' inequality (1986, Biometrika 73(3)) covers
    every u at once, where the p-values are independent or depend positively. Claimed ones have p 0.
    """
    half = -(-len(p_values) // 2)
    return float(min(1.0, (n_tested - half + 1) * np.sort(p_values)[half - 1]))
