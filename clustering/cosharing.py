"""Sets of rare prompts that the same principals send, whatever the prompts say.

A campaign that samples each of many ordinary prompts a few times, or replays harvested ones from several
accounts, has no wrapper, and its prompts lie among what people ask. But each reaches several accounts of one
pool, and those accounts meet at prompt after prompt that hardly anybody else sends. A prompt sent often
enough to be a family of its own stays one, and is no evidence here: popular questions would tie everybody to
everybody. A prompt sent once is for ``clustering.pools`` to find, once a campaign is known.

Benchmarks, continuous integration, classrooms and small circles of people share rare prompts too, and are
sets like any other: one set, one family. Which of them one hand sends is for the signals to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import bdtrc

from clustering.cosenders import TWICE, Cosent, cosent_prompts, meeting_seeds
from clustering.pools import ERROR, MAJORITY
from clustering.signals import FEWEST, Traffic
from clustering.signals.comembership import LINK_LEVEL

_MOST_ROUNDS = 10  # a set settles in two or three


@dataclass(frozen=True, eq=False)
class SharedFamilies:
    """Families of view "shared" among n distinct prompts.

    Attributes
    ----------
    labels : (n,) int64
        0..f-1, by smallest member; -1 for prompts of none.
    strengths : (n,) float32
        Share of a prompt's principals that are of the set's pool, in [0.5, 1]; 0 for prompts of none.
    p_values : (f,) float64
        Of the principal around which the set was found, ``meeting_seeds``; at most LINK_LEVEL.
    """

    labels: NDArray[np.int64]
    strengths: NDArray[np.float32]
    p_values: NDArray[np.float64]


def cosharing_families(traffic: Traffic, placed: NDArray[np.bool_], *, min_family: int) -> SharedFamilies:
    """Families of rare prompts that share their principals.

    The search starts around the principals whose cosenders meet beyond chance (``meeting_seeds``), the most
    telling first, and goes to and fro until nothing changes:

    - a prompt is the pool's if most of its principals are, and their number is more than the pool's share of
      all (prompt, principal) explains: binomial, Benjamini and Hochberg over the rare prompts, ERROR.
    - a principal is of the pool if it sent two of the set's prompts or more, and more than the set's share
      explains: the same over the principals.

    Then those leave the pool who meet others elsewhere: a set takes the majority of its pool's rare prompts.
    What is left is a family if it is `min_family` requests and the pool FEWEST principals. A prompt falls to
    the first set that takes it; a principal that was in a pool starts no further search, but may be in
    another pool, so that an account in two sets does not join them.

    Tried and dropped: the majority at every step (a sparse set is no majority before it is complete); the
    largest ratio of met to expected first (many splinters of one sparse set).

    Parameters
    ----------
    traffic : Traffic
    placed : (n,) bool
        Prompts that have a family by their skeleton: left out.
    min_family : int

    Returns
    -------
    SharedFamilies
        Deterministic. Does not depend on the order of requests; ties between principals go by their number.

    Raises
    ------
    ValueError
        `placed` is shorter than the prompts of the traffic.
    """
    n = int(traffic.prompts.max(initial=-1)) + 1
    if len(placed) < n:
        raise ValueError(f"placed: {len(placed)} for {n} prompts; give one for each distinct prompt")
    sent = cosent_prompts(traffic, placed, min_family=min_family)
    seeds = meeting_seeds(sent)
    telling = np.flatnonzero(seeds.p_values <= LINK_LEVEL)
    order = telling[np.lexsort((telling, -seeds.lifts[telling], seeds.p_values[telling]))]
    seen, free = np.zeros(len(sent.volume), bool), np.ones(len(sent.rows), bool)
    sets: list[tuple[NDArray[np.int64], NDArray[np.float64], float]] = []
    for seed in order.tolist():
        principal = int(seeds.principals[seed])
        if seen[principal]:
            continue
        around = np.append(_columns(seeds.near, np.array([principal])), principal)
        pool, prompts = _settled(sent, around, free)
        seen[principal] = True
        seen[pool] = True
        prompts, shares = _most_of(sent, pool, prompts)
        if len(prompts) and sent.n_requests[prompts].sum() >= min_family:
            free[prompts] = False
            sets.append((prompts, shares, float(seeds.p_values[seed])))
    return _families(sent, sets, len(placed))


def _settled(
    sent: Cosent, pool: NDArray[np.int64], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pool and its prompts once neither changes; both empty if either dwindles."""
    nobody = np.zeros(0, np.int64)
    prompts = nobody
    for _ in range(_MOST_ROUNDS):
        at, hits = _counts(sent.of_principal, pool)
        near = free[at] & (hits >= sent.most[at])
        at, hits = at[near], hits[near]
        p = bdtrc(hits - 1, sent.senders[at], sent.volume[pool].sum() / sent.n_sent)
        found = at[_significant(p, len(sent.rows))]
        who, times = _counts(sent.member, found)
        who, times = who[times >= TWICE], times[times >= TWICE]
        p = bdtrc(times - 1, sent.volume[who], sent.senders[found].sum() / sent.n_sent)
        members = who[_significant(p, sent.n_senders)]
        if len(members) < FEWEST:
            return nobody, nobody
        if np.array_equal(found, prompts) and np.array_equal(members, pool):
            break
        pool, prompts = members, found
    return pool, prompts


def _most_of(
    sent: Cosent, pool: NDArray[np.int64], prompts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Prompts that are still the pool's, and its share of each, without who meets others elsewhere."""
    who, times = _counts(sent.member, prompts)
    pool = np.intersect1d(pool, who[times >= MAJORITY * sent.rare[who]], assume_unique=True)
    if len(pool) < FEWEST:
        return np.zeros(0, np.int64), np.zeros(0)
    at, hits = _counts(sent.of_principal, pool)
    kept = np.isin(at, prompts) & (hits >= sent.most[at])
    return at[kept], hits[kept] / sent.senders[at[kept]]


def _columns(matrix: csr_matrix, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns of the ones in these rows, row by row; scipy takes five times as long for a few rows."""
    first, end = matrix.indptr[rows].astype(np.int64), matrix.indptr[rows + 1].astype(np.int64)
    n = end - first
    places = np.repeat(first - np.cumsum(n) + n, n) + np.arange(n.sum())
    return np.asarray(matrix.indices[places], np.int64)


def _counts(matrix: csr_matrix, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns with a one in these rows, ascending, and how many."""
    return np.unique(_columns(matrix, rows), return_counts=True)


def _significant(p_values: NDArray[np.float64], n_tests: int) -> NDArray[np.bool_]:
    """Those that Benjamini and Hochberg's procedure rejects at ERROR; p of the tests left out is 1."""
    ranked = np.sort(p_values)
    below = np.flatnonzero(ranked <= ERROR * np.arange(1, len(ranked) + 1) / n_tests)
    limit = ranked[below[-1]] if len(below) else -1.0
    return np.asarray(p_values <= limit)


def _families(
    sent: Cosent, sets: list[tuple[NDArray[np.int64], NDArray[np.float64], float]], n: int
) -> SharedFamilies:
    """The sets as families of n prompts, by smallest member."""
    labels, strengths = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    ordered = sorted(sets, key=lambda one: int(one[0][0]))
    for label, (prompts, shares, _) in enumerate(ordered):
        labels[sent.rows[prompts]], strengths[sent.rows[prompts]] = label, shares
    return SharedFamilies(labels, strengths, np.array([p for _, _, p in ordered], np.float64))
