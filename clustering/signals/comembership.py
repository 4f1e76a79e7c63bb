"""K7, co-membership: which families share principals beyond chance?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import poisson

from clustering.signals.principals import FEWEST
from clustering.signals.traffic import MOST_MET, Signal, Traffic, no_evidence, principal_counts

LINK_LEVEL = 0.01  # chance of one false link in a log
LEAST_OVERLAP = 0.5  # of the principals that one pool would show


@dataclass(frozen=True, eq=False)
class Crowd:
    """Principals behind some requests, ascending, and how many each of them sent; (m,) int64 both."""

    principals: NDArray[np.int64]
    counts: NDArray[np.int64]

    def n_shared(self, other: Crowd) -> int:
        """Principals that are in both."""
        return len(np.intersect1d(self.principals, other.principals, assume_unique=True))

    def without(self, part: Crowd) -> Crowd:
        """The crowd behind all these requests but those of a part of them."""
        counts = self.counts.copy()
        counts[np.searchsorted(self.principals, part.principals)] -= part.counts
        return Crowd(self.principals[counts > 0], counts[counts > 0])


_NOBODY = Crowd(np.zeros(0, np.int64), np.zeros(0, np.int64))


def crowd_of(traffic: Traffic, rows: NDArray[np.int64]) -> Crowd:
    """The crowd behind requests."""
    return Crowd(*principal_counts(traffic, rows))


def of_one_pool(one: Crowd, other: Crowd) -> bool:
    """Whether two crowds, and what they share, are no smaller than half of what one pool would show.

    One pool: each request of the two is dealt to either at random, whoever sent it. So it matters how much
    each principal sent: of 200 who sent two requests each a pool shows half in both, two things that people
    use hardly one; and a pool among everybody is not everybody.

    Dropped: half of the smaller crowd's principals in common. It misses pools whose accounts send next to
    nothing, and chains classes, harnesses and pipelines that have a few busy principals in common.
    """
    shared = one.n_shared(other)
    if shared == 0:
        return False
    _, who = np.unique(np.concatenate([one.principals, other.principals]), return_inverse=True)
    sent = np.bincount(who, weights=np.concatenate([one.counts, other.counts]))
    part = one.counts.sum() / sent.sum()
    not_one, not_other = float(((1 - part) ** sent).sum()), float((part**sent).sum())
    dealt = len(sent) - np.array([not_one + not_other, not_one, not_other])
    seen = np.array([shared, len(one.principals), len(other.principals)])
    return bool((seen >= LEAST_OVERLAP * dealt).all())


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
        Linked pairs i < j, ascending: p <= LINK_LEVEL, and they share as one pool would (``of_one_pool``).
    """
    out = no_evidence(traffic.n_groups)
    crowds = [crowd_of(traffic, traffic.members(group)) for group in range(traffic.n_groups)]
    crowds = [crowd if len(crowd.principals) >= FEWEST else _NOBODY for crowd in crowds]
    ends = np.cumsum([0, *(len(crowd.principals) for crowd in crowds)])
    who = np.concatenate([_NOBODY.principals, *(crowd.principals for crowd in crowds)])
    shape = (traffic.n_groups, len(traffic.loads))
    member = csr_matrix((np.ones(len(who), np.int32), who, ends), shape=shape)
    families_of, sizes = np.asarray(member.sum(axis=0)).ravel(), np.asarray(member.sum(axis=1)).ravel()
    met = float((families_of.astype(np.float64) * (families_of - 1)).sum())
    if met == 0:
        return out, np.zeros((0, 2), np.int64)
    meeting = met / (float(sizes.sum()) ** 2 - (sizes.astype(np.float64) ** 2).sum())
    n_families = np.count_nonzero(sizes)
    found = []
    for i, j, overlap in _overlapping(member):
        expected = sizes[i].astype(np.float64) * sizes[j] * meeting
        p = np.minimum(1.0, poisson.sf(overlap - 1, expected) * (n_families * (n_families - 1) / 2))
        near = np.flatnonzero(p <= LINK_LEVEL)
        near = near[[of_one_pool(crowds[a], crowds[b]) for a, b in zip(i[near], j[near], strict=True)]]
        found.append((i[near], j[near], overlap[near], p[near]))
    i, j, overlap, p = (np.concatenate(column) for column in zip(*found, strict=True))
    told = np.array([not says_nothing(int(a), int(b)) for a, b in zip(i, j, strict=True)], dtype=bool)
    for one in (i[told], j[told]):
        np.fmin.at(out.p_value, one, p[told])
        np.fmax.at(out.effect, one, overlap[told] / sizes[one])
    return out, np.stack([i, j], axis=1)


def _overlapping(
    member: csr_matrix,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Families i < j, ascending, and the principals they share, if at least FEWEST.

    In blocks of rows, at least one: a few principals in most families make nearly all pairs meet.
    """
    families_of = np.asarray(member.sum(axis=0)).ravel()
    met = np.minimum(member @ families_of, member.shape[0])  # pairs of each row, or more
    block = np.cumsum(met) // MOST_MET
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), member.shape[0]]
    for first, last in pairwise(edges):
        shared = (member[first:last] @ member[first:].T).tocsr()
        shared.sort_indices()
        shared = shared.tocoo()
        kept = (shared.row < shared.col) & (shared.data >= FEWEST)
        i, j = (at[kept].astype(np.int64) + first for at in (shared.row, shared.col))
        yield i, j, shared.data[kept].astype(np.int64)
