"""Who sends which rare prompt, and around which principals the same ones meet again and again.

A prompt is rare when it was sent too seldom to be a family of its own, but by two principals or more:
everybody's prompts tell nothing about who is whose. Around a principal lie its *cosenders*, those who sent a
rare prompt that it sent; a pool's accounts send the same prompts as each other's cosenders, where people's
cosenders have nothing to do with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.stats import binom, poisson

from clustering.pools import MAJORITY
from clustering.signals import FEWEST, Traffic

TWICE = 2  # one meeting is chance or a common source; the second is the first evidence
_MOST_SENDERS = 200  # of a rare prompt; a memory bound that only a `min_family` beyond it feels
_MOST_MET = 4_000_000  # (principal, prompt) held at a time: some 100 MB


@dataclass(frozen=True, eq=False)
class Cosent:
    """The m rare prompts of a log and their P principals.

    Attributes
    ----------
    rows : (m,) int64
        Rows of the distinct prompts, ascending.
    n_requests : (m,) int64
    member : (m, P) csr_matrix of int32
        One where a principal sent a rare prompt.
    volume : (P,) int64
        Distinct prompts of each principal, rare or not; placed ones left out.
    """

    rows: NDArray[np.int64]
    n_requests: NDArray[np.int64]
    member: csr_matrix
    volume: NDArray[np.int64]

    @cached_property
    def senders(self) -> NDArray[np.int64]:
        """Principals of each rare prompt."""
        return np.asarray(np.diff(self.member.indptr), np.int64)

    @cached_property
    def of_principal(self) -> csr_matrix:
        """``member`` the other way round, (P, m)."""
        return self.member.T.tocsr()

    @cached_property
    def rare(self) -> NDArray[np.int64]:
        """Rare prompts of each principal."""
        return np.asarray(np.diff(self.of_principal.indptr), np.int64)

    @cached_property
    def most(self) -> NDArray[np.int64]:
        """Principals that make a prompt somebody's: the majority of its own, and two at least."""
        return np.asarray(np.maximum(TWICE, np.ceil(MAJORITY * self.senders)), np.int64)


@dataclass(frozen=True, eq=False)
class Seeds:
    """Principals with FEWEST - 1 cosenders or more, the p around each, and the cosenders themselves.

    ``principals`` (s,) ascending; ``p_values`` (s,) corrected for the number of seeds and of looks;
    ``lifts`` (s,) the largest ratio of met to expected prompts; ``near`` (P, P) ones for cosenders.
    """

    principals: NDArray[np.int64]
    p_values: NDArray[np.float64]
    lifts: NDArray[np.float64]
    near: csr_matrix


def cosent_prompts(traffic: Traffic, placed: NDArray[np.bool_], *, min_family: int) -> Cosent:
    """The rare prompts among those not placed.

    Parameters
    ----------
    traffic : Traffic
    placed : (n,) bool
    min_family : int
        Requests that make a prompt a family of its own.
    """
    n, n_principals = len(placed), len(traffic.loads)
    n_requests = np.bincount(traffic.prompts, minlength=n)
    free = ~placed[traffic.prompts]
    pairs = np.unique(traffic.prompts[free] * max(1, n_principals) + traffic.principals[free])
    prompts, who = np.divmod(pairs, max(1, n_principals))
    senders = np.bincount(prompts, minlength=n)
    rows = np.flatnonzero((senders >= TWICE) & (senders <= _MOST_SENDERS) & (n_requests < min_family))
    at = np.full(n, -1)
    at[rows] = np.arange(len(rows))
    kept = at[prompts] >= 0
    shape = (len(rows), n_principals)
    member = csr_matrix((np.ones(int(kept.sum()), np.int32), (at[prompts[kept]], who[kept])), shape=shape)
    member.sort_indices()
    return Cosent(rows, n_requests[rows], member, np.bincount(who, minlength=n_principals))


