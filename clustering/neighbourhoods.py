"""Who sends what lies near: the principals in the neighbourhood of a prompt, each once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clustering.signals import MOST_MET
from index import KnnGraph


@dataclass(frozen=True, eq=False)
class Senders:
    """Who sends the m nodes of a kNN graph: the distinct (node, principal), by node, then principal.

    Attributes
    ----------
    nodes, principals, n_requests : (s,) int64
    weights : (m,) float64
        Prompts that each node stands for.
    graph : KnnGraph
    """

    nodes: NDArray[np.int64]
    principals: NDArray[np.int64]
    n_requests: NDArray[np.int64]
    weights: NDArray[np.float64]
    graph: KnnGraph


def senders(
    nodes: NDArray[np.int64],
    principals: NDArray[np.int64],
    weights: NDArray[np.float64],
    graph: KnnGraph,
) -> Senders:
    """Senders of the nodes from requests, each with its node and principal."""
    width = max(1, int(principals.max(initial=0)) + 1)
    keys, n_requests = np.unique(nodes * width + principals, return_counts=True)
    return Senders(keys // width, keys % width, n_requests.astype(np.int64), weights, graph)


def share_nearby(sent: Senders, pool: NDArray[np.bool_]) -> float:
    """Share of the pool among the principals met in a neighbourhood, were its requests anybody's.

    Each principal counts once, however much it sends: of r (node, principal) drawn from all s of them, one
    that sends m is met with probability 1 - (1 - m / s)**r. The share of all (node, principal) would be too
    small for a pool whose accounts send little among busy ones.
    """
    n_sent = np.bincount(sent.principals, minlength=len(pool)) / max(1, len(sent.principals))
    near = (1 + sent.graph.indices.shape[1]) * len(sent.principals) / max(1, len(sent.weights))
    met = 1 - (1 - n_sent) ** near
    return float(met[pool].sum() / max(met.sum(), np.finfo(float).tiny))


def pool_nearby(
    sent: Senders, pool: NDArray[np.bool_], queries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Principals of the pool near each query, all principals near it, and the weight of the others.

    Near are the senders of the query's own prompt and of its neighbours, but not the query's own principal.

    Parameters
    ----------
    sent : Senders
    pool : (P,) bool
    queries : (q,) int64
        Rows of `sent`.

    Returns
    -------
    hits, totals : (q,) int64
    others : (q,) float64
        Each counts with the weight of the nearest node that it sends.
    """
    first = np.searchsorted(sent.nodes, np.arange(len(sent.weights) + 1))
    own = sent.nodes[queries]
    near = np.concatenate([own[:, None], sent.graph.indices[own]], axis=1)
    n_senders = np.where(near >= 0, (first[1:] - first[:-1])[near], 0)
    met = np.cumsum(n_senders.sum(axis=1))
    edges = [0, *(np.flatnonzero(np.diff(met // MOST_MET)) + 1).tolist(), len(queries)]
    hits, totals, others = (np.zeros(len(queries)) for _ in range(3))
    for start, stop in pairwise(edges):
        counts = n_senders[start:stop].ravel()
        ends = np.cumsum(counts)
        met_rows = np.repeat(first[near[start:stop].ravel()] - ends + counts, counts) + np.arange(
            counts.sum()
        )
        query = np.repeat(np.arange(start, stop), n_senders[start:stop].sum(axis=1))
        who = sent.principals[met_rows]
        theirs = who != sent.principals[queries[query]]
        query, who, weight = query[theirs], who[theirs], sent.weights[sent.nodes[met_rows[theirs]]]
        _, nearest = np.unique(query * len(pool) + who, return_index=True)
        query, who, weight = query[nearest], who[nearest], weight[nearest]
        np.add.at(totals, query, 1)
        np.add.at(hits, query, pool[who])
        np.add.at(others, query, np.where(pool[who], 0.0, weight))
    return hits.astype(np.int64), totals.astype(np.int64), others
