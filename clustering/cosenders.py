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
from scipy.special import comb
from scipy.stats import poisson

from clustering.pools import MAJORITY
from clustering.signals import FEWEST, MOST_MET, Traffic

TWICE = 2  # one meeting is chance or a common source; the second is the first evidence
LEVELS = (0.1, 0.01, 0.001, 0.0001)  # of chance, at which a prompt's senders are telling
_MOST_SENDERS = 100  # of a rare prompt; bounds the cost, and only a `min_family` beyond it feels it


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
    def n_sent(self) -> int:
        """(prompt, principal) of the whole log, rare or not."""
        return int(self.volume.sum())

    @cached_property
    def n_senders(self) -> int:
        """Principals that sent anything."""
        return int(np.count_nonzero(self.volume))

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
    (rare prompt, principal) that the cosenders of a principal hold. A prompt that it did not send has two of
    them or more only by chance; how telling that is, is the binomial upper tail of s. As in higher criticism
    (Donoho and Jin 2004, Ann. Statist. 32(3)) prompts that are telling at several levels, LEVELS, are
    counted: many prompts of two principals or a few of sixteen. p is the least Poisson upper tail of these
    counts, Bonferroni over the levels and over the principals. Of prompts that it sent itself, cosenders
    count that share another with it, and two such prompts as one, because one coincidence makes both.

    Tried and dropped: links between two principals that share more prompts than chance (SynchroTrap; Cao et
    al. 2014, CCS, with a null for its threshold), then connected components: three samples each of 300
    prompts over 90 accounts leave hardly a pair that is telling by itself, and people's pairs chain. Counts
    of prompts of which most principals are cosenders: half of four is no news.

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
    block = np.cumsum(work[seeds]) // MOST_MET
    edges = np.unique([0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(seeds)])
    met, expected = np.zeros((len(LEVELS), len(seeds)), np.int64), np.zeros((len(LEVELS), len(seeds)))
    for first, last in pairwise(edges.tolist()):
        some = slice(first, last)
        least, expected[:, some] = _telling(sent, share[seeds[some]])
        met[:, some] = _met(sent, (near, again), seeds[some], least)
    tails = poisson.sf(met - 1, expected).min(axis=0, initial=1.0)
    lifts = (met / np.maximum(expected, np.finfo(np.float64).tiny)).max(axis=0, initial=0.0)
    return Seeds(seeds, np.minimum(1.0, tails * len(LEVELS) * len(seeds)), lifts, near)


def _at_least(shared: csr_matrix, least: int) -> csr_matrix:
    """Ones where two principals share so many prompts."""
    kept = csr_matrix((shared.data >= least, shared.indices, shared.indptr), shape=shared.shape)
    kept = kept.astype(np.int32)
    kept.eliminate_zeros()
    return kept


def _telling(sent: Cosent, share: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Hits that are telling, (levels, sizes of prompts, seeds), and prompts expected to, (levels, seeds)."""
    sizes, n_prompts = np.unique(sent.senders, return_counts=True)
    least = np.zeros((len(LEVELS), len(sizes), len(share)), np.int64)
    expected = np.zeros((len(LEVELS), len(share)))
    for place, size in enumerate(sizes.tolist()):
        hits = np.arange(size + 1)[:, None]
        pmf = comb(size, hits) * share**hits * (1 - share) ** (size - hits)
        tails = np.cumsum(pmf[::-1], axis=0)[::-1]
        tails = np.append(tails, np.zeros((1, len(share))), axis=0)  # more hits than principals
        for row, level in enumerate(LEVELS):
            least[row, place] = np.maximum(TWICE, (tails > level).sum(axis=0))
            expected[row] += n_prompts[place] * tails[least[row, place], np.arange(len(share))]
    return least, expected


def _met(
    sent: Cosent,
    cosenders: tuple[csr_matrix, csr_matrix],
    seeds: NDArray[np.int64],
    least: NDArray[np.int64],
) -> NDArray[np.int64]:
    """(levels, seeds): prompts with as many hits, or more."""
    near, again = cosenders
    own = sent.of_principal[seeds]
    anywhere = (near[seeds] @ sent.of_principal).tocsr()
    elsewhere = (anywhere - anywhere.multiply(own)).tocoo()
    at_own = (again[seeds] @ sent.of_principal).multiply(own).tocoo()
    size_of = np.unique(sent.senders, return_inverse=True)[1]
    out = np.zeros((len(LEVELS), len(seeds)), np.int64)
    for found, halved in ((elsewhere, 1), (at_own, 2)):
        for row in range(len(LEVELS)):
            full = found.data >= least[row, size_of[found.col], found.row]
            out[row] += np.bincount(found.row[full], minlength=len(seeds)) // halved
    return out
