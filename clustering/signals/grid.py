"""S2, grid balance: do the accounts fill a grid of two slots, each pair once, or as chance pairs values?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from clustering.density.compiled import compiled
from clustering.evenly import evenly
from clustering.signals.principals import FEWEST
from clustering.signals.shuffling import BEYOND, FEWEST_DRAWS, N_DRAWS, shuffle_within
from clustering.signals.slots import Slots, read_requests
from clustering.signals.traffic import Signal, Traffic, drawn_p_value, no_evidence

_MOST_SLOTS = 5  # the fullest ones: ten pairs
_MOST_REQUESTS = 1_000
_FEWEST_USES = 2  # of a value in the mean: values that stand alone are paired in one way only


def grid_balance(traffic: Traffic, slots: Sequence[Slots], *, seed: int) -> Signal:
    """Pairs of principals that sent the same two values together, over what chance brings; of the best slots.

    Whoever sweeps a grid sends each pair of values once, so that its accounts hardly ever meet on one:
    sum(choose(T, 2)) over the pairs of values, T principals having sent it, is small (many distinct pairs of
    few values is the same). Null model: every principal combines its own values at random, whatever the
    others do; those with one request form one stratum and draw from each other's. p is the share of up to
    999 draws with as few meetings (ended early, Besag and Clifford 1991, Biometrika 78(2), when twenty are),
    beyond the draws of the normal law with their moments, times the pairs of slots looked at. What goes
    together for all (a language and its country) makes more meetings and a larger p.

    Tried and dropped: distinct pairs against permuting one column over all requests. Where each of twenty
    people takes an own subject through the same ten formats, it sees a swept grid in 99 of 100 logs. Not
    taken: a maximum over pairs of slots (Westfall and Young); it needs all draws of all pairs, ten at most.

    Parameters
    ----------
    traffic : Traffic
    slots : per group
        See ``clustering.signals.slots``. Only slots whose values are used twice in the mean are compared.
    seed : int

    Returns
    -------
    Signal
        Effect 0 of a grid where none meet, 1 of chance. NaN with fewer than two such slots or five
        principals, or where chance brings no meetings either.
    """
    out = no_evidence(traffic.n_groups)
    for group, members in traffic.each_group():
        if len(slots[group].codes) < 2 or len(members) < FEWEST:
            continue
        rows, place = read_requests(traffic, members, slots[group])
        # A principal's repetitions of a prompt count once.
        m = len(slots[group].rows)
        own = np.unique(traffic.principals[rows] * m + place)
        who, place = own // m, own % m
        if len(np.unique(who)) < FEWEST:
            continue
        found = [
            _meetings(who, x, y, seed) for x, y in combinations(_repeated(slots[group].codes[:, place]), 2)
        ]
        looked = [pair for pair in found if pair is not None]
        if looked:
            effect, p = min(looked, key=lambda pair: (pair[1], pair[0]))
            out.effect[group], out.p_value[group] = effect, min(1.0, p * len(looked))
    return out


def _repeated(codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Slots with two values or more, used twice in the mean; the fullest, at most five."""
    full = (codes >= 0).sum(axis=1)
    n_values = np.array([len(np.unique(code[code >= 0])) for code in codes])
    repeated = np.flatnonzero((n_values >= 2) & (full >= _FEWEST_USES * n_values))
    fullest = repeated[np.argsort(-full[repeated], kind="stable")][:_MOST_SLOTS]
    return [codes[slot] for slot in fullest]


def _meetings(
    who: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64], seed: int
) -> tuple[float, float] | None:
    """Effect and p of two slots; None where they cannot tell."""
    both = evenly(np.flatnonzero((x >= 0) & (y >= 0)), _MOST_REQUESTS)
    _, who, loads = np.unique(who[both], return_inverse=True, return_counts=True)
    if len(loads) < FEWEST:
        return None
    alone = loads[who] == 1
    order = np.lexsort((who, alone))
    _, y = np.unique(y[both], return_inverse=True)
    who, x, y = who[order], x[both][order], y[order]
    n_alone = int(alone.sum())
    strata = np.concatenate([np.cumsum(loads[loads > 1]), [len(who)] if n_alone else []]).astype(np.int64)
    stamp = np.full((int(x.max()) + 1, int(y.max()) + 1, 2), -1, np.int64)
    # A generator of the group's own, so that its p does not depend on the other groups.
    random = np.random.default_rng([seed, len(who), len(loads)])
    observed, draws = _draw(who, x, y, strata, stamp, random)
    mean = float(draws.mean())
    if mean == 0:
        return None
    n_beyond = int((draws <= observed).sum())
    tail = float(norm.cdf((observed + 0.5 - mean) / max(float(draws.std(ddof=1)), np.sqrt(mean))))
    return observed / mean, drawn_p_value(n_beyond, len(draws), tail)


@compiled
def _draw(
    who: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    strata: NDArray[np.int64],
    stamp: NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[int, NDArray[np.float64]]:
    """Meetings observed, and in draws that permute y within the strata (their ends)."""
    observed = _count(who, x, y, stamp)
    draws = np.empty(N_DRAWS)
    n_beyond = 0
    for draw in range(N_DRAWS):
        shuffle_within(y, strata, random)
        draws[draw] = _count(who, x, y, stamp)
        n_beyond += draws[draw] <= observed
        if n_beyond >= BEYOND and draw + 1 >= FEWEST_DRAWS:
            return observed, draws[: draw + 1]
    return observed, draws


@compiled
def _count(
    who: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64], stamp: NDArray[np.int64]
) -> int:
    """Pairs of principals with one pair of values; requests of a principal stand together.

    ``stamp`` holds, per pair of values, the last principal that sent it and how many did; left as it was.
    """
    total = 0
    for i in range(len(who)):
        cell = stamp[x[i], y[i]]
        if cell[0] != who[i]:
            cell[0] = who[i]
            cell[1] += 1
            total += cell[1]
    for i in range(len(who)):
        stamp[x[i], y[i], 0] = -1
        stamp[x[i], y[i], 1] = -1
    return total
