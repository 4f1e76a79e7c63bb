"""K7, co-membership: which families share principals beyond chance?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import poisson

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import Signal, Traffic, no_evidence

LINK_LEVEL = 0.01  # chance of one false link in a log
LEAST_OVERLAP = 0.5  # of the smaller family's principals
_MOST_MET = 4_000_000  # pairs of families held at a time: some 100 MB


def comembership(
    traffic: Traffic, says_nothing: Callable[[int, int], bool]
) -> tuple[Signal, NDArray[np.int64]]:
    """Principals that families share, and the linked families.

    Null model: memberships are dealt at random, but every principal keeps the number k of its families and
    every family the number A of its principals, so that busy principals meet everywhere: two families share
    A_i A_j sum(k (k - 1)) / ((sum A)**2 - sum(A**2)) principals (Chung and Lu 2002, PNAS 99(25), on the
    bipartite graph, without the double edges that few families would be full of; the stochastic degree model
    of Neal 2014, Social Networks 39). p of a pair is the Poisson upper tail of the principals they share,
    Bonferroni over all pairs of families: those that share somebody are chosen by what is tested.

    Parameters
    ----------
    traffic : Traffic
    says_nothing : function of two families
        Whether that they share principals is no evidence, though it links them: variants of one template have
        the same users whoever these are, and two subjects the same people.

    Returns
    -------
    signal : Signal
        Effect: largest share of a family's principals that one telling linked family shares. p:
        of its most telling such link. NaN without a link: a campaign of one template has none, and that is no
        sign of people.
    links : (l, 2) int64
        Linked pairs i < j, ascending: p <= LINK_LEVEL and half of the smaller family's principals shared.
    """
    out = no_evidence(traffic.n_groups)
    inside = traffic.groups >= 0
    pairs = np.unique(np.stack([traffic.groups[inside], traffic.principals[inside]]), axis=1)
    size = np.bincount(pairs[0], minlength=traffic.n_groups)
    pairs = pairs[:, size[pairs[0]] >= FEWEST]
    shape = (traffic.n_groups, len(traffic.loads))
    member = csr_matrix((np.ones(pairs.shape[1], np.int32), (pairs[0], pairs[1])), shape=shape)
    families_of, sizes = np.asarray(member.sum(axis=0)).ravel(), np.asarray(member.sum(axis=1)).ravel()
    met = float((families_of.astype(np.float64) * (families_of - 1)).sum())
    if met == 0:
        return out, np.zeros((0, 2), np.int64)
    meeting = met / (float(sizes.sum()) ** 2 - (sizes.astype(np.float64) ** 2).sum())
    n_families = np.count_nonzero(sizes)
    found = []
    for i, j, overlap in _overlapping(member, sizes):
        expected = sizes[i].astype(np.float64) * sizes[j] * meeting
        p = np.minimum(1.0, poisson.sf(overlap - 1, expected) * (n_families * (n_families - 1) / 2))
        near = p <= LINK_LEVEL
        found.append((i[near], j[near], overlap[near], p[near]))
    i, j, overlap, p = (np.concatenate(column) for column in zip(*found, strict=True))
    told = np.array([not says_nothing(int(a), int(b)) for a, b in zip(i, j, strict=True)], dtype=bool)
    for one in (i[told], j[told]):
        np.fmin.at(out.p_value, one, p[told])
        np.fmax.at(out.effect, one, overlap[told] / sizes[one])
    return out, np.stack([i, j], axis=1)


def _overlapping(
    member: csr_matrix, sizes: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Families i < j, ascending, and the principals they share, if at least FEWEST and half of the smaller's.

    In blocks of rows, at least one: a few principals in most families make nearly all pairs meet.
    """
    families_of = np.asarray(member.sum(axis=0)).ravel()
    met = np.minimum(member @ families_of, member.shape[0])  # pairs of each row, or more
    block = np.cumsum(met) // _MOST_MET
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), member.shape[0]]
    for first, last in pairwise(edges):
        shared = (member[first:last] @ member[first:].T).tocsr()
        shared.sort_indices()
        shared = shared.tocoo()
        kept = (shared.row < shared.col) & (shared.data >= FEWEST)
        i, j = (at[kept].astype(np.int64) + first for at in (shared.row, shared.col))
        overlap = shared.data[kept].astype(np.int64)
        half = overlap >= LEAST_OVERLAP * np.minimum(sizes[i], sizes[j])
        yield i[half], j[half], overlap[half]