def meeting_seeds(sent: Cosent) -> Seeds:
    """Principals whose cosenders meet at more rare prompts than chance lets them.

    Null model: the rare prompts are dealt at random, but every principal keeps their number and every prompt
    that of its principals (the configuration model; Neal 2014, Social Networks 39). Let s be the share of all
    (rare prompt, principal) that the cosenders of a principal hold. A prompt that it did not send met them
    only by chance: of its A principals a majority, ``Cosent.most``, are cosenders with the binomial upper
    tail of s. Met prompts are counted among those of 2, 4, 8, … principals or more, since many prompts of two
    would hide a few of sixteen; p is the least Poisson upper tail, Bonferroni over these looks and over the
    principals. Of prompts that it sent itself, cosenders count that share another with it, and two such
    prompts as one, because one coincidence makes both.

    Tried and dropped: links between two principals that share more prompts than chance (SynchroTrap; Cao et
    al. 2014, CCS, with a null for its threshold), then connected components: three samples each of 300
    prompts over 90 accounts leave hardly a pair that is telling by itself, and people's pairs chain.

    Parameters
    ----------
    sent : Cosent

    Notes
    -----
    Deterministic. Cost: the sum over principals of their cosenders' rare prompts, in blocks; cosenders that
    hold a majority of everything are not looked at.
    """
    shared = (sent.of_principal @ sent.member).tocsr()
    shared.setdiag(0)
    shared.eliminate_zeros()
    near, again = _at_least(shared, 1), _at_least(shared, TWICE)
    work = near @ sent.rare
    share = work / max(1, int(sent.rare.sum()))
    seeds = np.flatnonzero((np.diff(near.indptr) >= FEWEST - 1) & (share <= MAJORITY))
    levels = TWICE ** np.arange(1, 1 + int(np.log2(max(1, sent.senders.max(initial=1)))))
    met = np.zeros((len(levels), len(seeds)), np.int64)
    block = np.cumsum(work[seeds]) // _MOST_MET
    edges = np.unique([0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(seeds)])
    for first, last in pairwise(edges.tolist()):
        met[:, first:last] = _met(sent, (near, again), seeds[first:last], levels)
    expected = _expected(sent, share[seeds], levels)
    tails = poisson.sf(met - 1, expected)
    p_values = np.minimum(1.0, tails.min(axis=0, initial=1.0) * len(levels) * len(seeds))
    lifts = (met / np.maximum(expected, np.finfo(np.float64).tiny)).max(axis=0, initial=0.0)
    return Seeds(seeds, p_values, lifts, near)


def _at_least(shared: csr_matrix, least: int) -> csr_matrix:
    """Ones where two principals share so many prompts."""
    kept = csr_matrix((shared.data >= least, shared.indices, shared.indptr), shape=shared.shape)
    kept = kept.astype(np.int32)
    kept.eliminate_zeros()
    return kept


def _met(
    sent: Cosent,
    cosenders: tuple[csr_matrix, csr_matrix],
    seeds: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> NDArray[np.int64]:
    """(levels, seeds): met prompts of at least so many principals."""
    near, again = cosenders
    own = sent.of_principal[seeds]
    anywhere = (near[seeds] @ sent.of_principal).tocsr()
    elsewhere = (anywhere - anywhere.multiply(own)).tocoo()
    at_own = (again[seeds] @ sent.of_principal).multiply(own).tocoo()
    out = np.zeros((len(levels), len(seeds)), np.int64)
    for found, halved in ((elsewhere, 1), (at_own, 2)):
        full = found.data >= sent.most[found.col]
        seed, size = found.row[full], sent.senders[found.col[full]]
        for row, level in enumerate(levels.tolist()):
            out[row] += np.bincount(seed[size >= level], minlength=len(seeds)) // halved
    return out


def _expected(sent: Cosent, share: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(levels, seeds): the prompts expected there."""
    out = np.zeros((len(levels), len(share)))
    sizes, first, count = np.unique(sent.senders, return_index=True, return_counts=True)
    for size, at, n in zip(sizes.tolist(), first.tolist(), count.tolist(), strict=True):
        out[levels <= size] += n * binom.sf(sent.most[at] - 1, size, share)
    return out
